"""What is usual for one asset: mean and standard deviation, or median and MAD, of its own last days.

readings ──(or a statistic over a window)──> today's piece ──at its end──> up to 100 pieces ──> Norm: centre and spread

The last so many days *with* readings count, however long ago: a lift that stood still for a month is as calibrated as
before. It stands still while an alarm that is compared with it is pending or open, so that a fault does not become
normal. Unknown until enough days are there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any, NamedTuple

from daemon.model import EPOCH, Observed
from daemon.rules.compiled import SLACK, Compiled, Scope, latest, met
from daemon.rules.daily import FEWEST, Digest, LocalTime, Moments, Pieces, saved_digest, thinned, weighted_median
from daemon.rules.past_limits import deviation_limits
from daemon.rules.pasts import MAD, SD, TIMES, BaselineSpec, Deviation
from daemon.rules.windowed import make_window

#: Of a finished piece so many quantiles are kept, of one hour of it so many.
_WHOLE, _HOURLY = 16, 5


class Norm(NamedTuple):
    """What is usual."""

    centre: float
    #: 0 when all values were the same.
    spread: float


class Baseline:
    """Learns what is usual from complete pieces of time."""

    __slots__ = (
        "_by_hour", "_hour", "_local", "_need", "_now", "_once", "_piece", "_pieces", "_quantity", "_robust", "_since",
        "frozen", "kept", "key", "norms",
    )  # fmt: skip

    def __init__(
        self, key: str, spec: BaselineSpec, zone: str, quantity: Callable[[], float | None] | None, *, robust: bool
    ) -> None:
        """`quantity` is what to learn instead of the reading; `robust` means median and MAD."""
        #: What makes it the same one over a reload or restart.
        self.key = key
        #: It learns nothing meanwhile.
        self.frozen = False
        #: Finished pieces: by hour (0 when it does not go by the hour) its summary.
        self.kept: deque[dict[int, Any]] = deque()
        #: By hour; empty while nothing is calibrated.
        self.norms: dict[int, Norm] = {}
        self._robust = robust
        self._pieces = Pieces.of(spec.over)
        self._need = self._pieces.needed(spec.after if spec.after is not None else spec.over / 2)
        self._by_hour = spec.by_hour
        self._once = spec.learn == "once"
        self._since = (date.fromisoformat(spec.since) - EPOCH.date()) // timedelta(milliseconds=1) if spec.since else 0
        self._quantity = quantity
        self._local = LocalTime(zone)
        self._hour = 0
        self._piece: int | None = None
        self._now: dict[int, Moments | Digest] = {}

    def push(self, at: int, value: float) -> None:
        """Take in a reading; `at` never goes back."""
        local = self._local.ms(at)
        self._hour = self._local.hour(at) if self._by_hour else 0
        if self.frozen or local < self._since or (self._once and len(self.kept) >= self._pieces.number):
            return
        if self._quantity is not None:
            found = self._quantity()
            if found is None:
                return
            value = found
        piece = local // self._pieces.width_ms
        if piece != self._piece:
            self._finish()
            self._piece = piece
        summary = self._now.get(self._hour)
        if summary is None:
            summary = self._now[self._hour] = Digest() if self._robust else Moments()
        summary.learn(value)

    def norm(self) -> Norm | None:
        """What is usual at the hour of the latest reading; None until that is calibrated."""
        return self.norms.get(self._hour)

    @property
    def ready(self) -> bool:
        """Whether it is calibrated, at the hour of the latest reading."""
        return self.norm() is not None

    @property
    def progress(self) -> str:
        """How far it is: finished pieces of those needed."""
        return f"{sum(self._hour in piece for piece in self.kept)} of {self._need}"

    def freeze(self) -> None:
        """Stand still: what comes now is what is being compared with it."""
        self.frozen = True

    def resume(self) -> None:
        """Go on learning."""
        self.frozen = False

    def _finish(self) -> None:
        """A piece is over: it counts from now on."""
        if not self._now:
            return
        self.kept.append({hour: self._closed(summary) for hour, summary in self._now.items()})
        self._now = {}
        while len(self.kept) > self._pieces.number:
            self.kept.popleft()
        self._settle()

    def _closed(self, summary: Moments | Digest) -> Moments | list[tuple[float, float]]:
        if isinstance(summary, Moments):
            return summary
        return thinned(summary.entries, _HOURLY if self._by_hour else _WHOLE)

    def _settle(self) -> None:
        self.norms = {}
        for hour in {hour for piece in self.kept for hour in piece}:
            found = [piece[hour] for piece in self.kept if hour in piece]
            norm = (_robust if self._robust else _plain)(found) if len(found) >= self._need else None
            if norm is not None:
                self.norms[hour] = norm

    def save(self) -> dict[str, Any]:
        """Everything that `load` needs, as JSON values."""
        return {
            "frozen": self.frozen,
            "hour": self._hour,
            "piece": self._piece,
            "now": [[hour, summary.save()] for hour, summary in self._now.items()],
            "kept": [[[hour, _saved(summary)] for hour, summary in piece.items()] for piece in self.kept],
        }

    def load(self, saved: dict[str, Any]) -> None:
        """Become what was saved."""
        self.frozen, self._hour, self._piece = saved["frozen"], saved["hour"], saved["piece"]
        self._now = {
            hour: Digest(entries=saved_digest(one)) if self._robust else Moments(one) for hour, one in saved["now"]
        }
        self.kept = deque(
            {hour: saved_digest(one) if self._robust else Moments(one) for hour, one in piece}
            for piece in saved["kept"]
        )
        self._settle()


def _saved(summary: Moments | list[tuple[float, float]]) -> Any:  # noqa: ANN401  JSON
    return summary.save() if isinstance(summary, Moments) else [list(entry) for entry in summary]


def _plain(pieces: list[Moments]) -> Norm | None:
    whole = Moments()
    for piece in pieces:
        whole.merge(piece)
    return Norm(whole.mean, whole.sd) if whole.count >= FEWEST else None


def _robust(pieces: list[list[tuple[float, float]]]) -> Norm | None:
    """Median and MAD; where half of the values are the same, the mean deviation takes the place of a MAD of 0."""
    entries = sorted(entry for piece in pieces for entry in piece)
    count = sum(weight for _, weight in entries)
    if round(count) < FEWEST:
        return None
    centre = weighted_median(entries)
    apart = sorted((abs(value - centre), weight) for value, weight in entries)
    spread = weighted_median(apart)
    return Norm(centre, spread or sum(distance * weight for distance, weight in apart) / count)


# --- as a condition ----------------------------------------------------------------------------------------


def compile_deviation(spec: Deviation, scope: Scope) -> Compiled:
    """A value, or a statistic of a window, against what is usual for the asset."""
    point = scope.point(spec.point, spec.quality)
    limits, measure, of = deviation_limits(spec, point.decl)
    window = make_window(spec, scope, point) if spec.take is not None else None
    quantity = window.value if window is not None else None
    took = f"{spec.take}|{spec.over}|{spec.coverage}" if spec.take else ""
    took += f"|{spec.during.model_dump_json(exclude_defaults=True)}" if spec.during else ""
    robust = of == "median"
    key = f"{scope.owner}|{point.decl.id}|baseline|{took}|{of}|{spec.baseline.model_dump_json()}"
    baseline = scope.keeper(point, key, lambda key: Baseline(key, spec.baseline, scope.zone, quantity, robust=robust))
    comparator = spec.comparator

    def value() -> float | None:
        return point.value if quantity is None else quantity()

    def test() -> bool | None:
        norm, now = baseline.norm(), value() if point.fresh else None
        if norm is None or now is None or (measure in (SD, MAD) and not norm.spread):
            return None
        low, high = _bound(norm, measure, limits.low), _bound(norm, measure, limits.high)
        return met(float(now), comparator, low, high, SLACK * max(abs(low), abs(high)))

    def observe() -> tuple[Observed, ...]:
        norm = baseline.norm()
        unit = f" {point.decl.unit}".rstrip()
        if norm is None:
            shown = f"calibrating, {baseline.progress} days" if spec.baseline.over >= _TWO_DAYS else "calibrating"
        else:
            spread = "mad" if robust else "sd"
            shown = f"{of} {norm.centre:.4g}{unit}, {spread} {norm.spread:.3g}{unit}"
        now = value() if point.known else None
        return (latest(point, f"{limits.words} ({shown})")._replace(value=now),)

    return Compiled(test, (observe,), (point, *point.inputs), references=(baseline,))


_TWO_DAYS = timedelta(days=2)


def _bound(norm: Norm, measure: str, limit: float) -> float:
    if measure == TIMES:
        return norm.centre * limit
    if measure == "%":
        return norm.centre + abs(norm.centre) * limit / 100
    return norm.centre + limit * (norm.spread if measure in (SD, MAD) else 1.0)
