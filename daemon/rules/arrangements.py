"""What is arranged about the site's alarms beside the rules: planned maintenance, and what hangs on what.

maintenance:                                            in assets.yaml
  - {reason: {zh: 周检, en: weekly check}, of: {kind: lift}, calendar: {hours: 02:00-04:00, days: [sat]}}
  - {reason: {zh: 清洗, en: cleaning}, of: {assets: [tank-1]}, from: 2026-12-01 08:00, until: 2026-12-01 18:00}

depends_on: [{asset: room-1, rules: [pwr.lost]}]        in an asset's entry
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from daemon.documents import Strict
from daemon.model import Asset, Catalogue, Text
from daemon.rules.calendars import Calendar, CalendarSpec
from daemon.rules.rule import AppliesTo


def _moment(text: str) -> str:
    try:
        datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no moment; write 2026-12-01 08:00 (site's clocks), or with a zone") from error
    return text


#: By the site's clocks, unless a zone stands behind it.
Moment = Annotated[str, AfterValidator(_moment), Field(examples=["2026-12-01 08:00", "2026-12-01T00:00:00Z"])]


class MaintenanceSpec(Strict):
    """Planned work: orders of some assets are withheld at some hours, or from one moment to another."""

    model_config = ConfigDict(populate_by_name=False)

    reason: Text
    #: Which assets, as in a rule's `applies_to`.
    of: AppliesTo
    #: Only these rules; absent: every rule but those that are never suppressed.
    rules: tuple[str, ...] | None = None
    calendar: CalendarSpec | None = None
    begin: Annotated[Moment | None, Field(alias="from")] = None
    until: Moment | None = None

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.calendar is None and (self.begin is None or self.until is None):
            raise ValueError("write a calendar, or both from and until: maintenance ends")
        if self.begin and self.until:
            ends = [datetime.fromisoformat(text) for text in (self.begin, self.until)]
            if (ends[0].tzinfo is None) is not (ends[1].tzinfo is None):
                raise ValueError("write both from and until with a zone, or both without")
            if ends[0] >= ends[1]:
                raise ValueError("until lies before from; turn them round")
        return self


class DependencySpec(Strict):
    """What an asset needs: while that is lost, its own alarms follow from it."""

    #: The asset that it depends on.
    asset: str
    #: While one of these rules has an order there, alarms of this asset are children of it.
    rules: tuple[str, ...] = ()


def read_moment(text: str, zone: ZoneInfo) -> datetime:
    """The aware moment; by the clocks of `zone` when none is written."""
    at = datetime.fromisoformat(text)
    return (at if at.tzinfo is not None else at.replace(tzinfo=zone)).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Arrangements:
    """All of them; empty where nothing is arranged."""

    maintenance: tuple[MaintenanceSpec, ...] = ()
    #: By asset.
    dependencies: Mapping[str, tuple[DependencySpec, ...]] = field(default_factory=dict)

    def faults(self, catalogue: Catalogue, rules: Mapping[str, object]) -> Iterator[str]:
        """What names an asset or rule that is not there, and what depends on itself."""
        assets = {asset.id for asset in catalogue.assets}
        named = [(f"maintenance {n + 1}", spec.of.assets, spec.rules) for n, spec in enumerate(self.maintenance)]
        for asset, links in self.dependencies.items():
            named += [(f"depends_on of {asset!r}", (link.asset,), link.rules) for link in links]
        for place, of, by in named:
            yield from (f"{place}: no asset is called {a!r}{_near(a, assets)}" for a in _missing(of, assets))
            yield from (f"{place}: there is no rule {r!r}{_near(r, rules)}" for r in _missing(by, rules))
        for asset in self.dependencies:
            place = f"depends_on of {asset!r}"
            if asset in {link.asset for link in self.above(asset)}:
                yield f"{place}: it depends on itself in the end; remove one of the links"

    def above(self, asset: str) -> Iterator[DependencySpec]:
        """Everything that an asset depends on, the nearest first."""
        seen, waiting = set[str](), [asset]
        while waiting:
            here = waiting.pop(0)
            if here in seen:
                continue
            seen.add(here)
            for spec in self.dependencies.get(here, ()):
                yield spec
                waiting.append(spec.asset)


class Maintenance:
    """A `MaintenanceSpec` in the site's zone; it asks nobody what time it is."""

    def __init__(self, spec: MaintenanceSpec, timezone: str) -> None:
        zone = ZoneInfo(timezone)
        self._spec = spec
        self._calendar = Calendar(spec.calendar, timezone) if spec.calendar is not None else None
        self._begin = read_moment(spec.begin, zone) if spec.begin is not None else None
        self._until = read_moment(spec.until, zone) if spec.until is not None else None

    def until(self, rule: str, asset: Asset, at: datetime) -> datetime | None:
        """When it ends, or is looked at again; None: it does not hold for that alarm at that moment."""
        spec = self._spec
        if not spec.of.matches(asset) or (spec.rules is not None and rule not in spec.rules):
            return None
        if (self._begin is not None and at < self._begin) or (self._until is not None and at >= self._until):
            return None
        if self._calendar is None:
            return self._until
        if not self._calendar.holds(at):
            return None
        change = self._calendar.next_change(at)
        return change if self._until is None else min(change, self._until)


def _missing(named: tuple[str, ...] | None, known: Mapping[str, object] | set[str]) -> list[str]:
    return [one for one in named or () if one not in known]


def _near(given: str, known: Mapping[str, object] | set[str]) -> str:
    near = difflib.get_close_matches(given, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
