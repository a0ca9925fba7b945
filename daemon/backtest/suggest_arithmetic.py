"""How suggested limits came about, in lines that stand beside them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from daemon.backtest.suggested import Rung, Step, Suggested, Together, Unrest
from daemon.documents import format_span


def arithmetic(one: Suggested, zone: ZoneInfo) -> Iterator[str]:
    """How the limits of one point came about, line by line."""
    unit = one.point.unit
    yield (
        f"{one.point.id}: {one.readings} readings from {clock(one.first_at, zone)} to {clock(one.last_at, zone)}, "
        f"single ones scatter by {short(one.noise)} {unit}".rstrip()
    )
    for rung in one.rungs:
        yield from _of_level(rung, one.rounding)
    if one.unrest is not None:
        yield from _of_unrest(one.unrest, one.rounding)
    if one.stretch > 1:
        yield (
            f"one false alarm in {_rough(timedelta(weeks=1) / one.budget)} is one in {one.stretch:.0f} such spans: an "
            "extrapolation with a normal tail; slow changes that the span does not show are not in it"
        )


def _of_level(rung: Rung, rounding: float) -> Iterator[str]:
    its, far, level = rung.spread, rung.reach, rung.level.name
    yield (
        f"{level}: windows of {format_span(rung.window)}: {its.windows} side by side, neighbours correlate by "
        f"{its.correlation:.2f}: as good as {its.independent:.1f} independent ones; mean {short(its.centre)}, scatter "
        f"{short(its.scatter)}"
    )
    yield (
        f"{level}: {rung.budget:.3g} a week is two windows in a row beyond one limit by chance once in "
        f"{far.one_in:.3g}: {far.deviations:.2f} deviations of the mean of two, which is {far.two:.2f} scatter"
    )
    yield (
        f"{level}: {far.deviations:.2f} x {far.two:.2f} x {short(its.scatter)} x {far.factor:.2f} (for the "
        f"shortness of the span) + {short(its.drift)} (between its halves) + {short(rounding)} (coarse readings) = "
        f"{short(far.far + rounding)}: limits {plain(rung.low)} and {plain(rung.high)}; clear half of the "
        f"way back, {plain(rung.clear_low)} to {plain(rung.clear_high)}"
    )


def _of_unrest(unrest: Unrest, rounding: float) -> Iterator[str]:
    its, far = unrest.spread, unrest.reach
    yield (
        f"unrest: within windows of {format_span(unrest.window)} readings scatter by {short(its.centre)}, which itself "
        f"scatters by {short(its.scatter)}; {its.independent:.1f} independent ones, once in {far.one_in:.3g} is allowed"
    )
    yield (
        f"unrest: {short(its.centre)} + {far.deviations:.2f} x {far.two:.2f} x {short(its.scatter)} x {far.factor:.2f} "
        f"+ {short(its.drift)} (between the halves) + {short(rounding)} (coarse): above {plain(unrest.above)}; "
        f"clear half way back, below {plain(unrest.clear_below)}"
    )


def arithmetic_together(one: Together) -> Iterator[str]:
    """How the limits of all points of an asset together came about, line by line."""
    yield (
        f"{one.asset}: the sum, over all points, of the squares of (mean of the window less centre) / distance. 1 is "
        "the limit: one point alone at its distance, or four at half of theirs"
    )
    for step in one.steps:
        yield from _of_step(step)


def _of_step(step: Step) -> Iterator[str]:
    level = step.level.name
    yield (
        f"{level}: windows of at most {format_span(step.window)}: {len(step.terms)} points, worth {step.worth:.1f} "
        f"with nothing in common; {step.budget:.3g} a week is beyond the limit by chance once in {step.one_in:.3g}, "
        f"the sum of so many squares then being {step.limit:.1f}"
    )
    yield (
        f"{level}: distance = root of {step.limit:.1f} x scatter of the mean of two windows in a row ("
        f"x {step.factor:.2f} for the shortness of the span): "
        + "; ".join(
            f"{term.point.name} ({format_span(term.window)}) {short(term.alone)} = {step.limit**0.5:.2f} x "
            f"{short(term.scatter)}"
            for term in step.terms
        )
    )
    yield (
        f"{level}: the latest half of the window has to agree, and ends the alarm: a quarter (half of the way back, "
        f"squared) + {short(step.late - 0.25)} (its own noise) = {short(step.late)}"
    )


def plain(value: float) -> str:
    """Without an exponent and without zeros at the end."""
    text = f"{value:.12f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def short(value: float) -> str:
    """With four digits that count."""
    return plain(float(f"{value:.4g}"))


def clock(at: datetime, zone: ZoneInfo) -> str:
    """To the minute."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M}"


def _rough(span: timedelta) -> str:
    weeks = span / timedelta(weeks=1)
    return f"{weeks:.3g} weeks" if weeks >= 1 else f"{span / timedelta(hours=1):.3g} h"
