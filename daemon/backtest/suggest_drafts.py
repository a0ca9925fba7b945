"""What was suggested as rules: which assets share one, what each of them asks, what is different of single assets.

Suggested ─┬─> a draft a kind of asset and point: its levels
           └─> a draft more: its unrest
Together  ───> a draft a kind of asset, and the derived points that it looks at
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from daemon.backtest.suggest_arithmetic import arithmetic, arithmetic_together, plain
from daemon.backtest.suggested import Step, Suggested, Suggestion, Term, Together, Unrest
from daemon.documents import format_span
from daemon.model import Catalogue, Level, Text

#: `id` of a rule has at most 80 letters.
_LONGEST = 30
Condition = Mapping[str, object]


class DraftLevel(NamedTuple):
    """One level, as the rules' own loader takes it."""

    level: Level
    when: Condition
    hold: timedelta
    clear: Condition
    clear_hold: timedelta


class Member(NamedTuple):
    """What an asset asks of a rule."""

    asset: str
    levels: tuple[DraftLevel, ...]
    #: The arithmetic, line by line.
    notes: tuple[str, ...]

    @property
    def change(self) -> dict[str, object]:
        """As an override of the same rule."""
        return {
            one.level.name: {
                **_limits(one.when),
                "for": format_span(one.hold),
                "clear": {**_limits(one.clear, "over"), "for": format_span(one.clear_hold)},
            }
            for one in self.levels
        }


@dataclass(frozen=True, slots=True)
class Draft:
    """A rule to be reviewed; its limits are those of its first member."""

    id: str
    title: Text
    members: list[Member] = field(default_factory=list)
    #: The others need an override.
    own_limits: bool = True
    #: Rules that make the order where both have alarms.
    parents: list[str] = field(default_factory=list)


def drafts(found: Suggestion, catalogue: Catalogue) -> list[Draft]:
    """Every rule."""
    zone = ZoneInfo(catalogue.site.timezone)
    kinds = {asset.id: asset.kind for asset in catalogue.assets}
    ids: dict[object, str] = {}
    rules: dict[str, Draft] = {}

    def draft(key: object, plain_id: str, title: Text, *, own_limits: bool = True) -> Draft:
        if key not in ids:
            same = sum(re.fullmatch(rf"{re.escape(plain_id)}(\.n\d+)?", known) is not None for known in ids.values())
            ids[key] = f"{plain_id}.n{same + 1}" if same else plain_id
        return rules.setdefault(ids[key], Draft(ids[key], title, own_limits=own_limits))

    parents: dict[str, str] = {}
    for its in found.together:
        kind = kinds[its.asset]
        shape = tuple((step.level, step.window, step.hold, step.clear_hold) for step in its.steps)
        title = Text("多个测点同时偏离本机常态", "Several points are not as they usually are")
        several = draft((kind, shape), f"own.{_slug(kind)}.several.together", title, own_limits=False)
        levels = tuple(_together_level(step) for step in its.steps)
        parents[its.asset] = several.id
        several.members.append(Member(its.asset, levels, tuple(arithmetic_together(its))))
    for one in found.suggested:
        name, kind = one.point.name, kinds[one.point.asset]
        own = draft(
            (kind, name, len(one.rungs)),  # an override cannot add a level
            f"own.{_slug(kind)}.{_slug(name)}",
            Text(f"{name} 偏离本机常态", f"{name} is not as it usually is"),
        )
        _hang(own, parents.get(one.point.asset))
        own.members.append(Member(one.point.asset, tuple(_levels(one)), tuple(arithmetic(one, zone))))
        if one.unrest is not None:
            wild = draft(
                (own.id, "unrest"),
                f"{own.id}.unrest",
                Text(f"{name} 波动比平常大", f"{name} is less steady than usual"),
            )
            _hang(wild, parents.get(one.point.asset), own.id)
            notes = (f"{one.point.id}: see the unrest of {own.id}",)
            wild.members.append(Member(one.point.asset, (_unrest_level(one, one.unrest),), notes))
    return list(rules.values())


def _hang(draft: Draft, *parents: str | None) -> None:
    """One fault of an asset is one order: what comes after another of its alarms is told on that one's order."""
    draft.parents.extend(one for one in parents if one is not None and one not in draft.parents)


def derived(found: Iterable[Together]) -> dict[tuple[str, str], dict[str, str]]:
    """By asset and name, the derived points that the drafts look at, as assets.yaml has them."""
    return {
        (one.asset, name): {"unit": "", "value": " + ".join(_square(term, parts) for term in step.terms)}
        for one in found
        for step in one.steps
        for name, parts in zip(_names(step), (1, 2), strict=True)
    }


# --- conditions --------------------------------------------------------------------------------------------


def _levels(one: Suggested) -> Iterable[DraftLevel]:
    for rung in one.rungs:
        asked = {"point": one.point.name, "take": "mean", "over": format_span(rung.window)}
        outside, inside = (
            [_limit(one, end) for end in ends] for ends in ((rung.low, rung.high), (rung.clear_low, rung.clear_high))
        )
        yield DraftLevel(
            rung.level, {**asked, "outside": outside}, rung.hold, {**asked, "inside": inside}, rung.clear_hold
        )


def _unrest_level(one: Suggested, its: Unrest) -> DraftLevel:
    asked = {"point": one.point.name, "take": "stddev", "over": format_span(its.window)}
    above, below = (_limit(one, end, difference=True) for end in (its.above, its.clear_below))
    return DraftLevel(its.level, {**asked, "above": above}, its.hold, {**asked, "below": below}, its.clear_hold)


def _together_level(step: Step) -> DraftLevel:
    whole, late = _names(step)
    when = {"all": [{"point": whole, "above": 1.0}, {"point": late, "above": step.late}]}
    return DraftLevel(step.level, when, step.hold, {"point": late, "below": step.late}, step.clear_hold)


def _limit(one: Suggested, value: float, *, difference: bool = False) -> str | float:
    unit = difference_unit(one.point.unit) if difference else one.point.unit
    return f"{plain(value)} {unit}" if unit else value


def difference_unit(unit: str) -> str:
    """What two values in this unit differ in."""
    return "K" if unit == "°C" else unit


def _limits(condition: Condition, *but: str) -> dict[str, object]:
    return {key: value for key, value in condition.items() if key not in ("point", "take", *but)}


# --- derived points ----------------------------------------------------------------------------------------


def _names(step: Step) -> tuple[str, str]:
    """Over the whole window, and over its latest half."""
    whole = f"apart_{format_span(step.window)}"
    return whole, f"{whole}_late"


def _square(term: Term, parts: int) -> str:
    """Of the whole window, or of the latest of so many parts of it."""
    span = format_span(term.window / parts)
    point, unit = term.point, term.point.unit
    name = point.name if point.name.isidentifier() and point.name.isascii() else f"[{point.id}]"
    places = max(0, 3 - math.floor(math.log10(term.alone)))
    centre, alone = round(term.centre, places), plain(float(f"{term.alone:.4g}"))
    from_centre = f"mean({name}, {span}) {_less(centre, unit)}"
    return f"square(({from_centre}) / {f'{alone} {difference_unit(unit)}'.rstrip()})"


def _less(centre: float, unit: str) -> str:
    if centre >= 0:
        return f"- {plain(centre)} {unit}".rstrip()
    if unit == "°C":  # two temperatures make none, and a number has no sign
        return f"+ {plain(-centre)} K - 0 °C"
    return f"+ {plain(-centre)} {unit}".rstrip()


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:_LONGEST] or "point"
