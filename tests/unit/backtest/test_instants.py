"""Times in histories."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from daemon.backtest.instants import compile_clock, form_of

SHANGHAI = ZoneInfo("Asia/Shanghai")
AT = datetime(2026, 3, 9, 2, 14, 33, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "1773022473", "1773022473.0", "1773022473000", "1773022473000000", "1773022473000000000",
        "2026-03-09 10:14:33", "2026-03-09T10:14:33.000", "2026-03-09T02:14:33Z", "2026-03-09T04:14:33+02:00",
    ],
)  # fmt: skip
def test_forms_are_told_apart(text: str) -> None:
    """Numbers by their size, the rest is ISO; without a zone it is the given one."""
    assert compile_clock(form_of(text), SHANGHAI)(text) == AT


def test_a_pattern_reads_what_is_neither() -> None:
    """As strptime knows it."""
    assert compile_clock("%d.%m.%Y %H:%M:%S", SHANGHAI)("09.03.2026 10:14:33") == AT


def test_times_are_whole_milliseconds() -> None:
    """What is finer is cut off."""
    read = compile_clock("iso", SHANGHAI)("2026-03-09T10:14:33.123999")

    assert read == AT + timedelta(milliseconds=123)


def test_an_hour_that_is_there_twice_stays_in_order() -> None:
    """When clocks are set back, the second 02:30 lies an hour after the first."""
    clock = compile_clock("iso", ZoneInfo("Europe/Berlin"))
    read = [clock(f"2026-10-25 0{h}:{m:02}:00") for h, m in ((1, 30), (2, 0), (2, 30), (2, 0), (2, 30), (3, 0))]

    assert [at - read[0] for at in read] == [timedelta(minutes=m) for m in (0, 30, 60, 90, 120, 150)]


@pytest.mark.parametrize(("form", "text"), [("unix_s", "soon"), ("iso", ""), ("unix_ms", "1e300"), ("iso", "13:00")])
def test_what_is_no_time_is_refused(form: str, text: str) -> None:
    """With the one error that readers look for."""
    with pytest.raises(ValueError, match=r"."):
        compile_clock(form, SHANGHAI)(text)
