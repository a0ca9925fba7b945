"""What a backtest came to, in figures: per asset and rule, against other rules, against complaints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from daemon.backtest.run import Interval, OrderMade, Result
from daemon.complaint import Complaint
from daemon.model import Catalogue
from daemon.workorders.complaints import Episode, Outcome, bears, judge, locate

_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)
_WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Load:
    """What one asset, or one rule, would have meant to people."""

    name: str
    alarms: int
    orders: int
    orders_a_day: float
    #: Time in which at least one of its alarms was open.
    alarm_minutes: float


def by_asset(result: Result) -> list[Load]:
    """Each asset (or device, or source) that had an alarm, most orders first."""
    return _loads(result, [i.asset for i in result.intervals], [o.asset for o in result.orders])


def by_rule(result: Result) -> list[Load]:
    """Each rule that fired, most orders first."""
    return _loads(result, [i.rule for i in result.intervals], [o.rule for o in result.orders])


def _loads(result: Result, owners: Sequence[str], orderers: Sequence[str]) -> list[Load]:
    groups: dict[str, list[Interval]] = {}
    for owner, interval in zip(owners, result.intervals, strict=True):
        groups.setdefault(owner, []).append(interval)
    days = max(result.span / _DAY, 1e-9)
    found = [
        Load(name, len(group), orderers.count(name), orderers.count(name) / days, covered(group, result) / _MINUTE)
        for name, group in groups.items()
    ]
    return sorted(found, key=lambda load: (-load.orders, -load.alarms, load.name))


def covered(intervals: Iterable[Interval], result: Result) -> timedelta:
    """Time in which at least one of the intervals was open."""
    total, until = timedelta(), None
    for interval in sorted(intervals, key=lambda interval: interval.start):
        end = interval.end or result.last_at or interval.start
        start = interval.start if until is None else max(interval.start, until)
        if end > start:
            total += end - start
        until = end if until is None else max(until, end)
    return total


# --- against other rules -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Difference:
    """Firings of these rules that the others do not have, and the other way round."""

    added: tuple[Interval, ...]
    removed: tuple[Interval, ...]
    #: Those that both have, at least in part; these rules' first.
    kept: tuple[tuple[Interval, Interval], ...]


def against(these: Result, others: Result) -> Difference:
    """Compare firings: two are the same when rule and asset are, and their times overlap or touch."""
    left = _grouped(these)
    right = _grouped(others)
    kept = [
        (mine, yours)
        for key, group in left.items()
        for mine in group
        for yours in right.get(key, ())
        if _overlap(mine, yours)
    ]
    mine_kept, yours_kept = {mine.no for mine, _ in kept}, {yours.no for _, yours in kept}
    return Difference(
        tuple(i for i in these.intervals if i.no not in mine_kept),
        tuple(i for i in others.intervals if i.no not in yours_kept),
        tuple(kept),
    )


def _grouped(result: Result) -> dict[tuple[str, str], list[Interval]]:
    groups: dict[tuple[str, str], list[Interval]] = {}
    for interval in result.intervals:
        groups.setdefault((interval.rule, interval.asset), []).append(interval)
    return groups


def _overlap(one: Interval, other: Interval) -> bool:
    return (one.end is None or other.start <= one.end) and (other.end is None or one.start <= other.end)


# --- against complaints ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answered:
    """A complaint, and the order that would have been there before it."""

    complaint: Complaint
    #: The earliest one that counts; None: it would have come as a surprise.
    order: OrderMade | None
    outcome: Outcome

    @property
    def lead(self) -> timedelta | None:
        """How much earlier than the complaint."""
        return None if self.order is None else self.complaint.made_at - self.order.created_at


@dataclass(frozen=True, slots=True)
class Score:
    """How many complaints would have been preempted, and at what price."""

    answered: tuple[Answered, ...]
    #: Complaints about what the site does not have, or outside the history: they count nowhere.
    left_out: tuple[Complaint, ...]
    #: Orders after which nobody complained.
    false_orders: tuple[OrderMade, ...]
    false_orders_a_week: float

    @property
    def hits(self) -> int:
        """Complaints with an order before them."""
        return sum(one.order is not None for one in self.answered)

    @property
    def misses(self) -> int:
        """Complaints without."""
        return len(self.answered) - self.hits

    @property
    def during(self) -> int:
        """Those of the misses that came while an alarm was open which had no order of its own."""
        return sum(one.outcome is Outcome.DURING for one in self.answered)

    @property
    def median_lead(self) -> timedelta | None:
        """Half of the hits had more time, half less."""
        leads = sorted(one.lead for one in self.answered if one.lead is not None)
        return leads[len(leads) // 2] if leads else None


def score(result: Result, complaints: Iterable[Complaint], catalogue: Catalogue, horizon: timedelta) -> Score:
    """Match complaints with the orders on the same asset, by the definition of `workorders.complaints`.

    An order is false when nobody complained of its asset from `horizon` before it was made until `horizon` after the
    end of its alarm. Orders about instruments (a sensor, a rule) preempt nothing; only pre-complaints can be false.
    """
    owners = {asset.id: asset.id for asset in catalogue.assets} | {d.id: d.asset for d in catalogue.devices}
    orders = {order.key: order for order in result.orders}
    about: dict[str, list[Episode]] = {}
    for i in result.intervals:
        order = orders.get(i.order or "")
        if i.asset in owners and (order.type if order is not None else i.type) != "instrument":
            made = order.created_at if order is not None else None
            about.setdefault(owners[i.asset], []).append(Episode(i.start, i.end, made, i.order or ""))
    answered: list[Answered] = []
    left_out: list[Complaint] = []
    borne_out: set[str] = set()
    for complaint in sorted(complaints, key=lambda c: c.made_at):
        at, asset = complaint.made_at, locate(catalogue, complaint)
        if not asset or not _within(at, result):
            left_out.append(complaint)
            continue
        episodes = about.get(asset, ())
        borne_out.update(episode.order for episode in episodes if bears(at, episode, horizon))
        answer = judge(at, episodes, horizon)
        answered.append(Answered(complaint, orders.get(answer.order), answer.outcome))
    false = tuple(o for o in result.orders if o.type == "pre_complaint" and o.key not in borne_out)
    return Score(tuple(answered), tuple(left_out), false, len(false) / max(result.span / _WEEK, 1e-9))


def _within(at: datetime, result: Result) -> bool:
    return result.first_at is not None and result.last_at is not None and result.first_at <= at <= result.last_at
