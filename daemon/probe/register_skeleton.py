"""A profile to begin with, written from the registers that a unit has shown: `check` accepts it as it stands."""

from __future__ import annotations

from collections.abc import Iterator

from daemon.probe.guesses import Guess, guess
from daemon.probe.scan import TableFound, UnitFound, spans_of
from daemon.sensors.registers import BIT_TABLES, Table

#: Nobody reads on beyond.
_MOST_POINTS = 200


def write_skeleton(unit: UnitFound, place: str) -> str:
    """The text of a profile; empty when the unit has shown nothing that could be a point."""
    lines = [line for found in unit.tables for line in _points(found)]
    if not any(not line.lstrip().startswith("#") for line in lines):
        return ""
    if len(lines) > _MOST_POINTS:
        lines = [*lines[:_MOST_POINTS], f"  # … {len(lines) - _MOST_POINTS} more registers are left out"]
    limit = min((found.limit for found in unit.tables if found.limit is not None), default=125)
    return "\n".join(
        [
            "# yaml-language-server: $schema=../schema/profile.schema.json",
            f"# 由 probe modbus 依 {place} 单元 {unit.number} 的寄存器推测；请对照说明书改名、定单位、定量程。",
            "# Guessed from the registers: hold it against the manual, name the points, give them units and ranges.",
            "version: 1",
            f"profile: my-device-{unit.number}",
            f"title: {{zh: 新设备 {unit.number}, en: New device {unit.number}}}",
            "alive_within: 30s",
            "modbus:",
            "  interval: 5s",
            f"  max_block: {max(2, limit)}",
            "  max_gap: 0      # 地址间隙一律不读 nothing between the points is read",
            "points:",
            *lines,
            "",
        ]
    )


def _points(found: TableFound) -> Iterator[str]:
    if not found.looks or not found.looks[-1]:
        return
    last = found.looks[-1]
    zeros: list[int] = []
    if found.table in BIT_TABLES:
        there = [start + n for start, count in found.runs for n in range(count) if start + n in last]
        yield from (_bit(found.table, address) for address in there if last[address])
        zeros = [address for address in there if not last[address]]
    else:
        verdict = guess(found.looks, found.runs)
        if verdict.rival is not None:
            yield f"  # {found.table}: 字序也可能是 the order may also be {verdict.rival}"
        for each in verdict.guesses:
            if each.words == 1 and all(look.get(each.address) == 0 for look in found.looks):
                zeros.append(each.address)
            else:
                yield from _point(found, each)
    if zeros:
        shown = ", ".join(f"{a}" if a == b else f"{a}–{b}" for a, b in spans_of(zeros))
        yield f"  # {found.table} {shown}: 恒为 0，未列 always 0, left out"


def _bit(table: Table, address: int) -> str:
    field = f"register: {{table: {table}, address: {address}, map: {{0: off, 1: on}}}}"
    return f"  {table}_{address}: {{kind: state, {field}}}"


def _point(found: TableFound, each: Guess) -> Iterator[str]:
    field = f"address: {each.address}"
    if found.table != "holding":
        field = f"table: {found.table}, {field}"
    if each.type != "u16":
        field += f", type: {each.type}"
    if each.order != "ABCD":
        field += f", order: {each.order}"
    if each.type == "string":
        field += f", length: {each.words}"
    kind = "state" if each.type == "string" else "counter" if each.type == "u32" else "gauge"
    yield f"  # {_value(each)}  {describe(found, each)}"
    interval = "" if kind == "state" else ", interval: 5s"
    yield f"  {found.table}_{each.address}: {{kind: {kind}{interval}, register: {{{field}}}}}"


def _value(each: Guess) -> str:
    return each.value if isinstance(each.value, str) else f"{each.value:.7g}"


def describe(found: TableFound, each: Guess) -> str:
    """Why it is taken for that, in both languages."""
    parts = [f"{each.why.zh} {each.why.en}".strip()]
    if each.words == 1 and each.rises:
        parts.append("只增不减，或为计数 it rises: a counter?")
    if (before := _companion(found, each)) is not None:
        parts.append(f"寄存器 {before} 或为其小数位数 register {before} may tell its decimals (decimals: {before})")
    return "; ".join(parts)


def _companion(found: TableFound, each: Guess) -> int | None:
    """The register before a whole number that may tell where its point stands, after one that may tell its unit."""
    look = found.looks[-1]
    before, unit = each.address - 1, each.address - 2
    is_number = each.type in ("u16", "s16") and isinstance(each.value, float | int) and abs(each.value) >= 10
    fits = look.get(before, 99) in range(1, 5) and look.get(unit, 99) in range(21)
    return before if is_number and fits and each.type != "f32" else None
