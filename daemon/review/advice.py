"""What the numbers of a month suggest. Each suggestion names its numbers; none compares with anybody else's.

Where a threshold has no source it is a house rule of this project: a number at which a person should look, and no
standard. They are listed in docs/report.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from daemon.model import Text
from daemon.review.complaints import Voices
from daemon.review.groups import RuleCount
from daemon.review.orders import OF_RESIDENTS, Order, grouped
from daemon.review.promises import RUN, Kept, Team
from daemon.review.words import KINDS, called
from daemon.store.review import AlarmRow, Told
from daemon.workorders.policy import STORM_ORDERS

#: House rule: below so many a share or a rate says nothing.
FEW = 10
#: House rule: a kind of asset or a building with that share of the orders is brought up.
LARGE_SHARE = 0.5
#: House rule: a promise that is kept in time less often is brought up, when at least FEW_PROMISES were judged.
LOW_RATE = 0.9
FEW_PROMISES = 5
#: House rule: a rule with so many false alarms at that rate is brought up.
FALSE_ALARMS, FALSE_RATE = 2, 0.3
#: The response mechanism: what comes that often within its span has a cause of its own (`recurrence.root_cause_at`).
RECURRING = 3
#: House rule: that share of second handlings.
REWORK_RATE = 0.2
#: House rule: that many alarms of one rule in shadow are enough to decide about it.
SHADOWED = 10
#: So many are named in one suggestion.
LISTED = 4
#: ANSI/ISA-18.2-2016: time in flood stays below 1 %; no more than 10 alarms in 10 min.
FLOOD_PERCENT = 1.0


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One thing to do, with the numbers that it rests on."""

    key: str
    text: Text
    #: For a shell, ready to be tried.
    commands: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """What suggestions are made from."""

    orders: Sequence[Order]
    kept: Sequence[Kept]
    teams: Sequence[Team]
    rules: Sequence[RuleCount]
    alarms: Sequence[AlarmRow]
    titles: Mapping[str, Text]
    told: Told
    kpi: Mapping[str, object]
    voices: Voices | None
    #: By rule: what to try.
    commands: Mapping[str, tuple[str, ...]]
    #: Kinds and buildings there are: a share of the only one says nothing.
    kinds: int
    buildings: int


def suggestions(found: Evidence) -> list[Suggestion]:
    """Everything that the numbers suggest, the most pressing first."""
    makers = (
        _undelivered,
        _refused,
        _teams,
        _promises,
        _missed,
        _kinds,
        _buildings,
        _recurring,
        _false,
        _rework,
        _shadowed,
        _storms,
        _undecided,
    )
    return [suggestion for maker in makers for suggestion in maker(found)]


def _undelivered(found: Evidence) -> Iterator[Suggestion]:
    parked = {channel: n for channel, state, n in found.told.deliveries if state == "parked"}
    if parked:
        names = ", ".join(f"{channel} × {n}" for channel, n in sorted(parked.items()))
        yield _say(
            "undelivered",
            f"通知未送达：{names} → 核对该渠道的密钥、关键词与网络；当面补告知。",
            f"Notices not delivered: {names} → check key, keyword and network of the channel; tell them in person.",
        )
    if found.told.nobody:
        n = found.told.nobody
        yield _say(
            "nobody",
            f"{n} 条通知没有任何接收渠道 → 在 gateway.yaml 的 notify 中为相应角色配置渠道。",
            f"{n} notices had no channel at all → give their roles a channel under notify in gateway.yaml.",
        )


def _refused(found: Evidence) -> Iterator[Suggestion]:
    refused = [order for order in found.orders if order.status == "parked"]
    if refused:
        numbers = ", ".join(f"#{order.no}" for order in refused[:FEW])
        yield _say(
            "refused",
            f"工单系统拒收 {len(refused)} 张（{numbers}）→ 人工派单，按拒收原因修正后 `orders retry`。",
            f"The ticketing service refused {len(refused)} orders ({numbers}) → assign by hand, mend, `orders retry`.",
        )


def _teams(found: Evidence) -> Iterator[Suggestion]:
    for team in found.teams:
        if team.longest_run >= RUN and team.name:
            numbers = ", ".join(f"#{no}" for no in team.run[:FEW]) + (" …" if len(team.run) > FEW else "")
            n, rate = team.longest_run, _percent(team.on_time.n, team.on_time.of)
            yield _say(
                "team",
                f"{team.name}连续 {n} 单超时（{numbers}；按时率 {rate}）→ 约谈班组长，核对人手与备件。",
                f"{team.name}: {n} orders overdue in a row ({numbers}; on time {rate}) → talk to the team's lead;"
                " look at hands and spare parts.",
            )
    run = next((team for team in found.teams if not team.name and team.longest_run >= RUN), None)
    if run is not None:
        n = run.longest_run
        yield _say(
            "unattended",
            f"连续 {n} 单无人接单且超时 → 核对值班表与派单渠道。",
            f"{n} orders in a row were accepted by nobody and ran over → check the roster and how orders reach it.",
        )


def _promises(found: Evidence) -> Iterator[Suggestion]:
    low = [one for one in found.kept if one.judged >= FEW_PROMISES and one.in_time < LOW_RATE * one.judged]
    low.sort(key=lambda one: (one.in_time / one.judged, one.id))
    if low:
        rates = [_percent(one.in_time, one.judged) for one in low]
        zh = "；".join(f"“{one.title.zh}”{rate}" for one, rate in zip(low, rates, strict=True))
        en = "; ".join(f"'{one.title.en}' {rate}" for one, rate in zip(low, rates, strict=True))
        yield _say(
            "promise",
            f"按时率低于 {LOW_RATE:.0%}（内部标准）：{zh} → 对照“各环节用时”找出卡在哪里。",
            f"Kept in time less often than {LOW_RATE:.0%} (house rule): {en} → see in 'Time per stage' where it waits.",
        )


def _missed(found: Evidence) -> Iterator[Suggestion]:
    voices = found.voices
    if voices is None:
        return
    for name, missed in voices.missed_by_asset:
        yield _say(
            "missed",
            f"{name.zh} 有投诉而此前无告警：{missed} 起（已有规则监视）→ 用投诉回测，检查限值与测点。",
            f"{name.en}: complaints without an alarm before them though rules watch it: {missed} → backtest with the"
            " complaints; look at limits and points.",
            voices.command,
        )
    if voices.unwatched:
        yield _say(
            "unwatched",
            f"没有规则监视的投诉：{voices.unwatched} 起 → 评估加装测点或增加规则。",
            f"Complaints that no rule could have foreseen: {voices.unwatched} → consider a sensor or a rule.",
        )


def _kinds(found: Evidence) -> Iterator[Suggestion]:
    ours = [order for order in found.orders if order.type in OF_RESIDENTS]
    if len(ours) < FEW or found.kinds < 2:
        return
    for kind, those in grouped(ours, lambda order: order.kind).items():
        if len(those) >= LARGE_SHARE * len(ours):
            share, words = _percent(len(those), len(ours)), called(KINDS, kind)
            zh, en = _KIND_ADVICE.get(kind, _ANY_KIND)
            yield _say(
                "kind",
                f"{words.zh}类占 {share}（同类小区基准未知）→ {zh}",
                f"{words.en}: {share} of the orders (no figure of comparable sites is known) → {en}",
            )


_ANY_KIND = "建议专项检查。", "consider a dedicated inspection."
_KIND_ADVICE = {
    "lift": ("建议加密维保或评估更换。", "consider more frequent maintenance, or a review for replacement."),
    "pump_room": (
        "建议检修水泵与阀组、核对控制参数。",
        "consider an overhaul of pumps and valves, and a look at the controls.",
    ),
    "water_zone": ("建议检漏并核对减压阀。", "consider a leak survey and a look at the pressure reducers."),
}


def _buildings(found: Evidence) -> Iterator[Suggestion]:
    ours = [order for order in found.orders if order.type in OF_RESIDENTS and order.building]
    if len(ours) < FEW or found.buildings < 3:
        return
    for building, those in grouped(ours, lambda order: order.building).items():
        if len(those) >= LARGE_SHARE * len(ours):
            share = _percent(len(those), len(ours))
            yield _say(
                "building",
                f"{building} 占 {share} → 建议专项排查该楼栋。",
                f"{building}: {share} of the orders → consider an inspection of that building.",
            )


def _recurring(found: Evidence) -> Iterator[Suggestion]:
    groups = grouped(found.orders, lambda order: (order.asset, order.rule)).values()
    again = [(sum(order.repeat for order in those), those[0]) for those in groups]
    worst = sorted((one for one in again if one[0] >= RECURRING - 1), key=lambda one: (-one[0], one[1].no))
    if worst:
        zh = "；".join(f"{one.place.zh}“{one.title.zh}”再次开单 {n} 次" for n, one in worst[:LISTED])
        en = "; ".join(f"{one.place.en}, '{one.title.en}': {n} times again" for n, one in worst[:LISTED])
        rest = len(worst) - LISTED
        zh, en = (f"{zh} 等 {len(worst)} 处", f"{en}; and {rest} more") if rest > 0 else (zh, en)
        yield _say(
            "recurring",
            f"反复发生：{zh} → 立根因整改，不再单次修复。",
            f"It keeps coming back: {en} → remove the cause instead of mending it once more.",
        )


def _false(found: Evidence) -> Iterator[Suggestion]:
    for one in found.rules:
        if one.false >= FALSE_ALARMS and one.false >= FALSE_RATE * (one.right + one.false):
            rate = _percent(one.false, one.right + one.false)
            yield _say(
                "false",
                f"规则 {one.rule}（{one.title.zh}）误报 {rate} → 用本月数据回测后再调整限值。",
                f"Rule {one.rule} ({one.title.en}): false {rate} → play this month through it before the limits are"
                " changed.",
                *found.commands.get(one.rule, ()),
            )


def _rework(found: Evidence) -> Iterator[Suggestion]:
    done = [order for order in found.orders if any(handling.reached("done") for handling in order.handlings)]
    again = sum(len(order.handlings) > 1 for order in done)
    if len(done) >= FEW and again >= REWORK_RATE * len(done):
        rate = _percent(again, len(done))
        yield _say(
            "rework",
            f"返工 {rate}，高于 {REWORK_RATE:.0%}（内部标准）→ 完工前让班组看传感器是否恢复。",
            f"Second handlings {rate}, above {REWORK_RATE:.0%} (house rule) → have teams look at the sensor before"
            " they call it done.",
        )


def _shadowed(found: Evidence) -> Iterator[Suggestion]:
    counts: dict[str, int] = {}
    for alarm in found.alarms:
        if alarm.disposition == "withheld_shadow":
            counts[alarm.rule] = counts.get(alarm.rule, 0) + 1
    for rule, n in sorted(counts.items()):
        if n >= SHADOWED:
            title = found.titles.get(rule, Text(rule, rule))
            yield _say(
                "shadow",
                f"试运行规则 {rule}（{title.zh}）本月告警 {n} 次 → 决定启用、调整或删除。",
                f"Rule {rule} ({title.en}) had {n} alarms in shadow mode → put it in force, change or drop it.",
            )


def _storms(found: Evidence) -> Iterator[Suggestion]:
    flood, most = found.kpi.get("flood_percent"), found.kpi.get("peak_in_10min")
    if isinstance(flood, float) and isinstance(most, int) and (flood >= FLOOD_PERCENT or most > STORM_ORDERS):
        yield _say(
            "flood",
            f"10 分钟内最多 {most} 个告警，泛滥时间占 {flood:g} %（ISA-18.2：≤ 10 个、< 1 %）"
            "→ 查供电、网络等公共原因。",
            f"Up to {most} alarms in 10 min, {flood:g} % of the time in flood (ISA-18.2: ≤ 10, < 1 %) → look for common"
            " causes: power, network.",
        )


def _undecided(found: Evidence) -> Iterator[Suggestion]:
    left = [order for order in found.orders if order.undecided]
    if left:
        numbers = ", ".join(f"#{order.no}" for order in left[:FEW])
        yield _say(
            "undecided",
            f"{len(left)} 张工单传感器无法判定、等人决定（{numbers}）→ 现场确认后结单。",
            f"{len(left)} orders wait for a person to decide ({numbers}) → look on site and close them.",
        )


def _say(key: str, zh: str, en: str, *commands: str) -> Suggestion:
    return Suggestion(key, Text(zh, en), commands)


def _percent(n: int, of: int) -> str:
    """`62 % (31/50)`."""
    return f"{100 * n / of:.0f} % ({n}/{of})" if of else "–"
