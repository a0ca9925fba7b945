from __future__ import annotations

import math
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from daemon.model import (
    EPOCH,
    Command,
    Input,
    Observation,
    OrderStatus,
    Quality,
    Reading,
    Reason,
    Rejection,
    Reload,
    Taken,
    Tick,
    TicketUpdate,
    from_ms,
)
from daemon.store.db import connect
from daemon.store.journal import Journal, decode, encode, evict, fingerprint, observations, remembered

T0 = from_ms(1_795_300_000_000)
moments = st.integers(min_value=0, max_value=4_000_000_000_000).map(from_ms)
values = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=20))
words = st.text(st.characters(codec="utf-8"), max_size=20)


@st.composite
def observed(draw: st.DrawFn) -> Observation:
    at = draw(moments)
    names = draw(st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=8), max_size=6, unique=True))
    readings = [
        Reading(name, draw(st.sampled_from([at, EPOCH])), draw(values), at, draw(st.sampled_from(Quality)), Reason.NONE)
        for name in names
    ]
    return Observation(at, draw(words), tuple(readings), gone=draw(st.booleans()), retained=draw(st.booleans()))


others = st.one_of(
    st.builds(Tick, moments),
    st.builds(Command, moments, words, words, words, words, st.none() | moments),
    st.builds(
        TicketUpdate,
        moments,
        words,
        st.sampled_from(OrderStatus),
        words,
        words,
        changed_at=st.none() | moments,
        stamp=st.none() | words,
        team=words,
    ),
    st.builds(Reload, moments, words),
)


@given(observed() | others)
def test_an_input_reads_back_as_it_was_written(item: Input) -> None:
    """decode(encode(x)) is x; the readings of an observation may change places, not values."""
    kind, body = encode(item)
    back = decode((item.at - EPOCH) // timedelta(milliseconds=1), kind, body)

    if isinstance(item, Observation):
        assert isinstance(back, Observation)
        assert back._replace(readings=()) == item._replace(readings=())
        assert sorted(back.readings) == sorted(item.readings)
    else:
        assert back == item


def reading(value: float, at: datetime = T0) -> Observation:
    return Observation(at, "lift-1/x", (Reading("lift-1.speed", at, value, at),))


def test_what_is_no_number_stays_none() -> None:
    """A bad reading that was not a number is not a number after a restart either; JSON alone would lose it."""
    reading = Reading("a.x", T0, math.nan, T0, Quality.BAD, Reason.NOT_A_NUMBER)

    back = decode(1_795_300_000_000, *encode(Observation(T0, "d", (reading,))))

    assert isinstance(back, Observation)
    assert isinstance(back.readings[0].value, float)
    assert math.isnan(back.readings[0].value)


def test_rows_are_numbered_in_order_and_come_back_in_it() -> None:
    """Sequence numbers go up by one; a replay starts after any of them."""
    journal = Journal(connect(":memory:"))

    numbered = journal.append([reading(1.0), Tick(T0), reading(2.0)])

    assert [seq for seq, _ in numbered] == [1, 2, 3]
    assert list(journal.after(1)) == numbered[1:]


def test_numbers_known_to_be_used_are_not_used_again() -> None:
    """After a power cut that took rows, numbering goes on behind them."""
    journal = Journal(connect(":memory:"), not_before_seq=40)

    assert [seq for seq, _ in journal.append([Tick(T0)])] == [41]


def test_a_replayed_packet_is_remembered_by_session() -> None:
    """The newest hash of a packet id counts, and only of the newest session."""
    db = connect(":memory:")
    journal = Journal(db)
    journal.append([], [Taken("m", "old", ((7, 70),))])
    journal.append([], [Taken("m", "new", ((1, 10), (2, 20)))])
    journal.append([], [Taken("m", "new", ((1, 11),)), Taken("other", "x", ((9, 9),))])

    assert remembered(db, "m") == ("new", {1: 11, 2: 20})


def test_packets_further_back_than_all_ids_are_pruned() -> None:
    """Sixteen bits of packet id: what lies 65 536 deliveries back is void."""
    db = connect(":memory:")
    journal = Journal(db)
    for n in range(2048):
        journal.append([], [Taken("m", "s", tuple((n * 64 % 65536 + k, n) for k in range(64)))])
    kept = db.execute("SELECT sum(entries) FROM taken").fetchone()[0]

    assert 65536 <= kept <= 65536 + 64 * 512
    assert len(remembered(db, "m")[1]) == 65536


def test_an_input_that_killed_twice_is_set_aside_at_the_third_try() -> None:
    """It becomes a Tick of its moment, and stands in the quarantine with its reason."""
    db = connect(":memory:")
    for _ in range(2):
        Journal(db).died(reading(6.0), T0, "boom")
    journal = Journal(db)

    (_, first), (_, second) = journal.append([reading(6.0, T0), reading(7.0)])

    assert first == Tick(T0)
    assert second == reading(7.0)
    assert db.execute("SELECT reason FROM quarantine").fetchall() == [("poison",)]


def test_a_fingerprint_tells_what_was_said_not_when() -> None:
    """The same reading an hour later has the same fingerprint, another value another one."""
    assert fingerprint(reading(1.0)) == fingerprint(reading(1.0, T0 + timedelta(hours=1)))
    assert fingerprint(reading(1.0)) != fingerprint(reading(1.5))


def test_rejections_are_quarantined_with_their_payload_cut() -> None:
    """What was no reading is kept with place, reason and at most 4 KiB of what the wire said."""
    db = connect(":memory:")
    rejection = Rejection("mqtt:m:t", Reason.UNPARSABLE, "not JSON", b"x" * 9000)

    Journal(db).append([Observation(T0, "", (), (rejection,))])

    assert db.execute("SELECT place, reason, length(payload) FROM quarantine").fetchall() == [
        ("mqtt:m:t", "unparsable", 4096)
    ]


def test_eviction_never_takes_what_a_restart_needs() -> None:
    """Rows after the older of the two snapshots stay, whatever was forwarded."""
    db = connect(":memory:")
    journal = Journal(db)
    journal.append([reading(float(n)) for n in range(10)])
    journal.snapshot(T0, "h", {"version": 1})
    journal.append([reading(float(n)) for n in range(10)])

    assert evict(db, up_to_seq=15, limit=100) == 10
    assert [seq for seq, _ in observations(db, 1, 99, 100)] == list(range(11, 21))


def test_what_was_computed_comes_along_and_goes_with_its_row() -> None:
    """The backlog has the values of derived points beside the readings; a row that is evicted takes them along."""
    db = connect(":memory:")
    journal = Journal(db)
    derived = Reading("lift-1.heat", T0, 30.0, T0, Quality.SUSPECT, Reason.INPUT)
    for n in range(1, 4):
        ((seq, item),) = journal.append([reading(float(n))])
        assert isinstance(item, Observation)
        if n != 2:
            journal.add_computed(seq, item._replace(computed=(derived._replace(value=float(n)),)))
    journal.snapshot(T0, "h", {"version": 1})

    seen = [(seq, [r.value for r in item.computed]) for seq, item in observations(db, 1, 9, 9)]
    assert seen == [(1, [1.0]), (2, []), (3, [3.0])]
    assert observations(db, 1, 1, 9)[0][1].computed == (derived._replace(value=1.0),)
    assert evict(db, 1, 9) == 1
    assert db.execute("SELECT seq FROM computed").fetchall() == [(3,)]


def test_time_runs_one_way_in_the_journal() -> None:
    """An input that is a little older than the one before it enters at that one's time, and replays so."""
    journal = Journal(connect(":memory:"))
    early = reading(5.0, T0 - timedelta(milliseconds=7))

    numbered = journal.append([Tick(T0), early])

    (_, entered) = numbered[1]
    assert isinstance(entered, Observation)
    assert (entered.at, entered.readings[0].received_at, entered.readings[0].at) == (T0, T0, early.at)
    assert list(journal.after(0)) == numbered
    assert [item.at for _, item in journal.append([Tick(early.at)])] == [T0]
