"""What is forgotten, and what never is."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from daemon.clock import SiteClock
from daemon.complaint import Complaint
from daemon.model import OrderStatus, TicketUpdate, from_ms, to_ms
from daemon.pipeline import Pipeline
from daemon.store import complaints
from daemon.store.db import connect
from daemon.store.retention import Bounds, forget
from daemon.upkeep import Upkeep
from tests.many_assets import at, begun, process, rows, ruleset, says, shelve, tick


@pytest.fixture
def spine(tmp_path: Path) -> Pipeline:
    """L0 is over, its order done; L1 is over, its order is not; L2 is still there; L3 was withheld and is over."""
    spine = begun([ruleset(tmp_path)])
    process(spine, shelve(0, "L3", 60), *(says(1, f"L{n}", state="bad") for n in range(4)), tick(10))
    process(spine, *(says(20, f"L{n}", state="good") for n in (0, 1, 3)), tick(100))
    ((key,),) = rows(spine, "SELECT order_key FROM alarm WHERE asset = 'L0'")
    process(spine, TicketUpdate(at(110), key, OrderStatus.VERIFIED, "wang"))
    spine.db.execute("UPDATE outbox SET state = 'delivered'")
    return spine


def left(spine: Pipeline) -> list[str]:
    return [asset for (asset,) in rows(spine, "SELECT asset FROM alarm ORDER BY no")]


def test_what_is_over_and_finished_is_forgotten_with_all_that_hangs_on_it(spine: Pipeline) -> None:
    """Alarm, changes, order, deliveries, audit and the ended mute; what is open stays, whatever its age."""
    done = forget(spine.db, Bounds(at(1000)))

    assert left(spine) == ["L1", "L2"]
    assert done == len(["L0", "L3"]) + len(["shelve", "shelve_ended", "ticket_done"]) + len(["the mute"])
    assert rows(spine, "SELECT action FROM audit") == [("reload",)]  # which rules are in force
    assert {asset for (asset,) in rows(spine, "SELECT asset FROM work_order")} == {"L1", "L2"}
    assert rows(spine, "SELECT count(*) FROM transition WHERE alarm_no NOT IN (SELECT no FROM alarm)") == [(0,)]
    assert rows(spine, "SELECT count(*) FROM mute") == [(0,)]
    assert rows(spine, "SELECT DISTINCT order_key IN (SELECT key FROM work_order) FROM chart") == [(1,)]
    assert forget(spine.db, Bounds(at(1000))) == 0


def test_what_is_young_stays_unless_there_is_too_much(spine: Pipeline) -> None:
    """By age nothing goes; by count the oldest that may."""
    assert forget(spine.db, Bounds(at(0))) == 0
    assert forget(spine.db, Bounds(at(0), alarms=3, audit=2)) > 0

    assert left(spine) == ["L1", "L2", "L3"]
    assert rows(spine, "SELECT action FROM audit ORDER BY id") == [("reload",), ("shelve_ended",), ("ticket_verified",)]


def test_an_order_that_nobody_ever_closes_is_forgotten_in_the_end(spine: Pipeline) -> None:
    """Its alarm is over, and nothing was done, due or waiting for as long as decisions are kept; not a day sooner."""
    process(spine, tick(1000))  # every deadline has passed and was told
    happened = max(ms for (ms,) in rows(spine, "SELECT at FROM order_event"))

    forget(spine.db, Bounds(from_ms(happened)))
    kept = left(spine)
    process(spine, tick(2_000_000))
    spine.db.execute("UPDATE outbox SET state = 'pending' WHERE order_key LIKE '%|L1|%' AND action = 'recover'")
    forget(spine.db, Bounds(at(3_000_000)))
    waiting = left(spine)
    spine.db.execute("UPDATE outbox SET state = 'delivered'")
    while forget(spine.db, Bounds(at(3_000_000))):
        pass

    assert (kept, waiting, left(spine)) == (["L1", "L2"], ["L1", "L2"], ["L2"])
    assert rows(spine, "SELECT DISTINCT asset FROM work_order") == [("L2",)]
    assert rows(spine, "SELECT count(*) FROM order_event WHERE order_key LIKE '%|L1|%'") == [(0,)]


def test_complaints_are_forgotten_with_the_rest(spine: Pipeline) -> None:
    """By the moment they were made, or the oldest when there are too many."""
    process(spine, *(Complaint(at(200), f"C{n}", at(n), "L0") for n in range(4)))

    assert forget(spine.db, Bounds(at(0), complaints=3)) == 1
    forget(spine.db, Bounds(at(2)))
    assert rows(spine, "SELECT id FROM complaint ORDER BY no") == [("C2",), ("C3",)]


def test_numbers_are_never_used_again(spine: Pipeline, tmp_path: Path) -> None:
    """The newest alarm is forgotten, and the next one has another number: order keys stay unique."""
    process(spine, says(200, "L2", state="good"), tick(300))
    spine.db.execute("UPDATE work_order SET status = 'verified'")
    forget(spine.db, Bounds(at(1000)))
    process(spine, says(400, "L5", state="bad"), tick(410))

    assert (left(spine), rows(spine, "SELECT no FROM alarm")) == (["L5"], [(5,)])


async def test_upkeep_forgets_piece_by_piece(tmp_path: Path) -> None:
    """Until nothing is left that is out of bounds."""
    db = connect(tmp_path / "state.db")
    db.executemany(
        "INSERT INTO audit (at, user, action, target, detail) VALUES (?, '', '', '', '')", [(n,) for n in range(1200)]
    )

    async def run_job(job):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202  any job
        return job(db)

    assert await Upkeep(run_job, SiteClock(), timedelta(days=400)).once() == 1200
    db.close()


def test_how_long_rules_have_been_in_force_is_not_forgotten(spine: Pipeline) -> None:
    """A reload of yesterday makes no past complaint one of a time when nothing was watched."""
    spine.db.execute(
        "INSERT INTO audit (at, user, action, target, detail) VALUES (?, '', 'reload', '', '')",
        (to_ms(at(2000)),),
    )

    forget(spine.db, Bounds(at(1000)))

    since = complaints.watched_since(spine.db)
    assert since is not None
    assert since <= at(1000)
