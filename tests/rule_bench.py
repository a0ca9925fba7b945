"""A bench for rules: a tiny site, a rule in YAML, readings in one line each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from daemon.model import (
    EPOCH,
    Asset,
    Catalogue,
    Device,
    Observation,
    Point,
    PointKind,
    Quality,
    Reading,
    Reason,
    Site,
    Text,
    Tick,
    Transition,
)
from daemon.rules.engine import Engine
from daemon.rules.schema import Ruleset, load

WORDS = """\
    title: {zh: 题, en: title}
    basis: a test
    cause: {zh: 因, en: cause}
    consequence: {zh: 果, en: effect}
"""
Overrides = Mapping[tuple[str, str], Mapping[str, Any]]


def _point(name: str, asset: str, device: str, **more: Any) -> Point:  # noqa: ANN401  passed on
    return Point(f"{asset}.{name}", asset, device, name, **more)


def _asset_points(asset: str, device: str) -> list[Point]:
    second = timedelta(seconds=1)
    return [
        _point("p", asset, device, unit="MPa", low=-0.1, high=1.6, interval=second),
        _point("t", asset, device, unit="°C", low=-30, high=200, interval=10 * second),
        _point("free", asset, device, unit="mm"),
        _point("n", asset, device, unit="", interval=second),
        _point("mode", asset, device, kind=PointKind.STATE, on_change=True),
        _point("chain", asset, device, kind=PointKind.STATE, on_change=True, urgent=True),
    ]


def _more_points(asset: str, device: str) -> list[Point]:
    """Counters, one of them on change, and a second pressure in another unit."""
    second = timedelta(seconds=1)
    return [
        _point("starts", asset, device, kind=PointKind.COUNTER, interval=second, rollover=65536.0),
        _point("trips", asset, device, kind=PointKind.COUNTER, on_change=True),
        _point("q", asset, device, unit="bar", interval=second),
    ]


def make_catalogue(*, assets: int = 1, more: bool = False) -> Catalogue:
    points = (lambda a, d: [*_asset_points(a, d), *_more_points(a, d)]) if more else _asset_points
    names = [f"a{n}" for n in range(1, assets + 1)]
    return Catalogue(
        Site("s", Text("站", "site")),
        tuple(Asset(name, "room", Text(name, name)) for name in names),
        tuple(Device(f"{name}.d", name, "src", timedelta(seconds=30)) for name in names),
        tuple(point for name in names for point in points(name, f"{name}.d")),
    )


class Bench:
    """Times are seconds since 2026-01-01; readings are given by keyword."""

    def __init__(self, tmp_path: Path) -> None:
        self.start = EPOCH + timedelta(days=20454)
        self.catalogue = make_catalogue()
        self.path = tmp_path / "r.yaml"
        self.engine = Engine()
        self.seen: list[Transition] = []

    def at(self, seconds: float) -> datetime:
        return self.start + timedelta(milliseconds=round(seconds * 1000))

    def ruleset(self, *rules: str, overrides: Overrides | None = None) -> Ruleset:
        """Each rule is its id and then YAML of what comes after the common words."""
        lines = ["version: 1", "rules:"]
        for text in rules:
            name, _, rest = text.strip().partition("\n")
            body = "\n".join("    " + line for line in _dedent(rest))
            applies = "" if "applies_to" in rest else "    applies_to: {kind: room}\n"
            lines.append(f"  - id: {name}\n{WORDS}{applies}{body}")
        self.path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return load([self.path], self.catalogue, overrides or {})

    def rules(self, *rules: str, at: float = 0, overrides: Overrides | None = None) -> list[str]:
        return self._note(self.engine.reload(self.ruleset(*rules, overrides=overrides), self.at(at)))

    def message(
        self,
        at: float,
        *,
        source: float | None = None,
        late: bool = False,
        bad: bool = False,
        suspect: bool = False,
        device: str = "a1.d",
        gone: bool = False,
        retained: bool = False,
        **values: float | str,
    ) -> Observation:
        received = self.at(at)
        moment = received if source is None else self.at(source)
        quality = Quality.BAD if bad else Quality.SUSPECT if late or suspect else Quality.GOOD
        reason = Reason.LATE if late else Reason.OUT_OF_RANGE if bad else Reason.NONE
        asset = device.partition(".")[0]
        readings = tuple(
            Reading(f"{asset}.{name}", moment, value, received, quality, reason) for name, value in values.items()
        )
        return Observation(received, device, readings, gone=gone, retained=retained)

    def hear(self, at: float, **more: Any) -> list[str]:  # noqa: ANN401  passed on
        return self._note(self.engine.step(self.message(at, **more)))

    def each(self, times: Iterable[float], **values: Any) -> list[str]:  # noqa: ANN401  passed on
        return [line for at in times for line in self.hear(at, **values)]

    def tick(self, at: float) -> list[str]:
        return self._note(self.engine.step(Tick(self.at(at))))

    def _note(self, transitions: Iterable[Transition]) -> list[str]:
        """`12 pending>active I condition_held`, with `?` when the data is unknown and `late` when it is so."""
        found = list(transitions)
        self.seen.extend(found)
        lines = []
        for t in found:
            seconds = (t.at - self.start).total_seconds()
            flags = ("?" if t.data == "unknown" else "") + (" late" if t.late else "")
            name = "" if t.rule == "r" else f"{t.rule} "
            lines.append(f"{name}{seconds:g} {t.before}>{t.after} {t.level.name} {t.cause}{flags}")
        return lines


def _dedent(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if line.strip()]
    margin = min((len(line) - len(line.lstrip()) for line in lines), default=0)
    return [line[margin:] for line in lines]
