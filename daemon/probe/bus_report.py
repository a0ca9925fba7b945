"""What a look over a bus has found, in plain values, with the profiles that it looks like."""

from __future__ import annotations

from typing import Any

from daemon.model import EPOCH, Quality
from daemon.probe.guesses import guess
from daemon.probe.images import Image, decode_image
from daemon.probe.known import shipped_profiles
from daemon.probe.register_skeleton import describe, write_skeleton
from daemon.probe.scan import Scan, TableFound, UnitFound, spans_of
from daemon.sensors.profile import Profile
from daemon.sensors.registers import BIT_TABLES

_MOST_FITS = 5
#: What is smaller than that fits every profile, as zeros do.
_LEAST = 1e-3


def report(scan: Scan) -> dict[str, Any]:
    """Everything that was found."""
    profiles = [profile for profile in shipped_profiles().values() if profile.modbus is not None]
    return {
        "place": scan.place,
        "requests": scan.requests,
        "ended": scan.ended,
        "units": [_unit(unit, scan.place, profiles) for unit in scan.units],
        "silent": scan.silent,
    }


def _unit(unit: UnitFound, place: str, profiles: list[Profile]) -> dict[str, Any]:
    return {
        "unit": unit.number,
        "same_as": unit.same_as,
        "lost": unit.lost,
        "tables": [_table(found) for found in unit.tables],
        "fits": _fits(unit, profiles),
        "skeleton": write_skeleton(unit, place),
    }


def _table(found: TableFound) -> dict[str, Any]:
    return {
        "table": found.table,
        "unknown": found.unknown,
        "there": [(start, start + count - 1) for start, count in found.runs],
        "illegal": spans_of(found.refused),
        "max_block": found.limit,
        "largest": found.largest,
        "pairs": found.pairs,
        "values": [] if found.table in BIT_TABLES else _values(found),
    }


def _values(found: TableFound) -> list[dict[str, Any]]:
    """What the registers of a table may hold; zeros left out."""
    last = found.looks[-1]
    verdict = guess(found.looks, found.runs)
    return [
        {
            "address": each.address,
            "words": each.words,
            "type": each.type,
            "order": each.order,
            "or_order": verdict.rival if each.words == 2 else None,
            "value": each.value,
            "raw": [f"0x{last[each.address + n]:04X}" for n in range(each.words)],
            "why": describe(found, each),
        }
        for each in verdict.guesses
        if any(last[each.address + n] for n in range(each.words))
    ]


def _fits(unit: UnitFound, profiles: list[Profile]) -> list[dict[str, Any]]:
    """Shipped profiles all of whose registers are there and say what can be, those with most points first."""
    image: Image = {
        (found.table, address): word
        for found in unit.tables
        if found.looks
        for address, word in found.looks[-1].items()
    }
    found: list[tuple[int, int, str]] = []
    for profile in profiles:
        told = decode_image(profile, image, unit.number, EPOCH)
        (seen,) = told.observations
        good = sum(reading.quality is Quality.GOOD for reading in seen.readings)
        telling = any(isinstance(r.value, str) or abs(r.value) >= _LEAST for r in seen.readings)
        if telling and good == len(seen.readings) == len(profile.points) and not seen.rejections:
            found.append((good, len(profile.points), profile.profile))
    return [
        {"profile": name, "points": points, "good": good} for good, points, name in sorted(found)[::-1][:_MOST_FITS]
    ]
