from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from daemon.model import (
    AlarmState,
    Cause,
    Command,
    DataState,
    Disposition,
    Level,
    OrderStatus,
    Quality,
    Reason,
    Reload,
    TicketUpdate,
    Transition,
)
from daemon.pipeline import Pipeline
from daemon.store import ledger, outbox
from daemon.store.db import connect
from tests.spine import RULES, T0, at, pipeline, process, ruleset, said, tick


def actions(spine: Pipeline) -> list[tuple[str, str]]:
    """What waits in the outbox: order key and action."""
    return spine.db.execute("SELECT order_key, action FROM outbox ORDER BY id").fetchall()


def test_an_alarm_becomes_one_order_and_its_recovery_is_written_on_it(tmp_path: Path) -> None:
    """Open, relapse while clearing, recover: one create, one recovery note, one key."""
    spine = pipeline(ruleset(tmp_path))
    key = f"site|lift-1|chain|{spine.ledger.id}|1"

    process(spine, [said(1, "lift-1", safety_chain="open")])
    process(spine, [said(2, "lift-1", safety_chain="open"), said(3, "lift-1", safety_chain="closed")])

    assert actions(spine) == [(key, "create"), (key, "recover")]
    assert [a.state for a in ledger.recent_alarms(spine.db, 9)] == [AlarmState.CLEARED]


def test_the_order_carries_its_evidence(tmp_path: Path) -> None:
    """What was seen, against which limit, since when, due when, and which rules were in force."""
    spine = pipeline(ruleset(tmp_path))
    process(spine, [said(s, "lift-1", room_temp=50.0) for s in (0, 10, 20)])

    (order,) = ledger.orders(spine.db, 9)
    document = order.document

    assert (document["level"], document["asset"], document["rule"]) == ("I", "lift-1", "hot")
    assert document["active_at"] == "2026-11-21T22:27:00.000Z"
    assert order.respond_by - order.created_at == at(900) - T0
    assert [(o["point"], o["value"]) for o in document["observed"]] == [("lift-1.room_temp", 50.0)]
    assert "45" in document["observed"][0]["limit"]
    assert document["explanation"]["zh"] == "条件已持续 20s：lift-1.room_temp = 50 °C，高于 45 °C"
    assert document["rules_hash"] == ruleset(tmp_path).hash


def test_a_second_stretch_is_a_second_order(tmp_path: Path) -> None:
    """The alarm number in the key is never used again."""
    spine = pipeline(ruleset(tmp_path))
    for start in (0, 100):
        process(spine, [said(start + 1, "lift-1", safety_chain="open")])
        process(spine, [said(start + 2, "lift-1", safety_chain="closed")])

    assert len({key for key, _ in actions(spine)}) == 2


def test_a_shadow_rule_is_recorded_and_sends_nobody(tmp_path: Path) -> None:
    """Its alarm stands in the ledger with its disposition, the outbox stays empty."""
    spine = pipeline(
        ruleset(tmp_path, RULES.replace("applies_to: {kind: lift}", "applies_to: {kind: lift}\n    mode: shadow"))
    )
    process(spine, [said(1, "lift-1", safety_chain="open")])

    assert actions(spine) == []
    assert [a.disposition for a in ledger.open_alarms(spine.db)] == [Disposition.WITHHELD_SHADOW]


def test_a_ticket_update_moves_the_order_and_is_audited(tmp_path: Path) -> None:
    """Accepted by a person: the order says by whom, the audit keeps it."""
    spine = pipeline(ruleset(tmp_path))
    process(spine, [said(1, "lift-1", safety_chain="open")])
    (order,) = ledger.orders(spine.db, 9)

    process(spine, [TicketUpdate(at(60), order.key, OrderStatus.ACCEPTED, "老王", "在路上")])

    (order,) = ledger.orders(spine.db, 9)
    assert (order.status, order.changed_by, order.changed_at) == (OrderStatus.ACCEPTED, "老王", at(60))
    assert spine.db.execute("SELECT user, action, detail FROM audit WHERE action != 'reload'").fetchall() == [
        ("老王", "ticket_accepted", "在路上")
    ]


def test_a_removed_rule_closes_its_alarm_and_says_so(tmp_path: Path) -> None:
    """Whoever holds the order learns that sensors no longer follow it."""
    spine = pipeline(ruleset(tmp_path))
    process(spine, [said(1, "lift-1", safety_chain="open")])
    fewer = ruleset(tmp_path, RULES[: RULES.index("  - id: chain")])
    spine.journal.add_ruleset(fewer.hash, fewer.to_json(), at(5))

    process(spine, [Reload(at(5), fewer.hash)])

    assert [action for _, action in actions(spine)] == ["create", "recover"]
    (body,) = spine.db.execute("SELECT body FROM outbox WHERE action = 'recover'").fetchone()
    assert "规则已被移除" in orjson.loads(body)["text"]["zh"]


def test_a_restart_in_the_middle_of_a_hold_changes_nothing(tmp_path: Path) -> None:
    """Killed after ten of twenty seconds: the hold goes on from the journal, and ends when it would have."""
    file = tmp_path / "state.db"
    spine = pipeline(ruleset(tmp_path), file)
    process(spine, [said(0, "lift-1", room_temp=50.0)])
    process(spine, [said(10, "lift-1", room_temp=50.0)])
    spine.db.close()

    again = Pipeline(connect(file))
    again.restore()
    process(again, [tick(20)])

    assert [a.active_at for a in ledger.open_alarms(again.db)] == [at(20)]


def test_an_open_alarm_survives_a_restart_without_a_second_order(tmp_path: Path) -> None:
    """Still bad after the restart: the same alarm, the same order."""
    file = tmp_path / "state.db"
    spine = pipeline(ruleset(tmp_path), file)
    process(spine, [said(1, "lift-1", safety_chain="open")])
    spine.db.close()

    again = Pipeline(connect(file))
    replayed = again.restore()
    process(again, [said(2, "lift-1", safety_chain="open")])

    assert replayed >= 0
    assert [action for _, action in actions(again)] == ["create"]


def test_a_snapshot_of_an_unknown_version_is_rebuilt_from_the_journal(tmp_path: Path) -> None:
    """After an upgrade that reads no old snapshots the engine comes from the rows, timers and all."""
    file = tmp_path / "state.db"
    spine = pipeline(ruleset(tmp_path), file)
    process(spine, [said(0, "lift-1", room_temp=50.0)])
    spine.db.execute("UPDATE snapshot SET body = CAST(? AS BLOB)", (b'{"version": 999}',))
    spine.db.close()

    again = Pipeline(connect(file))

    assert again.restore() == 2
    process(again, [said(10, "lift-1", room_temp=50.0), tick(20)])
    assert [a.active_at for a in ledger.open_alarms(again.db)] == [at(20)]


def test_an_input_that_kills_the_replay_is_skipped_at_the_third_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal row at which the engine dies must not keep a site down for ever."""
    file = tmp_path / "state.db"
    spine = pipeline(ruleset(tmp_path), file)
    process(spine, [tick(1)])
    process(spine, [said(2, "lift-1", room_temp=66.0)])
    spine.db.close()

    def die(self: Pipeline, item: object) -> list[object]:
        if "66.0" in str(item):
            raise RuntimeError("boom")
        return []

    monkeypatch.setattr(Pipeline, "_step", die)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="boom"):
            Pipeline(connect(file)).restore()

    assert Pipeline(connect(file)).restore() == 1


def test_counts_of_the_outbox_agree(tmp_path: Path) -> None:
    """Orders = delivered + pending + parked."""
    spine = pipeline(ruleset(tmp_path))
    process(spine, [said(1, "lift-1", safety_chain="open")])

    assert outbox.counts(spine.db).pending == 1


def test_a_gateway_without_room_pages_a_person_once(tmp_path: Path) -> None:
    """Its own alarm of type instrument, not of the building; a restart leaves it open until there is room."""
    file = tmp_path / "state.db"
    spine = pipeline(ruleset(tmp_path), file)
    for second in (1, 2):
        process(spine, [Command(at(second), "fault", "gateway.disk_full", "gateway", "3 MiB free")])
    spine.db.close()
    again = Pipeline(connect(file))
    again.restore()
    process(again, [tick(3)])

    (order,) = ledger.orders(again.db, 9)
    assert (order.asset, order.document["type"], order.level) == ("site", "instrument", Level.II)
    assert len(ledger.open_alarms(again.db)) == 1
    process(again, [Command(at(9), "mended", "gateway.disk_full", "gateway", "")])
    assert [action for _, action in actions(again)] == ["create", "recover"]


def test_a_rule_that_fails_is_an_alarm_of_its_own_until_a_reload(tmp_path: Path) -> None:
    """Only that rule on that asset stops; its instrument alarm is over once the rule works again."""
    rules = ruleset(tmp_path)
    spine = pipeline(rules)

    def fail() -> bool:
        raise ZeroDivisionError("no")

    spine.engine._watches["hot|lift-1"].wants = fail
    process(spine, [said(1, "lift-1", room_temp=50.0), said(2, "lift-1", room_temp=50.0, safety_chain="open")])

    assert [a.rule for a in ledger.open_alarms(spine.db)] == ["hot!faulted", "chain"]
    process(spine, [Reload(at(3), rules.hash)])
    assert [a.rule for a in ledger.open_alarms(spine.db)] == ["chain"]
    assert [action for _, action in actions(spine)] == ["create", "create", "recover"]


@pytest.mark.parametrize("number", ["99999999999999999999", "²", "٣", "-1", "", "one"])
def test_an_alarm_number_that_is_none_is_audited_and_harms_nobody(tmp_path: Path, number: str) -> None:
    """A slip of a finger in `acknowledge` must not end the daemon."""
    spine = pipeline(ruleset(tmp_path))

    process(spine, [Command(at(1), "acknowledge", number, "wang", "seen")])

    rows = spine.db.execute("SELECT target, detail FROM audit WHERE action = 'acknowledge'").fetchall()
    assert rows == [(number, "no such alarm")]


def test_a_hold_that_ends_at_the_reload_speaks_in_the_words_of_its_own_rule(tmp_path: Path) -> None:
    """What ran out before the new rules came is decided by the rules under which it ran out."""
    spine = pipeline(ruleset(tmp_path))
    process(spine, [said(s, "lift-1", room_temp=50.0) for s in (0, 10)])
    fewer = ruleset(tmp_path, RULES.replace("id: hot", "id: warm"))
    spine.journal.add_ruleset(fewer.hash, fewer.to_json(), at(25))

    process(spine, [Reload(at(25), fewer.hash)])

    (order,) = ledger.orders(spine.db, 9)
    assert (order.rule, order.document["title"]["en"]) == ("hot", "Machine room hot")
    assert order.document["rules_hash"] != fewer.hash


def test_a_rule_that_leaves_shadow_sends_somebody_for_its_open_alarm(tmp_path: Path) -> None:
    """Withheld is decided again when the mute ends: the chain is open still, so an order goes out at the reload."""
    shadow = ruleset(tmp_path, RULES.replace("applies_to: {kind: lift}", "applies_to: {kind: lift}\n    mode: shadow"))
    spine = pipeline(shadow)
    process(spine, [said(1, "lift-1", safety_chain="open")])
    real = ruleset(tmp_path)
    spine.journal.add_ruleset(real.hash, real.to_json(), at(5))

    process(spine, [Reload(at(5), real.hash)])
    process(spine, [said(6, "lift-1", safety_chain="closed")])

    assert [action for _, action in actions(spine)] == ["create", "recover"]
    (alarm,) = ledger.recent_alarms(spine.db, 9)
    assert (alarm.disposition, alarm.active_at) == (Disposition.OWN_ORDER, at(1))
    (order,) = ledger.orders(spine.db, 9)
    assert order.document["active_at"] == "2026-11-21T22:26:41.000Z"


def test_without_a_readable_snapshot_the_rules_of_the_day_are_found_all_the_same(tmp_path: Path) -> None:
    """After an upgrade, when the row of the last reload has made room: timers come from the rows that are left."""
    file = tmp_path / "state.db"
    spine = pipeline(ruleset(tmp_path), file)
    process(spine, [tick(100)])
    process(spine, [said(200, "lift-1", room_temp=50.0)])
    spine.db.execute("UPDATE snapshot SET body = CAST(? AS BLOB)", (b'{"version": 999}',))
    spine.db.execute("DELETE FROM journal WHERE kind = 'r'")
    spine.db.close()

    again = Pipeline(connect(file))

    assert again.restore() == 2
    process(again, [said(210, "lift-1", room_temp=50.0), tick(220)])
    assert [a.active_at for a in ledger.open_alarms(again.db)] == [at(220)]


def test_news_that_came_late_is_borne_out_after_a_restart_without_a_snapshot_too(tmp_path: Path) -> None:
    """The ledger remembers that the order was withheld for being late; readings in time open it."""
    file = tmp_path / "state.db"
    spine = pipeline(ruleset(tmp_path), file)
    spine.ledger.add_alarm(
        Transition("chain", "lift-1", AlarmState.NORMAL, AlarmState.ACTIVE, Level.I, DataState.GOOD,
                   Cause.CONDITION_HELD, at(1), at(1), late=True),
        ledger.Fate(Disposition.WITHHELD_LATE, at(1)),
    )  # fmt: skip
    spine.db.close()

    again = Pipeline(connect(file))
    again.restore()
    process(again, [tick(2), said(3, "lift-1", safety_chain="open")])

    assert [action for _, action in actions(again)] == ["create"]


def test_late_news_borne_out_during_the_hold_is_no_longer_late(tmp_path: Path) -> None:
    """A reading in time came before the hold was over: at its end somebody is sent, without waiting for another."""
    spine = pipeline(ruleset(tmp_path, RULES.replace("equals: open}}", "equals: open}, for: 20s}")))
    late = said(1, "lift-1", safety_chain="open")
    old = [r._replace(at=at(-600), quality=Quality.SUSPECT, reason=Reason.LATE) for r in late.readings]
    process(spine, [late._replace(readings=tuple(old)), said(5, "lift-1", safety_chain="open"), tick(30)])

    assert [a.disposition for a in ledger.open_alarms(spine.db)] == [Disposition.OWN_ORDER]


def test_a_long_replay_says_that_it_goes_on(tmp_path: Path) -> None:
    """After an upgrade it may take minutes: the service manager is asked for patience again and again."""
    file = tmp_path / "state.db"
    spine = pipeline(ruleset(tmp_path), file)
    process(spine, [tick(n / 1000) for n in range(25_000)])
    spine.db.execute("DELETE FROM snapshot")
    spine.db.close()
    heard: list[int] = []

    Pipeline(connect(file)).restore(heard.append)

    assert heard == [10_000, 20_000]


def test_a_reload_is_audited(tmp_path: Path) -> None:
    """Which rules came into force when, for ever: the journal's own row makes room one day."""
    rules = ruleset(tmp_path)
    spine = pipeline(rules)

    assert spine.db.execute("SELECT action, target FROM audit").fetchall() == [("reload", rules.hash)]
