"""The storm: when orders come too fast, further alarms become children of one order.

    many orders        few alarms for a while         its children are over
      ──────────> active ───────────────────> clearing ──────────────────> cleared
                     ^                           │
                     └───────── many again ──────┘

While it is active (`held_until` says when it is looked at again) it takes children; afterwards it stands for those it
has until the last of them is over.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from daemon.desks.desk import Entry
from daemon.desks.known_rules import KnownRules
from daemon.model import Alarm, AlarmState, Cause, Transition
from daemon.store.folds import Folds
from daemon.store.ledger import Ledger
from daemon.workorders import instrument
from daemon.workorders.policy import STORM_CALM, STORM_SPAN

Dispose = Callable[[Entry, Transition], None]


class Storms:
    """Opens and ends the one storm alarm of a site."""

    def __init__(self, ledger: Ledger, folds: Folds, known: KnownRules, dispose: Dispose) -> None:
        self._ledger = ledger
        self._folds = folds
        self._known = known
        self._dispose = dispose

    @property
    def open(self) -> Alarm | None:
        """The storm that has not ended."""
        return self._ledger.open_alarm(instrument.STORM, self._known.site)

    def parent(self, entry: Entry, child: Alarm | None, told: Transition) -> int:
        """The storm that a child has, or that takes it: one that is on, on again, or begins now."""
        storm = self.open
        if storm is None:
            self._dispose(entry, instrument.storm(self._known.site, told.level, told.at, entry.item.at))
        elif storm.state is AlarmState.CLEARING and (child is None or child.parent != storm.no):
            self._change(entry, storm, AlarmState.ACTIVE, Cause.RELAPSED, told.at)
        found = self.open
        assert found is not None  # noqa: S101  it was opened above
        return found.no

    def has_child(self, parent: int, moment: datetime) -> None:
        """A child has been added: the storm goes on for a while from here."""
        storm = self.open
        if storm is not None and storm.no == parent and storm.state is AlarmState.ACTIVE:
            self._ledger.hold(storm, self._calm_at(storm, moment))

    def look(self, entry: Entry, storm: Alarm, due: datetime) -> None:
        """Whether it is calm by now."""
        calm = self._calm_at(storm, due)
        if calm > due:
            self._ledger.hold(storm, calm)
            return
        self._change(entry, storm, AlarmState.CLEARING, Cause.CONDITION_LAPSED, due)
        clearing = self.open
        if clearing is not None:
            self._ledger.hold(clearing, None)
            self.lost_child(entry, clearing.no, due)

    def lost_child(self, entry: Entry, parent: int | None, moment: datetime) -> None:
        """A child of it is over, or has an order of its own: with the last one the storm is over."""
        storm = self.open
        if storm is None or storm.no != parent or storm.state is not AlarmState.CLEARING:
            return
        if not self._folds.has_children(storm.no):
            self._change(entry, storm, AlarmState.CLEARED, Cause.RECOVERED, moment)

    def _calm_at(self, storm: Alarm, moment: datetime) -> datetime:
        latest = self._folds.nth_latest(storm.no, STORM_CALM)
        return moment if latest is None else latest + STORM_SPAN

    def _change(self, entry: Entry, storm: Alarm, after: AlarmState, cause: Cause, moment: datetime) -> None:
        self._dispose(entry, instrument.changed(storm, after, cause, moment, entry.item.at))
