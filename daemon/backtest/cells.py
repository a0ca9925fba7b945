"""One cell of a history as a reading, judged as production judges a value: missing, odd, out of range, or good."""

from __future__ import annotations

from datetime import datetime

from daemon.backtest.mapping import NOTHING, Column
from daemon.model import BadPayload, Quality, Reading, Reason
from daemon.sensors.quality import of_value

_GOOD, _NONE = Quality.GOOD, Reason.NONE
_SHOWN = 40


def read_cell(text: str, column: Column, at: datetime, decimal: str = ".") -> Reading | None:
    """The reading, or None where nothing was measured.

    Raises:
        BadPayload: the text is no value of the point.
    """
    text = text.strip()
    if text in NOTHING:
        return None
    if column.is_label:
        label = column.labels.get(text)
        if label is None and column.labels:
            raise BadPayload(Reason.UNKNOWN_CODE, f"{text[:_SHOWN]!r} is none of its labels")
        return Reading(column.point, at, text if label is None else label, at, _GOOD, _NONE)
    try:
        number = float(text.replace(",", ".") if decimal == "," else text)
    except ValueError:
        raise BadPayload(Reason.WRONG_TYPE, f"{text[:_SHOWN]!r} is no number") from None
    return read_number(number, column, at)


def read_number(number: float, column: Column, at: datetime) -> Reading:
    """The reading of a number in the history's unit."""
    value = number * column.factor + column.offset
    quality, reason = of_value(value, raw=value, low=column.low, high=column.high)
    return Reading(column.point, at, value, at, quality, reason)
