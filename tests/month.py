"""A month on a simulated site, played through the real pipeline, with an account of what was done kept beside it.

Faults come, people accept, arrive, mend, are late, call an alarm false, mend it badly; a power cut brings a storm. The
account is written by the script and never read from the ledger: figures can be counted again from it.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from zoneinfo import ZoneInfo

from daemon import settings
from daemon.complaint import Complaint
from daemon.desks.muting import shelf_target
from daemon.desks.orders import CANCEL
from daemon.model import Command, Input, Level, Observation, OrderStatus, Reading, Reload, Tick, TicketUpdate, to_ms
from daemon.pipeline import Pipeline
from daemon.store import notices
from daemon.store.db import FILE, connect

ZONE = ZoneInfo("Asia/Shanghai")
BUILDINGS = ("1号楼", "2号楼", "3号楼", "5号楼")
LIFTS = {f"b{b}-lift-{n}": f"{b}号楼" for b in (1, 2, 3, 5) for n in (1, 2, 3)}
ZONES = {"zone-high": "1号楼", "zone-low": "3号楼", "pump-room": "2号楼"}
#: No rule looks at it.
GATE = "gate-south"
POINTS = ("door", "shake", "room", "trap", "power", "noise", "sensor", "pressure", "leak")
ALL = ("duty", "team", "maintainer", "supervisor", "project_manager", "headquarters", "residents")

_PROFILE = """
version: 1
profile: month
title: {zh: 月度脚本, en: Script of a month}
alive_within: 60d
mqtt:
  topics: ["m/{id}/status"]
points:
""" + "".join(
    f"  {name}: {{kind: state, report: on_change, json: {{path: {name}, labels: [ok, bad]}}}}\n" for name in POINTS
)


def _rule(name: str, zh: str, en: str, where: str, level: str, more: str = "") -> str:
    point = name.partition(".")[2]
    return f"""
  - id: {name}
    title: {{zh: {zh}, en: {en}}}
    applies_to: {{{where}}}
    levels: [{{level: {level}, when: {{point: {point}, equals: bad}}}}]
    basis: a script
    cause: {{zh: 脚本, en: the script}}
    consequence: {{zh: 无, en: none}}
{more}"""


_RULES = "version: 1\nrules:" + "".join(
    [
        _rule("lift.door", "门反复开关", "Door opens and closes again and again", "kind: lift", "II"),
        _rule("lift.shake", "运行抖动偏大", "Car shakes", "kind: lift", "III"),
        _rule("lift.room", "机房过热", "Machine room too hot", "kind: lift", "I"),
        _rule(
            "lift.trap", "困人", "Trapped", "kind: lift", "I",
            "    never_suppress: true\n    work_order: {category: safety, type: incident, procedure: entrapment}\n",
        ),
        _rule("lift.power", "电梯断电", "Lift without power", "kind: lift", "I"),
        _rule("lift.noise", "夜间噪声", "Noise at night", "kind: lift", "III", "    mode: shadow\n"),
        _rule("lift.sensor", "监测终端失联", "Monitoring unit silent", "kind: lift", "III",
              "    work_order: {type: instrument, residents: never}\n"),
        _rule("wat.pressure", "末端水压不足", "Low pressure at the top floors", "kind: water_zone", "I"),
        _rule("wat.leak", "地面积水", "Water on the floor", "kinds: [water_zone, pump_room]", "I"),
    ]
)  # fmt: skip

_GATEWAY = """
version: 1
state_dir: state
profiles: [profiles]
rules: [rules]
sources:
  site-mqtt: {mqtt: {host: 127.0.0.1, port: 1}}
influx: {url: "http://127.0.0.1:1", org: o, bucket: b}
ticketing: {url: "http://127.0.0.1:1"}
"""


def _assets(zone: str) -> str:
    def asset(name: str, kind: str, building: str, zh: str, en: str) -> str:
        return (
            f"  - id: {name}\n    kind: {kind}\n    name: {{zh: {zh}, en: {en}}}\n    building: {building}\n"
            f"    households: {60 + 12 * len(name)}\n"
            f"    devices: [{{profile: month, source: site-mqtt, address: {{id: {name}}}}}]\n"
        )

    lines = [asset(name, "lift", b, f"{name[-1]}号梯", f"Lift {name[-1]}") for name, b in LIFTS.items()]
    lines.append(asset("zone-high", "water_zone", ZONES["zone-high"], "高区供水", "High zone"))
    lines.append(asset("zone-low", "water_zone", ZONES["zone-low"], "低区供水", "Low zone"))
    lines.append(asset("pump-room", "pump_room", ZONES["pump-room"], "水泵房", "Pump room"))
    gate = (
        f"  - id: {GATE}\n    kind: access_gate\n    name: {{zh: 南门道闸, en: South gate}}\n    building: 南门\n"
        "    devices: [{profile: month, source: site-mqtt, address: {id: gate}}]\n"
    )
    head = f"version: 1\nsite:\n  id: hj\n  name: {{zh: 汇景花园, en: Huijing Gardens}}\n  timezone: {zone}\nassets:\n"
    return head + "".join(lines) + gate


def write_site(folder: Path, zone: str = "Asia/Shanghai") -> None:
    """A configuration that `precomplaint -c` reads."""
    files = {"profiles/month.yaml": _PROFILE, "rules/month.yaml": _RULES, "assets.yaml": _assets(zone)}
    for name, text in {**files, "gateway.yaml": _GATEWAY}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


@dataclass(slots=True)
class Handled:
    """One handling, as people did it."""

    created: datetime
    accepted: datetime | None = None
    arrived: datetime | None = None
    done: datetime | None = None
    verified: datetime | None = None


@dataclass(slots=True)
class Account:
    """What was done about one fault."""

    asset: str
    rule: str
    level: Level
    handlings: list[Handled]
    team: str = ""
    #: `fixed`, `rework`, `false`, `cancelled`, `open` or `unaccepted`.
    fate: str = "fixed"

    @property
    def created(self) -> datetime:
        return self.handlings[0].created


LEVELS = {"lift.door": Level.II, "lift.shake": Level.III, "lift.noise": Level.III, "lift.sensor": Level.III}


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of a fault: minutes to accept, to arrive after that, to mend after that."""

    fate: str = "fixed"
    team: str = "电梯班"
    by: str = "张师傅"
    accept: float = 6
    arrive: float = 15
    mend: float = 45


@dataclass(slots=True)
class Stage:
    """A site whose clock is moved by what happens on it."""

    spine: Pipeline
    accounts: list[Account] = field(default_factory=list)
    complaints: list[tuple[datetime, str, str]] = field(default_factory=list)
    _broken: set[tuple[str, str]] = field(default_factory=set)
    _acts: list[tuple[datetime, int, Callable[[datetime], None]]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=count)

    def later(self, at: datetime, act: Callable[[datetime], None]) -> None:
        heapq.heappush(self._acts, (at, next(self._numbers), act))

    def play(self, until: datetime) -> None:
        """Everything up to a moment."""
        while self._acts and self._acts[0][0] <= until:
            at, _, act = heapq.heappop(self._acts)
            self._wait(at)
            act(at)
        self._wait(until)
        self.process(Tick(until))

    def _wait(self, until: datetime) -> None:
        before = None
        while (due := self.spine.next_deadline()) is not None and due < until and due != before:
            self.process(Tick(due))
            before = due

    def process(self, *inputs: Input) -> None:
        self.spine.db.execute("BEGIN IMMEDIATE")
        self.spine.process(inputs)
        self.spine.db.execute("COMMIT")

    # --- what happens ------------------------------------------------------------------------------------

    def says(self, at: datetime, asset: str, rule: str, word: str) -> None:
        reading = Reading(f"{asset}.{rule.partition('.')[2]}", at, word, at)
        self.process(Observation(at, f"{asset}/month", (reading,)))

    def ticket(self, at: datetime, key: str, status: str, plan: Plan, stamp: str | None = None) -> None:
        self.process(TicketUpdate(at, key, OrderStatus(status), plan.by, "", at, stamp, plan.team))

    def fault(self, at: datetime, asset: str, rule: str, plan: Plan) -> None:
        """Something breaks, and people see to it by the plan."""
        self.later(at, lambda now: self._break(now, asset, rule, plan))

    def _break(self, at: datetime, asset: str, rule: str, plan: Plan) -> None:
        if (asset, rule) in self._broken:
            return  # it cannot break twice
        self._broken.add((asset, rule))
        self.says(at, asset, rule, "bad")
        (key,) = self.spine.db.execute(
            "SELECT order_key FROM alarm WHERE rule = ? AND asset = ? ORDER BY no DESC LIMIT 1", (rule, asset)
        ).fetchone()
        mended = at + timedelta(minutes=plan.accept + plan.arrive + plan.mend)
        if key is None:
            self.later(mended, self._heal(asset, rule))
            return
        self._inquire(at)
        account = Account(asset, rule, LEVELS.get(rule, Level.I), [Handled(at)], plan.team, plan.fate)
        self.accounts.append(account)
        self._handle(at, key, account, plan)

    def _inquire(self, at: datetime) -> None:
        """The project's manager takes on the root-cause order that may have come with it, and closes it in two days."""
        query = "SELECT key FROM work_order WHERE created_at = ? AND rule LIKE '%!root_cause'"
        plan = Plan(team="项目部", by="周经理")
        for (key,) in self.spine.db.execute(query, (to_ms(at),)).fetchall():
            for hours, status, stamp in ((1, "accepted", None), (5, "accepted", "planned"), (50, "verified", None)):
                self.later(at + timedelta(hours=hours), self._say(key, status, plan, stamp))

    def _say(self, key: str, status: str, plan: Plan, stamp: str | None = None) -> Callable[[datetime], None]:
        return lambda at: self.ticket(at, key, status, plan, stamp)

    def _handle(self, at: datetime, key: str, account: Account, plan: Plan) -> None:
        now = account.handlings[-1]
        accept = at + timedelta(minutes=plan.accept)
        arrive = accept + timedelta(minutes=plan.arrive)
        done = arrive + timedelta(minutes=plan.mend)
        fate = plan.fate if len(account.handlings) == 1 else "fixed"
        heal = self._heal(account.asset, account.rule)
        if fate == "unaccepted":
            account.team = ""
            self.later(done, heal)
            return
        now.accepted = accept
        self.later(accept, lambda t: self.ticket(t, key, "accepted", plan))
        if fate == "open":
            return
        if fate == "cancelled":
            self.later(done, lambda t: self.process(Command(t, CANCEL, key, "wang", "重复")))
            self.later(done, heal)
            return
        now.arrived = arrive
        self.later(arrive, lambda t: self.ticket(t, key, "arrived", plan))
        if fate == "false":
            self.later(arrive + timedelta(minutes=10), lambda t: self.ticket(t, key, "rejected", plan))
            self.later(arrive + timedelta(minutes=11), heal)
            return
        now.done = done
        if fate == "rework":  # called done while it is not: the sensor has it reopened ten minutes after
            again = done + timedelta(minutes=10)
            account.handlings.append(Handled(again))
            self.later(again, lambda t: self._handle(t, key, account, plan))
        else:
            now.verified = done + timedelta(minutes=15)
            if account.level is Level.III and plan.accept < 1440:
                self.later(done - timedelta(minutes=5), self._say(key, "arrived", plan, "replied"))
            self.later(done - timedelta(minutes=2), heal)
        self.later(done, lambda t: self.ticket(t, key, "done", plan))

    def _heal(self, asset: str, rule: str) -> Callable[[datetime], None]:
        def act(at: datetime) -> None:
            self._broken.discard((asset, rule))
            self.says(at, asset, rule, "ok")

        return act

    def entrapment(self, at: datetime, asset: str, rescue: float) -> None:
        """Calmed, maintainer called, on site, rescued, reported."""
        plan = Plan(by="赵主管", accept=2, arrive=18, mend=rescue)
        self.fault(at, asset, "lift.trap", plan)
        steps = {"calmed": 3, "maintainer_called": 4, "rescued": 20 + rescue, "reported": 200}
        for stamp, minutes in steps.items():
            self.later(at + timedelta(minutes=minutes), self._stamp(asset, plan, stamp))

    def _stamp(self, asset: str, plan: Plan, stamp: str) -> Callable[[datetime], None]:
        def act(at: datetime) -> None:
            (key,) = self.spine.db.execute(
                "SELECT order_key FROM alarm WHERE rule = 'lift.trap' AND asset = ? ORDER BY no DESC LIMIT 1", (asset,)
            ).fetchone()
            self.ticket(at, key, "accepted", plan, stamp)

        return act

    def hearing(self, at: datetime, asset: str, text: str) -> Callable[[datetime], None]:
        said = Complaint(at, f"c-{at:%m%d%H%M}", at, asset, text=text)
        return lambda _: self.process(said)

    def complain(self, at: datetime, asset: str, text: str) -> None:
        self.complaints.append((at, asset, text))


def begin(folder: Path, at: datetime, zone: str = "Asia/Shanghai", file: Path | str | None = None) -> Stage:
    """The site's state file, its rules in force since `at`."""
    write_site(folder, zone)
    found = settings.load(folder)
    (folder / "state").mkdir(exist_ok=True)
    db = connect(file or folder / "state" / FILE)
    db.execute("PRAGMA synchronous = OFF")
    db.execute("UPDATE fact SET value = '0a1b2c3d4e5f' WHERE name = 'ledger_id'")
    spine = Pipeline(db)
    spine.respond_by(found.sla)
    spine.journal.add_ruleset(found.ruleset.hash, found.ruleset.to_json(), at)
    stage = Stage(spine)
    stage.process(Reload(at, found.ruleset.hash))
    return stage


def local(*parts: int, zone: ZoneInfo = ZONE) -> datetime:
    """A moment by the site's clocks: `local(2026, 10, 17, 19, 30)`."""
    return datetime(*parts, tzinfo=zone).astimezone(UTC)  # type: ignore[misc, arg-type]


def october(folder: Path, *, heard: bool = False) -> Stage:
    """October 2026, from the end of September to the morning of 2 November; `heard`: complaints reach the gateway."""
    stage = begin(folder, local(2026, 9, 28, 8, 0))
    draw = random.Random(20261001)
    start = local(2026, 9, 30, 0, 0)
    for n in range(96):
        at = start + timedelta(minutes=round(n * 33 * 24 * 60 / 96 + draw.uniform(0, 300)))
        _one(stage, draw, at)
    for day, hour in ((3, 8), (11, 18), (26, 7)):
        stage.entrapment(local(2026, 10, day, hour, 12), "b3-lift-2", 16 if day != 11 else 45)
    for day in (6, 9, 12):
        stage.fault(local(2026, 10, day, 15, 5), "b3-lift-1", "lift.door", Plan(by="李工", mend=80))
    for n in range(4):
        plan = Plan(team="水电班", by="陈师傅", accept=35 + 10 * n, arrive=50, mend=120)
        stage.fault(local(2026, 10, 19 + n, 21, 40), "zone-high", "wat.pressure", plan)
    _power_cut(stage)
    _quietened(stage, draw)
    _edges(stage)
    _complain(stage)
    for complaint in stage.complaints if heard else ():
        stage.later(complaint[0], stage.hearing(*complaint))
    stage.play(local(2026, 11, 2, 9, 0))
    _tell(stage)
    return stage


_LIFT_RULES = ("lift.door", "lift.door", "lift.shake", "lift.room", "lift.sensor")


def _one(stage: Stage, draw: random.Random, at: datetime) -> None:
    if draw.random() < 0.72:
        asset = draw.choices(list(LIFTS), weights=[3 if name.startswith("b3") else 1 for name in LIFTS])[0]
        rule = draw.choice(_LIFT_RULES)
        team, by = "电梯班", draw.choice(["张师傅", "李工", "王工"])
    else:
        asset = draw.choice([name for name in ZONES if name != "zone-high"])
        rule = "wat.leak" if asset == "pump-room" else draw.choice(["wat.pressure", "wat.leak"])
        team, by = "水电班", draw.choice(["陈师傅", "刘师傅"])
    if rule == "lift.sensor":
        team, by = "", "网管小周"
    level = LEVELS.get(rule, Level.I)
    slow = draw.random() < (0.35 if team == "水电班" else 0.08)
    limit = {Level.I: 15, Level.II: 120, Level.III: 1440}[level]
    accept = limit * (draw.uniform(1.2, 3) if slow else draw.uniform(0.1, 0.9))
    fates = {"fixed": 76, "rework": 8, "false": 12 if rule == "lift.door" else 5, "cancelled": 2, "unaccepted": 2}
    fate = draw.choices(list(fates), weights=list(fates.values()))[0]
    plan = Plan(fate, team, by, round(accept, 1), round(draw.uniform(8, 40), 1), round(draw.uniform(20, 240), 1))
    stage.fault(at, asset, rule, plan)


def _power_cut(stage: Stage) -> None:
    """All lifts lose power within a minute: a storm."""
    for n, lift in enumerate(LIFTS):
        at = local(2026, 10, 17, 19, 30) + timedelta(seconds=5 * n)
        stage.fault(at, lift, "lift.power", Plan(team="综合班", by="孙师傅", accept=4 + n / 2, arrive=10, mend=30))


def _quietened(stage: Stage, draw: random.Random) -> None:
    """A rule in shadow, maintenance of a lift, a shelved alarm."""
    for n in range(13):
        at = local(2026, 10, 2 + 2 * n, 23, 10)
        stage.fault(at, draw.choice(list(LIFTS)), "lift.noise", Plan(accept=10, arrive=10, mend=10))
    begun, until = local(2026, 10, 13, 8, 0), local(2026, 10, 13, 18, 0)
    stage.later(begun, lambda t: stage.process(Command(t, "maintain", "b5-lift-1", "li", "年检", until)))
    for hour in (9, 11, 15):
        stage.fault(local(2026, 10, 13, hour, 30), "b5-lift-1", "lift.room", Plan(accept=5, arrive=5, mend=5))
    target = shelf_target("lift.shake", "b2-lift-3", Level.II)
    until_shelf = local(2026, 10, 22, 20, 0)
    stage.later(
        local(2026, 10, 21, 8, 0),
        lambda t: stage.process(Command(t, "shelve", target, "wang", "导靴已订货", until_shelf)),
    )
    stage.fault(local(2026, 10, 21, 12, 0), "b2-lift-3", "lift.shake", Plan(accept=60, arrive=30, mend=60))


def _edges(stage: Stage) -> None:
    """Just before and after midnight of the first and the last, and one that is still open."""
    for at in (local(2026, 9, 30, 23, 59, 59), local(2026, 10, 1, 0, 0, 0)):
        stage.fault(at, f"b{1 if at < local(2026, 10, 1) else 2}-lift-1", "lift.room", Plan(accept=5))
    stage.fault(local(2026, 10, 31, 23, 50), "b1-lift-3", "lift.room", Plan(accept=12, arrive=20, mend=90))
    stage.fault(local(2026, 11, 1, 0, 0), "b2-lift-2", "lift.room", Plan(accept=12))
    stage.fault(local(2026, 10, 30, 10, 0), "pump-room", "wat.leak", Plan("open", "水电班", "陈师傅", accept=9))


def _complain(stage: Stage) -> None:
    """After an alarm, without one, about what no rule looks at, and about nothing that is here."""
    for n in range(3):
        stage.complain(local(2026, 10, 19 + n, 22, 25 + n), "zone-high", "高层水小，=洗澡没水")
    stage.complain(local(2026, 10, 17, 19, 41), "b1-lift-2", "电梯停了")
    stage.complain(local(2026, 10, 3, 8, 20), "b3-lift-2", "有人困在电梯里")
    stage.complain(local(2026, 10, 9, 15, 50), "b3-lift-1", "电梯门老是关不上 <script>alert(1)</script>")
    stage.complain(local(2026, 10, 8, 7, 30), "zone-low", "早上水发黄")
    stage.complain(local(2026, 10, 14, 7, 10), "zone-low", "早上水又发黄")
    stage.complain(local(2026, 10, 20, 8, 15), "b1-lift-1", "电梯里有怪声")
    stage.complain(local(2026, 10, 24, 9, 0), GATE, "道闸砸车")
    stage.complain(local(2026, 10, 25, 9, 0), "somewhere", "楼下有异味")
    stage.complain(local(2026, 11, 1, 9, 0), "zone-low", "十一月的投诉")


def _tell(stage: Stage) -> None:
    """Notices reach the crew; the lobby's robot has a wrong key, and project managers have no channel."""
    db = stage.spine.db
    db.execute("BEGIN IMMEDIATE")
    channels = {"crew": ("duty", "team", "supervisor"), "hq": ("headquarters",), "lobby": ("residents",)}
    while notices.address(db, channels):
        pass
    db.execute("UPDATE notice_delivery SET state = 'delivered', delivered_at = next_at WHERE channel != 'lobby'")
    db.execute(
        "UPDATE notice_delivery SET state = CASE WHEN id % 5 = 0 THEN 'parked' ELSE 'delivered' END,"
        " last_error = CASE WHEN id % 5 = 0 THEN '93000 invalid webhook url' ELSE '' END WHERE channel = 'lobby'"
    )
    db.execute("COMMIT")
