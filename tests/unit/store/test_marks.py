from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from daemon.model import from_ms
from daemon.store import marks
from daemon.store.db import connect

AT = from_ms(1_795_300_000_000)
gaps = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 60)), max_size=8)


def rows(pieces: list[marks.Gap]) -> set[int]:
    return {seq for low, high in pieces for seq in range(low, high + 1)}


@given(gaps)
def test_a_union_holds_the_same_rows_in_few_gaps(pieces: list[marks.Gap]) -> None:
    """Gaps never overlap or touch, and come oldest first."""
    found = marks.union(pieces)

    assert rows(found) == rows(pieces)
    assert all(a[1] + 1 < b[0] for a, b in itertools.pairwise(found))


@given(gaps, st.tuples(st.integers(1, 60), st.integers(1, 60)))
def test_drained_rows_leave_the_gaps(pieces: list[marks.Gap], done: marks.Gap) -> None:
    """Exactly the drained rows are gone, whether they cut a gap, end it or lie in none."""
    if done[0] > done[1]:
        done = done[::-1]

    assert rows(marks.without(pieces, done)) == rows(pieces) - rows([done])


def test_progress_adds_up() -> None:
    """Position and gaps are replaced, totals grow, each sink by itself."""
    db = connect(":memory:")

    marks.advance(db, "influx", AT, marks.Mark(10, ((3, 4), (8, 10)), 70, 1))
    marks.advance(db, "influx", AT, marks.Mark(12, ((8, 10),), 5, 0))
    marks.advance(db, "other", AT, marks.Mark(6, (), 1, 0))

    assert marks.load_mark(db, "influx") == marks.Mark(12, ((8, 10),), 75, 1)
    assert marks.load_mark(db, "other") == marks.Mark(6, (), 1, 0)
    assert marks.load_mark(db, "new") == marks.Mark()


def test_only_what_every_sink_has_may_be_evicted() -> None:
    """The oldest gap of any sink holds the eviction back."""
    db = connect(":memory:")
    before = marks.forwarded_up_to(db)
    marks.advance(db, "influx", AT, marks.Mark(12, ((8, 10),)))
    marks.advance(db, "other", AT, marks.Mark(9))

    assert before == 0
    assert marks.forwarded_up_to(db) == 7


def test_refused_lines_are_kept_with_their_reason() -> None:
    """A line that no server will ever take is there for a person to see, cut at 4 KiB."""
    db = connect(":memory:")

    marks.advance(db, "influx", AT, marks.Mark(5, (), 0, 1), [marks.RefusedLine(5, "type conflict", b"x" * 5000)])

    (row,) = db.execute("SELECT seq, place, reason, detail, length(payload) FROM quarantine").fetchall()
    assert row == (5, "sink:influx", "refused", "type conflict", 4096)
