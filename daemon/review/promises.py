"""What was promised and what was kept: by promise, by kind, by team."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from daemon.model import Text
from daemon.review.orders import OF_RESIDENTS, Handling, Order, grouped
from daemon.review.table import Ratio
from daemon.workorders.course import Promise

#: So many overdue orders of one team, one after the other, are brought up (the response mechanism: 连续三次超时).
RUN = 3


@dataclass(frozen=True, slots=True)
class Kept:
    """How one promise went. in_time + late + missed are those that came to a verdict."""

    id: str
    title: Text
    in_time: int
    #: Kept, but after the deadline.
    late: int
    #: Not kept, and the deadline is past.
    missed: int
    #: Their time runs, or has not begun, on an order that is still somebody's.
    running: int

    @property
    def judged(self) -> int:
        """Those that came to a verdict."""
        return self.in_time + self.late + self.missed

    @property
    def rate(self) -> Ratio:
        """Kept in time, of those judged."""
        return Ratio(self.in_time, self.judged)


def kept(orders: Iterable[Order]) -> list[Kept]:
    """Each promise in its words (another level promises otherwise), in the order of the first that was made."""
    found: dict[tuple[str, str], list[tuple[Promise, bool]]] = {}
    for order in orders:
        for handling in order.handlings:
            for promise in handling.promises:
                waits = promise.in_time is None and _waits(promise, handling, order)
                found.setdefault((promise.id, promise.title.zh), []).append((promise, waits))
    return [_kept(made) for made in found.values()]


def _waits(promise: Promise, handling: Handling, order: Order) -> bool:
    """Whether an unkept promise may still be kept: a call back is due after the order is over."""
    return handling is order.last and (order.in_hand or promise.due is not None)


def _kept(made: Sequence[tuple[Promise, bool]]) -> Kept:
    promise = made[-1][0]
    in_time = sum(one.in_time is True for one, _ in made)
    late = sum(one.in_time is False and one.kept_at is not None for one, _ in made)
    missed = sum(one.in_time is False and one.kept_at is None for one, _ in made)
    return Kept(promise.id, promise.title, in_time, late, missed, sum(waits for _, waits in made))


# --- the indicators of a property's review -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Indicator:
    """One rate that is reported every month."""

    key: str
    title: Text
    ratio: Ratio
    #: What is divided by what.
    meaning: Text


def indicators(orders: Sequence[Order]) -> list[Indicator]:
    """The rates of a review, over orders about the house (those about sensors and root causes are left out)."""
    ours = [order for order in orders if order.type in OF_RESIDENTS]
    judged = [order for order in ours if order.overdue is not None]
    on_time = sum(order.overdue is False for order in judged)
    verdicts = [order for order in ours if order.status in {"verified", "rejected"}]
    done = [order for order in ours if any(handling.reached("done") for handling in order.handlings)]
    return [
        _indicator("on_time", "按时率", "On time", Ratio(on_time, len(judged)), "全部按时的工单 / 已有时限结果的工单",
                   "orders with every deadline kept in time / orders of which a deadline was judged"),
        *_by_stamp(ours),
        _indicator("first_fix", "一次修复率", "Mended at the first try",
                   Ratio(sum(len(order.handlings) == 1 for order in done), len(done)),
                   "未返工的工单 / 已完成过的工单", "orders never reopened / orders once done"),
        _indicator("repeat", "重复率", "Repeats", Ratio(sum(order.repeat for order in ours), len(ours)),
                   "同一资产同一规则在机制规定天数内再次开单 / 全部工单",
                   "orders after another of the same rule and asset within the mechanism's span / all orders"),
        _indicator("false", "误报率", "False alarms",
                   Ratio(sum(order.status == "rejected" for order in verdicts), len(verdicts)),
                   "人工判定误报 / 已有结论（复核通过或误报）", "found false by a person / verified or found false"),
    ]  # fmt: skip


def _indicator(key: str, zh: str, en: str, ratio: Ratio, meaning_zh: str, meaning_en: str) -> Indicator:
    return Indicator(key, Text(zh, en), ratio, Text(meaning_zh, meaning_en))


#: By the stamp that keeps a promise.
_RATES = (
    ("accepted", "respond", "响应及时率", "Accepted in time"),
    ("arrived", "arrive", "到场及时率", "On site in time"),
    ("planned", "plan", "方案答复及时率", "Planned in time"),
    ("done", "resolve", "处理及时率", "Resolved in time"),
    ("replied", "reply", "书面答复及时率", "Answered in time"),
)


def _by_stamp(orders: Sequence[Order]) -> list[Indicator]:
    promises = [promise for order in orders for promise in order.promises if promise.in_time is not None]
    found = []
    for stamp, key, zh, en in _RATES:
        of = [promise for promise in promises if promise.kept_by == stamp]
        ratio = Ratio(sum(promise.in_time is True for promise in of), len(of))
        meaning = "按时 / 已完成或已到期（含返工）", "in time / kept or past due"
        found.append(_indicator(key, zh, en, ratio, *meaning))
    calls = [promise for promise in promises if promise.kept_by == "called_back"]
    ratio = Ratio(sum(promise.kept_at is not None for promise in calls), len(calls))
    meaning = "已回访 / 应回访（迟到的也算已回访）", "called back, late ones too / to be called back"
    found.append(_indicator("call_back", "回访率", "Called back", ratio, *meaning))
    return found


# --- teams -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Team:
    """How a team's orders went."""

    #: Empty: nobody has accepted them.
    name: str
    by_person: bool
    orders: int
    #: Orders with every deadline kept, of those of which one was judged.
    on_time: Ratio
    reopened: int
    #: The most overdue orders one after the other, by their creation; orders without a verdict are passed over.
    longest_run: int
    #: The run that its newest orders are in.
    present_run: int
    #: Numbers of the orders of the longest run.
    run: tuple[int, ...]


def teams(orders: Iterable[Order]) -> list[Team]:
    """Each team, those with the longest run of overdue orders first."""
    groups = grouped(orders, lambda order: (order.team, order.by_person))
    found = [_team(name, by_person, group) for (name, by_person), group in groups.items()]
    return sorted(found, key=lambda team: (-team.longest_run, -team.orders, team.name))


def _team(name: str, by_person: bool, orders: Sequence[Order]) -> Team:  # noqa: FBT001  as it is grouped
    judged = [order for order in orders if order.overdue is not None]
    longest: list[int] = []
    present: list[int] = []
    for order in judged:
        present = [*present, order.no] if order.overdue else []
        longest = max(longest, present, key=len)
    return Team(
        name,
        by_person,
        len(orders),
        Ratio(sum(order.overdue is False for order in judged), len(judged)),
        sum(len(order.handlings) > 1 for order in orders),
        len(longest),
        len(present),
        tuple(longest),
    )
