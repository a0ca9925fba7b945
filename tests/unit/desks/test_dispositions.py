from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from daemon.model import Level, OrderStatus, Reload, TicketUpdate
from daemon.pipeline import Pipeline
from daemon.store.db import connect
from tests.many_assets import (
    NAMES,
    RULES,
    at,
    begun,
    dispositions,
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


@pytest.fixture
def spine(tmp_path: Path) -> Pipeline:
    return begun([ruleset(tmp_path)])


def break_all(spine: Pipeline, seconds: float = 0) -> None:
    """Every lift is bad, and it is held to be so."""
    process(spine, *(says(seconds, name, state="bad") for name in NAMES), tick(seconds + 5))


def audit(spine: Pipeline) -> list[tuple[str, str, str]]:
    return rows(spine, "SELECT user, action, detail FROM audit WHERE action != 'reload' ORDER BY id")


class TestShelving:
    def test_a_shelved_alarm_is_seen_and_sends_nobody_until_the_shelf_ends(self, spine: Pipeline) -> None:
        """It opens as ever, its order is withheld; once the time is over and it is still there, the order goes out."""
        process(spine, shelve(0, "L0", 600), says(1, "L0", state="bad"), tick(10))
        before = dispositions(spine)
        process(spine, tick(599.999))
        assert dispositions(spine) == before == {"L0": "withheld_shelved"}

        process(spine, tick(600))

        assert dispositions(spine) == {"L0": "own_order"}
        assert rows(spine, "SELECT cause FROM transition ORDER BY id DESC LIMIT 1") == [("mute_ended",)]
        assert audit(spine) == [
            ("wang", "shelve", f"until {at(600).isoformat()}: noise"),
            ("gateway", "shelve_ended", "of wang: noise"),
        ]

    def test_an_alarm_that_recovers_on_the_shelf_never_had_an_order(self, spine: Pipeline) -> None:
        """Shelving stops no recovery."""
        process(spine, shelve(0, "L0", 600), says(1, "L0", state="bad"), tick(10), says(20, "L0", state="good"))
        process(spine, tick(700))

        assert rows(spine, "SELECT state, disposition FROM alarm") == [("cleared", "withheld_shelved")]
        assert rows(spine, "SELECT * FROM outbox") == []

    def test_a_worse_alarm_breaks_through_the_shelf(self, spine: Pipeline) -> None:
        """What was shelved was Level II; Level I is another matter, and its order says the present numbers."""
        process(spine, shelve(0, "L0", 600), says(1, "L0", state="bad"), tick(10), says(20, "L0", state="worse"))

        assert dispositions(spine) == {"L0": "own_order"}
        assert rows(spine, "SELECT level FROM work_order") == [(1,)]

    def test_a_shelf_may_hold_every_level(self, spine: Pipeline) -> None:
        """If whoever shelves says so."""
        process(spine, shelve(0, "L0", 600, level=Level.I), says(1, "L0", state="worse"))

        assert dispositions(spine) == {"L0": "withheld_shelved"}

    def test_unshelving_decides_at_once(self, spine: Pipeline) -> None:
        """An order goes out for what is still there; unshelving twice is audited as refused."""
        process(spine, shelve(0, "L0", 600), says(1, "L0", state="bad"), tick(10))
        process(spine, unshelve(20, "L0"), unshelve(21, "L0"))

        assert dispositions(spine) == {"L0": "own_order"}
        assert audit(spine)[-1] == ("wang", "unshelve", "refused: it is not shelved")

    def test_shelving_again_moves_the_end(self, spine: Pipeline) -> None:
        """The later word counts, longer or shorter."""
        process(spine, shelve(0, "L0", 600), says(1, "L0", state="bad"), tick(10), shelve(20, "L0", 30))
        process(spine, tick(49.999))
        held = dispositions(spine)

        process(spine, tick(50))

        assert (held, dispositions(spine)) == ({"L0": "withheld_shelved"}, {"L0": "own_order"})

    def test_a_shelf_survives_a_kill_and_ends_in_the_downtime(self, tmp_path: Path) -> None:
        """What ended while the gateway was down is made up for at the first input."""
        spine = begun([ruleset(tmp_path)], tmp_path / "state.db")
        process(spine, shelve(0, "L0", 600), says(1, "L0", state="bad"), tick(10))
        spine.db.close()
        again = Pipeline(connect(tmp_path / "state.db"))
        again.restore()
        process(again, tick(500))
        held = dispositions(again)

        process(again, tick(5000))

        assert (held, dispositions(again)) == ({"L0": "withheld_shelved"}, {"L0": "own_order"})

    @pytest.mark.parametrize(
        ("wish", "refused"),
        [
            (shelve(0, "L0", 600, rule="trap", level=Level.I), "this rule is never suppressed"),
            (shelve(0, "L0", 8 * 86_400), "at most 7 days"),
            (shelve(0, "L0", 0), "its end must lie ahead"),
            (unshelve(0, "L0")._replace(name="shelve", target="nonsense"), "no such alarm"),
            (maintain(0, "L0", 31 * 86_400), "at most 30 days"),
            (end_maintenance(0, "L0"), "it is not under maintenance"),
        ],
    )
    def test_what_cannot_be_granted_is_audited(self, spine: Pipeline, wish: object, refused: str) -> None:
        """A wish that changes nothing leaves its trace all the same."""
        process(spine, wish)  # type: ignore[arg-type]

        assert [detail for _, _, detail in audit(spine)] == [f"refused: {refused}"]
        assert rows(spine, "SELECT * FROM mute") == []


class TestCaps:
    @pytest.fixture
    def spine(self, tmp_path: Path) -> Pipeline:
        """One order an asset and day; T0 is 14:00, so that the day ends ten hours later."""
        return begun([ruleset(tmp_path, RULES.replace("    levels:\n", "    cap: 1\n    levels:\n", 1))])

    def test_the_second_order_of_a_day_waits_for_the_next(self, spine: Pipeline) -> None:
        """Another asset has its own; at midnight by the site's clocks what is still there gets an order."""
        for begin in (0, 3600):
            process(spine, says(begin, "L0", state="bad"), tick(begin + 5))
            process(spine, says(begin + 60, "L0", state="good"), tick(begin + 65))
        process(spine, says(7200, "L0", state="bad"), says(7200, "L1", state="bad"), tick(36_000 - 0.001))
        before = dispositions(spine)

        process(spine, tick(36_000))

        assert before == {"L0": "withheld_cap", "L1": "own_order"}
        assert dispositions(spine) == {"L0": "own_order", "L1": "own_order"}
        assert rows(spine, "SELECT disposition FROM alarm WHERE cleared_at IS NOT NULL") == [
            ("own_order",),
            ("withheld_cap",),
        ]

    def test_what_is_more_urgent_than_the_orders_of_the_day_goes_out(self, spine: Pipeline) -> None:
        """Level II has had its order; Level I has not."""
        process(spine, says(0, "L0", state="bad"), tick(5), says(60, "L0", state="good"), tick(65))
        process(spine, says(100, "L0", state="bad"), tick(105))
        held = dispositions(spine)

        process(spine, says(200, "L0", state="worse"))

        assert (held, dispositions(spine)) == ({"L0": "withheld_cap"}, {"L0": "own_order"})


class TestMaintenance:
    def test_while_an_asset_is_worked_on_its_orders_are_withheld(self, spine: Pipeline) -> None:
        """Its own, and never those that are never suppressed; another asset's go out."""
        process(spine, maintain(0, "L0", 3600), says(1, "L0", state="bad"), says(1, "L1", state="bad"), tick(10))
        process(spine, says(20, "L0", door="stuck"))

        assert dispositions(spine) == {"L0": "withheld_maintenance", "L1": "own_order"}
        assert dispositions(spine, "trap") == {"L0": "own_order"}

    def test_what_is_still_there_afterwards_gets_its_order(self, spine: Pipeline) -> None:
        """At the end of the time, or when somebody says that it is done."""
        process(spine, maintain(0, "*", 3600), maintain(0, "L1", 7200))
        process(spine, says(1, "L0", state="bad"), says(1, "L1", state="bad"), says(1, "L2", state="bad"), tick(10))
        process(spine, tick(3600))
        first = dispositions(spine)

        process(spine, end_maintenance(4000, "L1"))

        assert first == {"L0": "own_order", "L1": "withheld_maintenance", "L2": "own_order"}
        assert dispositions(spine)["L1"] == "own_order"


class TestStorms:
    def test_the_tenth_order_is_the_storms_and_lists_what_follows(self, spine: Pipeline) -> None:
        """Nine of their own, then one that stands for the rest, which a minute later lists them."""
        break_all(spine)
        process(spine, tick(65))

        found = list(dispositions(spine).values())
        assert (found.count("own_order"), found.count("child")) == (9, len(NAMES) - 9)
        assert rows(spine, "SELECT count(*) FROM work_order") == [(10,)]
        ((body, level),) = rows(spine, "SELECT body, level FROM outbox WHERE action = 'update'")
        text = orjson.loads(body)["text"]
        assert text["zh"].startswith("并入本工单的报警 5 项：L5梯 故障（Ⅱ 级，14:00:05）；")
        assert text["en"].startswith("5 alarms share this order: L5: Fault (Level II, 14:00:05);")
        assert level == 2

    def test_what_is_never_suppressed_is_never_folded(self, spine: Pipeline) -> None:
        """An entrapment in the middle of a storm has its own order."""
        break_all(spine)
        process(spine, *(says(6, name, door="stuck") for name in NAMES))

        assert set(dispositions(spine, "trap").values()) == {"own_order"}

    def test_a_worse_child_raises_the_storms_order(self, spine: Pipeline) -> None:
        """The order is as urgent as the worst that it stands for, and due sooner."""
        break_all(spine)
        process(spine, tick(65), says(100, "L9", state="worse"))
        process(spine, tick(160))

        (key,) = rows(spine, "SELECT order_key FROM alarm WHERE rule = 'site.storm'")[0]
        ((level, created, due),) = rows(
            spine,
            f"SELECT level, created_at, respond_by FROM work_order WHERE key = '{key}'",  # noqa: S608  our own
        )
        assert (level, due - created) == (1, (160 - 5 + 15 * 60) * 1000)

    def test_a_storm_ends_with_its_last_child(self, spine: Pipeline) -> None:
        """Ten minutes of calm end the folding; the order goes on until its children are over, and says so."""
        break_all(spine)
        process(spine, tick(610), says(700, "L0", state="good"), tick(705), says(706, "L0", state="bad"), tick(711))
        new = dispositions(spine)["L0"]
        for n, name in enumerate(NAMES):
            process(spine, says(800 + n, name, state="good"))
        process(spine, tick(900))

        assert new == "own_order"
        assert rows(spine, "SELECT state FROM alarm WHERE rule = 'site.storm'") == [("cleared",)]
        (key,) = rows(spine, "SELECT order_key FROM alarm WHERE rule = 'site.storm'")[0]
        assert [a for k, a in rows(spine, "SELECT order_key, action FROM outbox ORDER BY id") if k == key] == [
            "create",
            "update",
            "recover",
        ]


class TestFlapping:
    def flap(self, spine: Pipeline, times: int, seconds: float = 0) -> None:
        for n in range(times):
            begin = seconds + 20 * n
            process(spine, says(begin, "L0", state="bad"), tick(begin + 6), says(begin + 7, "L0", state="good"))
            process(spine, tick(begin + 13))

    def test_an_alarm_that_comes_and_goes_has_few_orders(self, spine: Pipeline) -> None:
        """Twenty openings in seven minutes: three orders, and seventeen on the third."""
        self.flap(spine, 20)

        assert rows(spine, "SELECT disposition, count(*) FROM alarm GROUP BY 1") == [("child", 17), ("own_order", 3)]
        assert rows(spine, "SELECT DISTINCT parent FROM alarm WHERE parent IS NOT NULL") == [(3,)]

    def test_if_it_stays_after_all_it_gets_an_order(self, spine: Pipeline) -> None:
        """Half an hour after it last came back it flaps no more."""
        self.flap(spine, 5)
        process(spine, says(200, "L0", state="bad"), tick(300))
        held = dispositions(spine)

        process(spine, tick(205 + 1800))

        assert (held, dispositions(spine)) == ({"L0": "child"}, {"L0": "own_order"})

    def test_a_finished_order_stands_for_nothing_new(self, spine: Pipeline) -> None:
        """The order that it hung on was closed by a person: the next one is an order of its own."""
        self.flap(spine, 4)
        for (key,) in rows(spine, "SELECT key FROM work_order"):
            process(spine, TicketUpdate(at(100), key, OrderStatus.REJECTED, "li"))

        self.flap(spine, 1, 200)

        assert [d for (d,) in rows(spine, "SELECT disposition FROM alarm ORDER BY no")][3:] == ["child", "own_order"]


def test_a_failing_rule_leaves_its_open_alarm_blind(spine: Pipeline) -> None:
    """The alarm stays, its data is unknown and its order says so; the fault has an order of its own."""
    process(spine, says(0, "L0", state="bad"), tick(10))

    def fail() -> bool:
        raise ZeroDivisionError("boom")

    watch = spine.engine._watches["fault|L0"]
    watch.rungs[0].when = watch.rungs[0].when._replace(test=fail)
    process(spine, says(20, "L0", state="worse"))

    found = rows(spine, "SELECT rule, state, data, disposition FROM alarm ORDER BY no")
    assert found == [("fault", "active", "unknown", "own_order"), ("fault!faulted", "active", "good", "own_order")]
    assert [action for (action,) in rows(spine, "SELECT action FROM outbox ORDER BY id")] == [
        "create",
        "update",
        "create",
    ]


def test_a_raised_level_is_due_sooner(spine: Pipeline) -> None:
    """Level II may take two hours; what becomes Level I has fifteen minutes from then, never longer than before."""
    process(spine, says(0, "L0", state="bad"), tick(5), says(60, "L0", state="worse"))

    assert rows(spine, "SELECT respond_by - created_at FROM work_order") == [((55 + 15 * 60) * 1000,)]


def test_a_reload_decides_anew_about_what_was_withheld(tmp_path: Path) -> None:
    """Out of shadow, an alarm that is open gets its order; back into it, it keeps it."""
    shadow = RULES.replace("    levels:\n", "    mode: shadow\n    levels:\n", 1)
    quiet, loud = ruleset(tmp_path, shadow), ruleset(tmp_path)
    spine = begun([quiet, loud])
    process(spine, says(0, "L0", state="bad"), tick(10))
    held = dispositions(spine)

    process(spine, Reload(at(20), loud.hash), Reload(at(30), quiet.hash))

    assert (held, dispositions(spine)) == ({"L0": "withheld_shadow"}, {"L0": "own_order"})
