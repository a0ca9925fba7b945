"""What points said in a span of the past, found in the journal."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from daemon.charts.plan import Panel, Sample
from daemon.model import Input, Observation, Quality, Reading, to_ms
from daemon.store import past_readings
from daemon.store.db import connect
from daemon.store.journal import Journal
from daemon.store.past_readings import Span, series
from tests.spine import T0, at, said, tick

START = to_ms(T0)
PRESSURE = Panel("zone-1.pressure", "pressure", "MPa", False, False, (), (), (), 30_000, False, "zone-1/d")
CHAIN = Panel("lift-1.safety_chain", "safety_chain", "", True, True, (), (), (), 30_000, False, "lift-1/d")


def kept(inputs: Iterable[Input]) -> Journal:
    journal = Journal(connect(":memory:"))
    for item in inputs:
        journal.append([item])
    return journal


def read(
    journal: Journal, panel: Panel, begin: float, end: float, seq: int | None = None
) -> list[tuple[float, object]]:
    span = Span(START + round(begin * 1000), START + round(end * 1000), journal.last_seq if seq is None else seq)
    found = series(journal._db, [panel], span, 240)[panel.point]
    return [((sample.ms - START) / 1000, sample.value) for sample in found]


def test_the_span_begins_with_the_value_that_held_and_ends_with_the_row() -> None:
    """Later rows are not seen, whenever it is read; other points' rows are passed over."""
    journal = kept(
        one
        for n in range(0, 100, 10)
        for one in (said(n, "zone-1", pressure=n / 100), said(n, "lift-1", room_temp=30.0), tick(n))
    )

    found = read(journal, PRESSURE, 25, 75, seq=3 * 7 + 1)

    assert found == [(25, 0.2), (30, 0.3), (40, 0.4), (50, 0.5), (60, 0.6), (70, 0.7)]


def test_silence_is_a_gap_and_not_a_line() -> None:
    """Between two readings, and at the end."""
    journal = kept([said(0, "zone-1", pressure=0.3), said(90, "zone-1", pressure=0.2), tick(200)])

    found = read(journal, PRESSURE, 0, 200)

    assert found == [(0, 0.3), (0.001, None), (90, 0.2), (90.001, None)]


def test_a_state_is_held_from_long_before_while_its_device_speaks() -> None:
    """What was said hours ago still holds at the beginning; when the device was silent it is not known."""
    before = [said(0, "lift-1", safety_chain="closed")]
    alive = [said(n, "lift-1", room_temp=30.0) for n in range(20, 7200, 20)]
    after = [said(7400, "lift-1", room_temp=30.0), said(7410, "lift-1", safety_chain="open")]
    journal = kept([*before, *alive, *after])

    found = read(journal, CHAIN, 7000, 7420)

    assert found == [(7000, "closed"), (7180.001, None), (7400, "closed"), (7410, "open")]


def test_bad_readings_and_late_ones_stand_at_their_time() -> None:
    """What is no number is a mark without a value; what came late is put in order."""
    moment, late = at(50), at(20)
    journal = kept(
        [
            said(10, "zone-1", pressure=0.3),
            said(30, "zone-1", pressure=0.4),
            Observation(
                moment,
                "zone-1/d",
                (
                    Reading("zone-1.pressure", late, 0.35, moment, Quality.SUSPECT),
                    Reading("zone-1.pressure", moment, float("nan"), moment, Quality.BAD),
                ),
            ),
        ]
    )

    span = Span(START, START + 60_000, journal.last_seq)
    found = series(journal._db, [PRESSURE], span, 240)[PRESSURE.point]

    assert found == [
        Sample(START + 10_000, 0.3),
        Sample(START + 20_000, 0.35, Quality.SUSPECT),
        Sample(START + 30_000, 0.4),
        Sample(START + 50_000, None, Quality.BAD),
    ]


def test_what_was_evicted_is_not_there() -> None:
    """The chart begins with the oldest row that is left."""
    journal = kept(said(n * 10, "zone-1", pressure=0.3) for n in range(20))
    journal._db.execute("DELETE FROM journal WHERE seq <= 10")

    assert read(journal, PRESSURE, 0, 190)[0] == (100, 0.3)


def test_of_too_many_rows_pieces_are_read_up_to_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """A day on a large site is looked at in as many places as can be shown."""
    monkeypatch.setattr(past_readings, "MOST_ROWS", 400)
    journal = kept(said(n, "zone-1", pressure=n / 1000) for n in range(1000))

    found = read(journal, PRESSURE, 0, 999)

    assert found[-1:] == [(999, 0.999)]
    assert len(found) in range(180, 241)


def test_nothing_known_is_an_empty_series() -> None:
    """No row at all, and none of the point."""
    assert read(kept([]), PRESSURE, 0, 60) == []
    assert read(kept([tick(1)]), PRESSURE, 0, 60) == []
