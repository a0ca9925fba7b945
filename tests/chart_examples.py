"""Charts of every kind there is: what the tests draw, and what is to be looked at when the drawing changes.

python -m tests.chart_examples DIR      writes each as SVG
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from daemon.charts.drawing import Stretch, draw, stretches
from daemon.charts.plan import Line, Panel, Plan, Sample, Series
from daemon.charts.thinning import marked
from daemon.model import Level, Quality, Text, to_ms

NOON = to_ms(datetime(2026, 11, 22, 6, 0, tzinfo=UTC))
MIN = 60_000
LOW = Line(0.10, "trip", Level.I, "below")
CLEAR = Line(0.15, "clear", Level.I, "above")
PRESSURE = Panel(
    "zone-1.pressure", "outlet_pressure", "MPa", False, False, (), (LOW, CLEAR),
    (), 30_000, False, "zone-1/d",
)  # fmt: skip
DOOR = Panel(
    "lift-1.door",
    "door",
    "",
    True,
    True,
    ("blocked",),
    (),
    (Text("触发：等于 blocked", "trip: equals blocked"),),
    30_000,
    False,
    "d",
)
MODE = replace(DOOR, point="lift-1.mode", name="mode", watched=(), asked=())
PLAN = Plan(
    "opened", Text("高区供水压力过低", "High zone: outlet pressure low"),
    Text("3号楼 高区泵房", "Building 3, high-zone pump room"),
    "water.outlet.low", Level.I, 42, "Asia/Shanghai", NOON - 15 * MIN, NOON, ((NOON - 1 * MIN, None),), (PRESSURE,),
)  # fmt: skip


def wave(begin: int, end: int, value: Callable[[float], float], step: int = 10_000) -> list[Sample]:
    return [Sample(ms, round(value((ms - begin) / MIN), 4)) for ms in range(begin, end + 1, step)]


def sag(minute: float) -> float:
    return 0.31 + 0.01 * math.sin(minute * 3) - (0.045 * max(0.0, minute - 8.5)) + 0.004 * math.sin(minute * 17)


def one(series: list[Sample], plan: Plan = PLAN, panel: Panel = PRESSURE) -> list[Stretch]:
    return stretches(plan, {panel.point: series})


def _pressure() -> str:
    return draw(PLAN, one(wave(PLAN.from_ms, PLAN.to_ms, sag)))


def _gap_and_bad() -> str:
    samples = [s for s in wave(PLAN.from_ms, PLAN.to_ms, sag) if not 4 * MIN < s.ms - PLAN.from_ms < 7 * MIN]
    samples = [s._replace(quality=Quality.SUSPECT) if 30 < n < 36 else s for n, s in enumerate(samples)]
    samples[12] = samples[12]._replace(value=65.535, quality=Quality.BAD)
    samples[60] = samples[60]._replace(value=None, quality=Quality.BAD)
    return draw(PLAN, one(marked(samples, 30_000, PLAN.to_ms)))


def _lift() -> str:
    a, end = PLAN.from_ms, PLAN.to_ms
    door = [
        (0, "closed"),
        (2, "open"),
        (3, "closed"),
        (5, "open"),
        (5.5, "closed"),
        (8, "open"),
        (9, "blocked"),
        (11, "closed"),
        (12, "blocked"),
    ]
    mode = [(0, "normal"), (6, "inspection"), (7.5, "normal")]
    speed = wave(a, end, lambda m: 1.75 if m % 2 < 0.8 and m < 12 else 0.0, 5000)
    plan = replace(
        PLAN,
        title=Text("轿门反复受阻", "Car door blocked again and again"),
        asset=Text("2号梯", "Lift 2"),
        rule="lift.door.blocked",
        panels=(DOOR, MODE, replace(PRESSURE, point="s", name="speed", unit="m/s", lines=(), asked=())),
        rest=("position", "load"),
    )
    series: Series = {
        DOOR.point: [Sample(a + int(m * MIN), v) for m, v in door],
        MODE.point: [Sample(a + int(m * MIN), v) for m, v in mode],
        "s": speed,
    }
    return draw(plan, stretches(plan, series))


def _verified_joined() -> str:
    first = Stretch((PLAN.from_ms, PLAN.to_ms), {PRESSURE.point: wave(PLAN.from_ms, PLAN.to_ms, sag)})
    end = NOON + 20 * MIN
    back = wave(NOON, end, lambda m: 0.03 if m < 5 else min(0.32, 0.03 + (m - 5) * 0.1))
    plan = replace(PLAN, occasion="verified", from_ms=NOON, to_ms=end, active=((NOON - MIN, NOON + 7 * MIN),))
    return draw(plan, stretches(plan, {PRESSURE.point: back}, first))


def _verified_apart() -> str:
    first = Stretch((PLAN.from_ms, PLAN.to_ms), {PRESSURE.point: wave(PLAN.from_ms, PLAN.to_ms, sag)})
    end = NOON + 50 * 60 * MIN
    begin = end - 15 * MIN
    back = wave(begin, end, lambda m: min(0.32, 0.05 + m * 0.05))
    plan = replace(PLAN, occasion="recovered", from_ms=begin, to_ms=end, active=((NOON - MIN, begin + 3 * MIN),))
    return draw(plan, stretches(plan, {PRESSURE.point: back}, first))


def _long_title() -> str:
    plan = replace(
        PLAN,
        title=Text(
            "生活水泵房变频泵出口压力持续低于设计值且夜间流量异常，疑似管网漏损或用水高峰叠加",
            "Domestic water pump outlet pressure has been below its design value for long and the night flow is odd",
        ),
        asset=Text(
            "翡翠湾花园三期 12 号楼地下二层 生活水泵房 高区加压泵组",
            "Emerald Bay Garden Phase III, Building 12, basement 2, domestic pump room",
        ),
    )
    return draw(plan, one(wave(PLAN.from_ms, PLAN.to_ms, sag), plan))


def _far_values() -> str:
    return draw(PLAN, one(wave(PLAN.from_ms, PLAN.to_ms, lambda m: 40 + 30 * math.sin(m))))


def _far_limit() -> str:
    plan = replace(
        PLAN,
        panels=(
            replace(
                PRESSURE,
                lines=(
                    Line(6.0, "trip", Level.II, "above"),
                    Line(8.0, "trip", Level.I, "above"),
                    Line(-4, "clear", Level.II, "below"),
                ),
            ),
        ),
    )
    return draw(plan, one(wave(PLAN.from_ms, PLAN.to_ms, sag), plan))


def _negative() -> str:
    panel = replace(
        PRESSURE,
        name="supply_temp",
        unit="°C",
        lines=(
            Line(-5, "trip", Level.I, "below"),
            Line(0, "trip", Level.III, "below"),
            Line(2, "clear", Level.I, "at_least"),
        ),
        asked=(),
    )
    plan = replace(PLAN, panels=(panel,), title=Text("管道冻裂风险", "Pipe may freeze"))
    return draw(plan, one(wave(PLAN.from_ms, PLAN.to_ms, lambda m: 6 - m * 0.9 + math.sin(m)), plan))


def _day() -> str:
    begin = NOON - 24 * 60 * MIN
    plan = replace(
        PLAN,
        from_ms=begin,
        active=((NOON - 90 * MIN, None),),
        title=Text("水箱液位缓慢下降", "Tank level falls slowly"),
    )
    return draw(plan, one(wave(begin, NOON, lambda m: 0.35 - m / 5000 + 0.02 * math.sin(m / 90), 5 * MIN), plan))


def _dst() -> str:
    zone = ZoneInfo("Europe/Berlin")
    begin, end = (
        to_ms(datetime(2026, 10, day, hour, tzinfo=zone).astimezone(UTC)) for day, hour in ((24, 22), (25, 6))
    )
    plan = replace(PLAN, zone="Europe/Berlin", from_ms=begin, to_ms=end, active=((end - 30 * MIN, None),))
    return draw(plan, one(wave(begin, end, lambda m: 0.3 - m / 2500, 2 * MIN), plan))


def _ladder() -> str:
    lines = (
        Line(0.12, "trip", Level.III, "below"),
        Line(0.11, "trip", Level.II, "below"),
        Line(0.10, "trip", Level.I, "below"),
        Line(0.13, "clear", Level.I, "above"),
    )
    plan = replace(PLAN, panels=(replace(PRESSURE, lines=lines),))
    return draw(plan, one(wave(PLAN.from_ms, PLAN.to_ms, sag), plan))


def _four() -> str:
    temp = replace(
        PRESSURE, point="t", name="motor_temp", unit="°C", lines=(Line(90, "trip", Level.I, "above"),), asked=()
    )
    flow = replace(
        PRESSURE,
        point="f",
        name="night_flow",
        unit="m³/h",
        lines=(),
        asked=(Text("触发：10min 内均值高于 80 %", "trip: mean over 10min above 80 %"),),
    )
    pump = replace(
        DOOR, point="q", name="pump_1", watched=("fault",), asked=(Text("触发：等于 fault", "trip: equals fault"),)
    )
    plan = replace(PLAN, panels=(PRESSURE, temp, flow, pump), rest=("inlet_pressure",))
    a, end = PLAN.from_ms, PLAN.to_ms
    series: Series = {
        PRESSURE.point: wave(a, end, sag),
        "t": wave(a, end, lambda m: 60 + m * 2.4),
        "f": wave(a, end, lambda m: 12 + 3 * math.sin(m)),
        "q": [Sample(a, "running"), Sample(a + 12 * MIN, "fault")],
    }
    return draw(plan, stretches(plan, series))


def _late_order() -> str:
    plan = replace(PLAN, active=((PLAN.from_ms - 300 * MIN, None),))
    return draw(plan, one(wave(PLAN.from_ms, PLAN.to_ms, lambda m: 0.05 + 0.01 * math.sin(m)), plan))


def _nothing() -> str:
    return draw(PLAN, one([]))


def _single() -> str:
    return draw(PLAN, one(marked([Sample(NOON - 5 * MIN, 0.08)], 30_000, NOON)))


def _odd_letters() -> str:
    plan = replace(
        PLAN, asset=Text("㛃𠮷楼 <&>\"'\x00 😀", "Żółć & <b>Ünïcode</b>"), title=Text("镕頔堃：特殊字", "Ω ≥ 10 µm ㍿")
    )
    return draw(plan, one(wave(PLAN.from_ms, PLAN.to_ms, sag), plan))


EXAMPLES: dict[str, Callable[[], str]] = {
    "pressure": _pressure, "gap-and-bad": _gap_and_bad, "lift": _lift, "verified-joined": _verified_joined,
    "verified-apart": _verified_apart, "long-title": _long_title, "far-values": _far_values, "far-limit": _far_limit,
    "negative": _negative, "day": _day, "dst": _dst, "ladder": _ladder, "four": _four, "late-order": _late_order,
    "nothing": _nothing, "single": _single, "odd-letters": _odd_letters,
}  # fmt: skip


def write(folder: Path) -> Iterable[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in EXAMPLES.items():
        path = folder / f"{name}.svg"
        path.write_text(make(), encoding="utf-8")
        yield path


if __name__ == "__main__":
    list(write(Path(sys.argv[1])))
