"""A backtest of a live run's journal decides what the live run decided."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.backtest.journal_history import JournalHistory
from daemon.backtest.run import Run, run
from daemon.model import Input, OrderStatus, TicketUpdate
from daemon.pipeline import Pipeline
from daemon.store import ledger
from daemon.store.db import connect
from tests import many_assets
from tests.properties import test_dispositions
from tests.properties.test_restarts import FIRST, OTHERS, STEPS, begun, decided, inputs
from tests.spine import process, ruleset

TICKETS = st.lists(
    st.tuples(
        st.integers(0, 60),
        st.sampled_from(["lift-1|hot", "lift-1|chain", "zone-1|low"]),
        st.integers(1, 4),
        st.sampled_from([OrderStatus.ACCEPTED, OrderStatus.DONE, OrderStatus.REJECTED]),
        st.sampled_from([None, None, "", "planned"]),
    ),
    max_size=6,
)


def with_tickets(
    script: list[Input], tickets: list[tuple[int, str, int, OrderStatus, str | None]], ledger_id: str
) -> list[Input]:
    """What teams say of orders in between: of some that are there, and of some that are not."""
    mixed = list(script)
    for n, what, no, status, stamp in sorted(tickets, key=lambda ticket: ticket[:3], reverse=True):
        if n < len(script):
            at, key = script[n].at, f"site|{what}|{ledger_id}|{no}"
            mixed.insert(n, TicketUpdate(at, key, status, "wang", "note", stamp=stamp, team="lifts" if n % 2 else ""))
    return mixed


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    steps=STEPS,
    tickets=TICKETS,
    batches=st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=1, max_size=20),
)
def test_a_backtest_of_a_journal_decides_what_the_live_run_decided(
    steps: list[tuple[float, str, int]],
    tickets: list[tuple[int, str, int, OrderStatus, str | None]],
    batches: list[tuple[int, bool]],
) -> None:
    """Readings, commands, tickets and reloads, with kills in between: the same alarms, transitions, orders, notes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rules = [ruleset(folder, text) for text in (FIRST, *OTHERS)]
        live = begun(folder / "state.db", rules)
        script = with_tickets(inputs(steps, rules), tickets, live.ledger.id)
        done = n = 0
        while done < len(script):
            size, kill = batches[n % len(batches)]
            process(live, script[done : done + size])
            done, n = done + size, n + 1
            if kill:
                live.db.close()
                live = Pipeline(connect(folder / "state.db"))
                live.restore()
        history = JournalHistory(folder / "state.db")
        with Run(history.recording) as backtest:
            backtest.feed(history.recorded())
            backtest.finish()

            assert decided(backtest.pipeline) == decided(live)
        live.db.close()


def test_the_intervals_of_a_recording_are_the_ledgers_alarms(tmp_path: Path) -> None:
    """Numbers, times, dispositions and the keys of orders are those of the day."""
    rules = [ruleset(tmp_path, FIRST)]
    live = begun(tmp_path / "state.db", rules)
    steps = [(10.0, what, 0) for what in ["hot"] * 5 + ["cool"] * 5 + ["open", "closed"]]
    process(live, inputs(steps, rules))
    history = JournalHistory(tmp_path)

    result = run(history.recording, history.recorded())

    alarms = sorted(ledger.recent_alarms(live.db, 10), key=lambda alarm: alarm.no)
    assert len(alarms) == 2
    assert [(i.no, i.rule, i.start, i.end, i.disposition, i.order) for i in result.intervals] == [
        (a.no, a.rule, a.active_at, a.cleared_at, a.disposition, a.order_key) for a in alarms
    ]
    live.db.close()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(test_dispositions.SCENES, st.integers(1, 9))
def test_what_persons_mute_is_muted_in_the_backtest(scenes: list[test_dispositions.Scene], size: int) -> None:
    """Shelving, maintenance, caps, storms, flapping, dependencies and reloads, on many assets."""
    script = test_dispositions.inputs(scenes)
    with tempfile.TemporaryDirectory() as name:
        live = many_assets.begun(test_dispositions.RULESETS, Path(name) / "state.db")
        for n in range(0, len(script), size):
            many_assets.process(live, *script[n : n + size])
        history = JournalHistory(Path(name))
        with Run(history.recording) as backtest:
            backtest.feed(history.recorded())
            backtest.finish()

            assert test_dispositions.told(backtest.pipeline) == test_dispositions.told(live)
        live.db.close()
