"""Registers written down by a person, or pasted from mbpoll, and what a profile makes of them.

    holding:0=0x3e99,0x999a      from holding register 0 on: two words
    4=312 0 65535 -5             holding where no table is named; blanks do as well as commas, -5 is 0xFFFB
    input:0x10=0x3e99999a        four hexadecimal digits a word
    coil:3=1,0,1                 bits
    [5]:    65535 (-1)           a line of mbpoll, which counts from 1 unless it was run with -0

Addresses count from 0, as they travel and as profiles write them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime

from daemon.model import ConfigError, Observation
from daemon.probe.telling import Told, bind
from daemon.sensors.judge import compile_judge
from daemon.sensors.profile import Profile
from daemon.sensors.register_points import Companion, RegisterPoint, compile_points, decode_blocks
from daemon.sensors.registers import BIT_TABLES, Table

#: Words (or bits) by table and address.
Image = dict[tuple[Table, int], int]

_TABLES: dict[str, Table] = {"coil": "coil", "discrete": "discrete", "holding": "holding", "input": "input"}
_WRITTEN = re.compile(r"(?:([a-z]+)\s*:)?\s*(0x[0-9a-fA-F]+|\d+)\s*=\s*(.*)")
_POLLED = re.compile(r"\s*\[(\d+)\]:\s*(\S+)")
#: What mbpoll's head says of the table, and of where it began.
_HEADS: tuple[tuple[str, Table], ...] = (
    ("output (holding) register", "holding"),
    ("input register", "input"),
    ("discrete output", "coil"),
    ("discrete input", "discrete"),
)
_BEGAN_AT_0 = re.compile(r"start reference = 0\b")
_HOW = "write e.g. holding:0=0x3e99,0x999a"


def read_image(texts: Iterable[str], *, first: int | None = None) -> Image:
    """Put together what was written.

    Args:
        texts: each a run of registers (`table:address=words`), or what mbpoll has printed.
        first: the number that mbpoll gives the first register; None: 0 when it shows a register 0, else 1.

    Raises:
        ConfigError: every text that is neither, and registers beyond 65535.
    """
    image: Image = {}
    faults: list[str] = []
    for text in texts:
        try:
            image |= _pasted(text, first) if _POLLED.search(text) else _written(text)
        except ValueError as error:
            faults.append(f"--registers: {error}")
    if not image and not faults:
        faults.append(f"--registers: nothing is given; {_HOW}")
    if faults:
        raise ConfigError(faults)
    return image


def _written(text: str) -> Image:
    found: Image = {}
    for line in filter(None, (line.strip() for line in re.split(r"[\n;]", text))):
        match = _WRITTEN.fullmatch(line)
        if match is None:
            raise ValueError(f"{line[:80]!r} names no registers; {_HOW}")
        named, start, rest = match.groups()
        table = _TABLES.get(named or "holding")
        if table is None:
            raise ValueError(f"{named!r} is no table; known: {', '.join(_TABLES)}")
        words = [word for piece in rest.replace(",", " ").split() for word in _words(piece, table)]
        if not words:
            raise ValueError(f"{line[:80]!r} has no words; {_HOW}")
        found |= _placed(table, int(start, 0), words)
    return found


def _words(piece: str, table: Table) -> list[int]:
    """One word, or the words of a long hexadecimal number."""
    if re.fullmatch(r"0x([0-9a-fA-F]{4}){2,}", piece) and table not in BIT_TABLES:
        return [int(piece[at : at + 4], 16) for at in range(2, len(piece), 4)]
    try:
        word = int(piece, 0)
    except ValueError:
        try:
            word = int(piece, 10)  # 007 is seven
        except ValueError:
            hint = f"; is it 0x{piece}?" if re.fullmatch(r"[0-9a-fA-F]{1,4}", piece) else ""
            raise ValueError(f"{piece[:40]!r} is no whole number{hint}") from None
    if table in BIT_TABLES and word not in (0, 1):
        raise ValueError(f"{piece} is no bit; a {table} is 0 or 1")
    if not -0x8000 <= word <= 0xFFFF:
        raise ValueError(f"{piece} does not fit a register; write 0 to 65535, or words of four digits each: 0x0001e240")
    return [word & 0xFFFF]


def _pasted(text: str, first: int | None) -> Image:
    table: Table = next((table for said, table in _HEADS if said in text), "holding")
    if "32-bit" in text:
        raise ValueError("mbpoll was asked for 32-bit values; run it with -t 4:hex (or -t 3:hex), which shows words")
    lines = [(int(match[1]), match[2]) for match in map(_POLLED.match, text.splitlines()) if match]
    if first is None:
        first = 0 if _BEGAN_AT_0.search(text) or any(number == 0 for number, _ in lines) else 1
    found: Image = {}
    for number, word in lines:
        found |= _placed(table, number - first, _words(word, table))
    return found


def _placed(table: Table, start: int, words: list[int]) -> Image:
    if start < 0 or start + len(words) > 0x10000:
        raise ValueError(f"{table} {start} with {len(words)} words: registers are numbered from 0 to 65535")
    return {(table, start + n): word for n, word in enumerate(words)}


def decode_image(profile: Profile, image: Mapping[tuple[Table, int], int], unit: int, at: datetime) -> Told:
    """What a Modbus profile makes of these registers; a point of which one is missing stays silent.

    Raises:
        ConfigError: the profile is for messages.
    """
    if profile.modbus is None:
        raise ConfigError(
            [f"the profile {profile.profile!r} reads messages, not registers; give --topic and a payload"]
        )
    binding = bind(profile, {"unit": unit})
    there = [(field, _places(field)) for field in compile_points(binding, "decode", unit)]
    answered = [
        ((field,), field.address, [image[place] for place in places])
        for field, places in there
        if all(place in image for place in places)
    ]
    readings, rejections = decode_blocks(answered, at)
    if (judge := compile_judge(binding)) is not None:
        readings = judge(readings)
    return Told(profile, [binding], [Observation(at, binding.device.id, tuple(readings), tuple(rejections))])


def _places(field: RegisterPoint | Companion) -> list[tuple[Table, int]]:
    return [(field.table, field.address + n) for n in range(field.words)]
