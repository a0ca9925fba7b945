"""Whatever comes: each step of an order is taken once, no deadline is left behind, and kills change nothing."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.complaint import Complaint
from daemon.documents import build, read
from daemon.model import Command, Input, OrderStatus, Reload, TicketUpdate
from daemon.pipeline import Pipeline
from daemon.settings import shipped
from daemon.store import courses
from daemon.store.db import connect
from daemon.workorders import doubt
from daemon.workorders.sla import Sla
from tests.many_assets import (
    NAMES,
    RULES,
    at,
    begun,
    end_maintenance,
    maintain,
    process,
    rows,
    ruleset,
    says,
    shelve,
    tick,
    unshelve,
)

SLA = build(Sla, read(shipped() / "sla" / "residential.yaml"))
with tempfile.TemporaryDirectory() as _folder:
    _path = Path(_folder)
    RULESETS = [
        ruleset(_path, RULES.replace("ss: true", "ss: true\n    work_order: {procedure: entrapment}")),
        ruleset(_path, RULES.replace("id: fault", "id: other")),
        ruleset(_path, RULES.replace("    levels:\n", "    cap: 1\n    levels:\n", 1)),
    ]
_HEARD = [
    OrderStatus.SENT,
    OrderStatus.ACCEPTED,
    OrderStatus.ACCEPTED,
    OrderStatus.ACCEPTED,
    OrderStatus.ARRIVED,
    OrderStatus.DONE,
    OrderStatus.DONE,
    OrderStatus.DONE,
    OrderStatus.VERIFIED,
    OrderStatus.REJECTED,
    OrderStatus.PARKED,
]
_SAYS = {
    "bad": {"state": "bad"},
    "good": {"state": "good", "door": "free"},
    "worse": {"state": "worse"},
    "stuck": {"door": "stuck"},
}


class Scene(NamedTuple):
    pause: float
    what: str
    asset: int
    #: Which alarm's order it is about.
    alarm: int
    status: OrderStatus
    #: How long ago it happened, as the service tells; negative: in the future.
    ago: float


SCENES = st.lists(
    st.builds(
        Scene,
        st.sampled_from([0, 0.001, 5, 6, 60, 300, 601, 900, 901, 1800, 7201, 40_000, 86_400]),
        st.sampled_from(
            ["bad", "worse", "stuck", "good", "good"]
            + ["ticket"] * 6
            + ["repair"] * 4
            + ["tick", "shelve", "unshelve", "maintain", "end", "reload", "stamp", "cancel", "retry", "disk", "word"]
        ),
        st.sampled_from([0, 0, 0, 1]),
        st.sampled_from([1, 1, 1, 2, 3]),
        st.sampled_from(_HEARD),
        st.sampled_from([0, 0, 0, 1, 3600, 90_000, -3600]),
    ),
    min_size=1,
    max_size=25,
)


class Wish(NamedTuple):
    """An input, but for the key of the order, which is known only when it comes."""

    alarm: int
    item: Input


def wishes(scenes: Sequence[Scene]) -> list[Wish]:
    found, now = [], 0.0
    for scene in scenes:
        now += scene.pause
        if scene.what == "repair":  # accepted, done, and sometimes mended
            steps: list[Input] = [TicketUpdate(at(now), "", OrderStatus.ACCEPTED, "li")]
            steps += [says(now + 1, NAMES[scene.asset], **_SAYS["good"])] * (scene.ago >= 0)
            if scene.status is OrderStatus.ACCEPTED:  # it comes back in that person's hand
                steps += [tick(now + 7), says(now + 8, NAMES[scene.asset], **_SAYS["worse"])]
            steps += [TicketUpdate(at(now + 10), "", OrderStatus.DONE, "li")]
            found += [Wish(scene.alarm, item) for item in steps]
            now += 10
        else:
            found.append(Wish(scene.alarm, _input(now, scene)))
    return found


def _input(now: float, scene: Scene) -> Input:
    asset = NAMES[scene.asset]
    if scene.what in _SAYS:
        return says(now, asset, **_SAYS[scene.what])
    others: dict[str, Input] = {
        "ticket": TicketUpdate(at(now), "", scene.status, "li", "", at(now - scene.ago)),
        "tick": tick(now) if scene.alarm == 1 else Complaint(at(now), f"C{now}", at(now - abs(scene.ago)), asset),
        "shelve": shelve(now, asset, 3600),
        "unshelve": unshelve(now, asset),
        "maintain": maintain(now, asset, 3600),
        "end": end_maintenance(now, asset),
        "reload": Reload(at(now), RULESETS[scene.alarm % len(RULESETS)].hash),
        "stamp": Command(at(now), "order_stamp", "", "wang", ("planned x", "calmed", "rescued")[scene.alarm - 1]),
        "cancel": Command(at(now), "order_cancel", "", "wang", "no"),
        "retry": Command(at(now), "order_retry", "", "wang", ""),
        "word": _word(now, scene),
        "disk": Command(at(now), "fault", "gateway.disk_full", "gateway", "2 MB left"),
    }
    return others[scene.what]


def _word(now: float, scene: Scene) -> Input:
    """What the gateway tells of an order, a person found, or is nobody's."""
    match scene.asset, scene.status:
        case 1, _:
            return TicketUpdate(at(now), "nobody's", scene.status)
        case _, OrderStatus.PARKED | OrderStatus.REJECTED:
            return Command(at(now), "order_found", "", "wang", "WX1")
        case _, OrderStatus.DONE:
            return Command(at(now), "order_note_refused", "", "gateway", f"{now}")
        case _:
            return Command(at(now), "order_repeated", "", "gateway", f"{scene.alarm}")


def say(spine: Pipeline, wish: Wish) -> None:
    """Process one input, told of the order of its alarm."""
    item = wish.item
    row = spine.db.execute("SELECT order_key FROM alarm WHERE no = ?", (wish.alarm,)).fetchone()
    key = row[0] if row is not None and row[0] is not None else "none"
    if isinstance(item, TicketUpdate) and not item.key:
        item = item._replace(key=key)
    elif isinstance(item, Command) and item.name.startswith("order_"):
        item = item._replace(target=key)
    process(spine, item)


def told(spine: Pipeline) -> list[list[str]]:
    """What became of the orders, but for the ledger's name."""
    queries = (
        "SELECT key, alarm_no, level, status, respond_by, next_at, CAST(course AS TEXT) FROM work_order ORDER BY 1",
        "SELECT order_key, at, occasion, promise, by, detail FROM order_event ORDER BY id",
        "SELECT order_key, occasion, roles, level, at, CAST(body AS TEXT) FROM notice ORDER BY id",
        "SELECT order_key, action, level, state, CAST(body AS TEXT) FROM outbox ORDER BY id",
        "SELECT * FROM complaint ORDER BY no",
    )
    return [[repr(row).replace(spine.ledger.id, "ID") for row in rows(spine, query)] for query in queries]


def check(spine: Pipeline) -> None:
    """Each warning, missed deadline and step up at most once a round; each order one create; identity of alarms."""
    creates = rows(spine, "SELECT order_key, count(*) FROM outbox WHERE action = 'create' GROUP BY 1")
    assert dict(creates) == {key: 1 for (key,) in rows(spine, "SELECT key FROM work_order")}
    own = {key for (key,) in rows(spine, "SELECT order_key FROM alarm WHERE disposition = 'own_order'")}
    orders = {key for (key,) in rows(spine, "SELECT key FROM work_order WHERE rule NOT LIKE '%!root_cause'")}
    assert own == orders
    counted: Counter[tuple[object, ...]] = Counter()
    for key, when, occasion, promise in rows(spine, "SELECT order_key, at, occasion, promise FROM order_event"):
        if promise:
            counted[key, when, occasion, promise] += 1
    assert all(n == 1 for n in counted.values()), counted
    for key, status in rows(spine, "SELECT key, status FROM work_order"):
        said = [event.occasion for event in courses.events(spine.db, key)]
        assert said.count("created") == 1
        assert said.count("undecided") <= 1 + said.count("reopened")
        if status in {"rejected", "cancelled"}:
            tail = said[said.index(status) + 1 :]
            assert set(tail) <= {"planned", "calmed", "rescued", *doubt.TOLD.values()}, said
        assert said.count("note_refused") <= 1


def started(path: Path | str = ":memory:") -> Pipeline:
    spine = begun(RULESETS, path)
    spine.respond_by(SLA)
    return spine


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(SCENES)
def test_each_step_is_taken_once_and_none_is_left_behind(scenes: list[Scene]) -> None:
    """After every input no order has anything due in the past, and a month later nothing runs that cannot end."""
    spine = started()
    script = wishes(scenes)
    for wish in script:
        say(spine, wish)
        ((due,),) = rows(spine, "SELECT min(next_at) FROM work_order")
        assert due is None or due > wish.item.at.timestamp() * 1000
    last = (script[-1].item.at - at(0)).total_seconds()
    process(spine, tick(last + 2 * 86_400), tick(last + 60 * 86_400))

    check(spine)
    assert rows(spine, "SELECT key FROM work_order WHERE next_at IS NOT NULL") == []


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(SCENES, st.lists(st.booleans(), min_size=1, max_size=8))
def test_kills_change_no_order(scenes: list[Scene], kills: list[bool]) -> None:
    """Orders, their timelines, notices and deliveries are those of a run without a kill."""
    script = wishes(scenes)
    plain = started()
    for wish in script:
        say(plain, wish)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "state.db"
        killed = started(path)
        for n, wish in enumerate(script):
            say(killed, wish)
            if kills[n % len(kills)]:
                killed.db.close()
                killed = Pipeline(connect(path))
                killed.respond_by(SLA)
                killed.restore()

        assert told(killed) == told(plain)
        killed.db.close()


def test_the_generated_histories_reach_the_whole_life() -> None:
    """The properties above are not about nothing."""
    seen: set[str] = set()

    @settings(derandomize=True, max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(SCENES)
    def collect(scenes: list[Scene]) -> None:
        spine = started()
        for wish in wishes(scenes):
            say(spine, wish)
        seen.update(occasion for (occasion,) in rows(spine, "SELECT occasion FROM order_event"))
        seen.update(status for (status,) in rows(spine, "SELECT status FROM work_order"))

    collect()

    assert {"overdue", "warned", "reopened", "verified", "rejected", "cancelled", "parked"} <= seen
