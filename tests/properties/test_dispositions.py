"""Whatever comes, in whatever order: each active alarm has one disposition, and mutes change orders, never alarms."""

from __future__ import annotations

import tempfile
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.complaint import Complaint
from daemon.model import Command, Input, Level, Reload
from daemon.pipeline import Pipeline
from daemon.rules.arrangements import Arrangements, DependencySpec, MaintenanceSpec
from daemon.rules.schema import Ruleset
from daemon.store.db import connect
from tests.many_assets import (
    COUNT,
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


def arranged(rules: Ruleset) -> Ruleset:
    """With maintenance every evening, and half of the lifts hanging on the first one."""
    words = {"reason": {"zh": "检", "en": "check"}, "of": {"kind": "lift"}}
    evenings = MaintenanceSpec.model_validate({**words, "calendar": {"hours": "20:00-23:00"}})
    links = {name: (DependencySpec(asset="L0", rules=("fault",)),) for name in NAMES[2::2]}
    return replace(rules, arrangements=Arrangements((evenings,), links))


with tempfile.TemporaryDirectory() as _folder:
    _folder_path = Path(_folder)
    _CAPPED = RULES.replace("    levels:\n", "    cap: 1\n    levels:\n", 1)
    RULESETS = [
        ruleset(_folder_path, _CAPPED),
        ruleset(_folder_path, RULES.replace("for: 5s, clear", "for: 6s, clear")),
        ruleset(_folder_path, RULES.replace("    levels:\n", "    mode: shadow\n    levels:\n", 1)),
        arranged(ruleset(_folder_path, RULES)),
    ]


class Scene(NamedTuple):
    pause: float
    what: str
    asset: int
    #: How many assets in a row say it.
    width: int
    span: int


SCENES = st.lists(
    st.builds(
        Scene,
        st.sampled_from([0, 0.001, 1, 4, 5, 6, 55, 60, 61, 300, 599, 600, 601, 1800, 40_000]),
        st.sampled_from(
            ["bad"] * 6
            + ["good"] * 4
            + ["worse", "stuck", "free", "tick", "shelve", "shelve_all", "unshelve", "maintain", "maintain_site"]
            + ["end", "reload", "reload", "flap"]
        ),
        st.sampled_from([0, 0, 0, 0, 1, 2, 3, 7, COUNT - 1]),
        st.sampled_from([1, 1, 1, 3, COUNT]),
        st.sampled_from([1, 10, 60, 600, 3600, 90_000]),
    ),
    min_size=1,
    max_size=30,
)
_SCORE = "json_extract(CAST(body AS TEXT), '$.priority.score')"
_SAYS = {
    "bad": {"state": "bad"},
    "good": {"state": "good"},
    "worse": {"state": "worse"},
    "stuck": {"door": "stuck"},
    "free": {"door": "free"},
}


def inputs(scenes: Sequence[Scene]) -> list[Input]:
    found: list[Input] = []
    now = 0.0
    for scene in scenes:
        now += scene.pause
        if scene.what == "flap":
            asset = NAMES[scene.asset]
            for _ in range(5):
                found += [says(now, asset, state="bad"), says(now + 6, asset, state="good")]
                now += 12
        elif scene.what in _SAYS:
            some = [NAMES[(scene.asset + n) % COUNT] for n in range(scene.width)]
            found += [says(now, asset, **_SAYS[scene.what]) for asset in some]
        else:
            found.append(command(now, scene, NAMES[scene.asset]))
    return found


def command(now: float, scene: Scene, asset: str) -> Input:
    wishes: dict[str, Input] = {
        "tick": tick(now) if scene.width > 1 else complaint(now, scene.span, asset),
        "reload": Reload(at(now), RULESETS[scene.asset % len(RULESETS)].hash),
        "shelve": shelve(now, asset, scene.span),
        "shelve_all": shelve(now, asset, scene.span, level=Level.I),
        "unshelve": unshelve(now, asset),
        "maintain": maintain(now, asset, scene.span),
        "maintain_site": maintain(now, "*", scene.span),
        "end": end_maintenance(now, asset if scene.width == 1 else "*"),
    }
    return wishes[scene.what]


def complaint(now: float, span: int, asset: str) -> Complaint:
    return Complaint(at(now), f"C{span}", at(now - 40 * span), asset, urgency="urgent")


def run(script: Sequence[Input], end: float = 0) -> Pipeline:
    spine = begun(RULESETS)
    for item in script:
        process(spine, item)
    if end:
        process(spine, tick(end))
    return spine


def last(script: Sequence[Input]) -> float:
    return (script[-1].at - at(0)).total_seconds()


def told(spine: Pipeline) -> list[list[str]]:
    """What was decided, but for the ledger's name and for who revealed it when."""
    queries = (
        "SELECT * FROM alarm ORDER BY no",
        "SELECT alarm_no, at, before, after, level, cause FROM transition ORDER BY id",
        f"SELECT key, alarm_no, level, {_SCORE} FROM work_order ORDER BY key",  # noqa: S608  a constant
        "SELECT id, made_at, taken_at, asset FROM complaint ORDER BY no",  # what came before: as below
        # deadlines of orders run from when the gateway came to know, so from who revealed it
        "SELECT order_key, action, level FROM outbox WHERE CAST(body AS TEXT) NOT LIKE '%Overdue%' ORDER BY id",
        "SELECT * FROM unwritten",
        "SELECT id, kind, rule, asset, level, since, until, ended_at FROM mute ORDER BY id",
        "SELECT at, user, action, target FROM audit ORDER BY id",
    )
    return [[repr(row).replace(spine.ledger.id, "ID") for row in rows(spine, query)] for query in queries]


def check(spine: Pipeline) -> None:
    """Identity: alarms = orders + children + withheld, each exactly one."""
    for no, disposition, order_key, parent in rows(spine, "SELECT no, disposition, order_key, parent FROM alarm"):
        if disposition == "own_order":
            assert (order_key is not None, parent) == (True, None), no
        elif disposition == "child":
            above = spine.ledger.alarm(parent)
            assert above is not None
            assert (order_key, above.disposition) == (None, "own_order"), no
        else:
            assert disposition.startswith("withheld_"), no
            assert (order_key, parent) == (None, None), no
    keys = {key for (key,) in rows(spine, "SELECT order_key FROM alarm WHERE order_key IS NOT NULL")}
    assert keys == {key for (key,) in rows(spine, "SELECT key FROM work_order WHERE rule NOT LIKE '%!root_cause'")}
    assert {d for (d,) in rows(spine, "SELECT disposition FROM alarm WHERE rule = 'trap'")} <= {"own_order"}


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(SCENES)
def test_each_alarm_has_one_disposition_and_orders_are_few(scenes: list[Scene]) -> None:
    """After every input; never more than ten ordinary orders in ten minutes; nothing held beyond its time."""
    spine = begun(RULESETS)
    for item in inputs(scenes):
        process(spine, item)
        check(spine)
        due = spine.next_deadline()
        assert due is None or due > item.at

    moments = [
        ms
        for (ms,) in rows(
            spine,
            "SELECT decided_at FROM alarm WHERE ordinary = 1 AND disposition = 'own_order' ORDER BY decided_at",
        )
    ]
    assert all(bisect_right(moments, ms + 600_000 - 1) - n <= 10 for n, ms in enumerate(moments))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(SCENES, st.lists(st.integers(0, 200_000_000), max_size=20))
def test_extra_ticks_change_no_disposition(scenes: list[Scene], moments: list[int]) -> None:
    """Mutes, caps, storms and notes end at their own moments, whoever looks."""
    script = inputs(scenes)
    end = last(script) + 100_000
    extra: list[Input] = [tick(ms / 1000) for ms in moments if ms / 1000 <= end]
    merged = sorted([*enumerate(script), *((len(script), t) for t in extra)], key=lambda pair: (pair[1].at, pair[0]))

    assert told(run([item for _, item in merged], end)) == told(run(script, end))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(SCENES, st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=1, max_size=20))
def test_batches_and_kills_change_no_disposition(scenes: list[Scene], batches: list[tuple[int, bool]]) -> None:
    """Mutes, storms and what is held are read back from the file."""
    script = inputs(scenes)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "state.db"
        killed = begun(RULESETS, path)
        done = n = 0
        while done < len(script):
            size, kill = batches[n % len(batches)]
            process(killed, *script[done : done + size])
            done, n = done + size, n + 1
            if kill:
                killed.db.close()
                killed = Pipeline(connect(path))
                killed.restore()

        assert told(killed) == told(run(script))
        killed.db.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(SCENES)
def test_mutes_change_orders_and_never_alarms(scenes: list[Scene]) -> None:
    """What the rules watch opens, changes and clears at the same moments with and without any mute."""
    script = inputs(scenes)
    loud = [item for item in script if not isinstance(item, Command)]

    def alarms(spine: Pipeline) -> list[Any]:
        queries = (
            """SELECT rule, asset, active_at, cleared_at, level, state FROM alarm WHERE rule != 'site.storm'
            ORDER BY 1, 2, 3""",
            """SELECT rule, asset, at, before, after, cause FROM transition JOIN alarm ON no = alarm_no
            WHERE rule != 'site.storm' AND cause NOT IN ('mute_ended', 'released', 'rule_changed')
            ORDER BY 1, 2, transition.id""",
        )
        return [rows(spine, query) for query in queries]

    assert alarms(run(script, last(script) + 100)) == alarms(run(loud, last(script) + 100))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(SCENES, st.lists(st.tuples(st.floats(0, 100_000), st.sampled_from(NAMES[:3])), min_size=1, max_size=8))
def test_more_complaints_lower_no_priority_and_change_nothing_else(
    scenes: list[Scene], more: list[tuple[float, str]]
) -> None:
    """Alarms, orders and their levels are the same, and no order comes after one that it came before."""
    script = inputs(scenes)
    said = [Complaint(at(s), f"more {n}", at(s - 1), asset) for n, (s, asset) in enumerate(more)]
    merged = sorted([*enumerate(script), *((len(script), c) for c in said)], key=lambda pair: (pair[1].at, pair[0]))
    end = max(last(script), 100_000) + 1

    def orders(spine: Pipeline) -> dict[str, list[Any]]:
        query = f"SELECT key, rule, asset, alarm_no, level, {_SCORE} FROM work_order"  # noqa: S608  a constant
        return {key.replace(spine.ledger.id, "ID"): rest for key, *rest in rows(spine, query)}

    with_more, without = orders(run([item for _, item in merged], end)), orders(run(script, end))
    assert {key: rest[:-1] for key, rest in with_more.items()} == {key: rest[:-1] for key, rest in without.items()}
    assert all(with_more[key][-1] >= rest[-1] for key, rest in without.items())


def test_the_generated_histories_reach_every_disposition() -> None:
    """The properties above are not about nothing."""
    seen: set[str] = set()

    @settings(derandomize=True, max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(SCENES)
    def collect(scenes: list[Scene]) -> None:
        spine = run(inputs(scenes))
        seen.update(f"{d} {r == 'site.storm'}" for d, r in rows(spine, "SELECT disposition, rule FROM alarm"))

    collect()

    wanted = ("own_order", "child", "withheld_shadow", "withheld_shelved", "withheld_maintenance", "withheld_cap")
    assert {f"{one} False" for one in wanted} | {"own_order True"} <= seen
