"""Histories of all kinds by where they are, put together in order of time."""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from daemon.backtest.csv_history import CsvHistory
from daemon.backtest.influx_history import InfluxHistory, is_store
from daemon.backtest.journal_history import JournalHistory
from daemon.backtest.judged import judged
from daemon.backtest.line_history import LineHistory
from daemon.backtest.mapping import HistoryMap
from daemon.backtest.parquet_history import ParquetHistory
from daemon.backtest.sorting import Sorted
from daemon.model import Catalogue, ConfigError, Input, Text
from daemon.sensors.judge import Judge

_LINES = {".lp", ".line", ".influx"}
_PARQUET = {".parquet", ".pq"}
#: In the environment: what a server of time series wants to see.
TOKEN = "PRECOMPLAINT_INFLUX_TOKEN"  # noqa: S105  its name
_SQLITE = b"SQLite format 3\0"


class History(Protocol):
    """Inputs in order of time; iterated again, it gives them again."""

    @property
    def points(self) -> frozenset[str] | None:
        """The points it can tell of; None: the whole site's."""
        ...

    @property
    def ignored(self) -> Sequence[str]:
        """What stands in it and is no point of the site."""
        ...

    @property
    def is_raw(self) -> bool:
        """Whether its values are still to be judged."""
        ...

    def __iter__(self) -> Iterator[Input]: ...


def is_journal(place: str) -> bool:
    """Whether it is a state file of the gateway, or a directory that holds one."""
    path = Path(place)
    if path.is_dir():
        return (path / "state.db").exists()
    try:
        with path.open("rb") as file:
            return file.read(len(_SQLITE)) == _SQLITE
    except OSError:
        return False


def open_history(place: str, catalogue: Catalogue, mapping: HistoryMap | None, *, in_order: bool = True) -> History:
    """The history at a path, by the ending of its name.

    Args:
        place: where it is.
        catalogue: the site that it is of.
        mapping: what the columns of a table are.
        in_order: it is told in order of time; otherwise it is put in order first.

    Raises:
        ConfigError: nothing of the kind is there.
    """
    if is_store(place):
        return InfluxHistory(place, catalogue, os.environ.get(TOKEN, ""))
    if is_journal(place):
        return JournalHistory(Path(place))
    path = Path(place)
    if not path.is_file():
        known = ".csv, .parquet, .lp (line protocol), a state file of the gateway, influxql+http://…"
        raise ConfigError([f"{place}: no such file; name one of {known}"])
    found: History
    if path.suffix in _LINES:
        found = LineHistory(path, catalogue, any_order=not in_order)
    else:
        table = ParquetHistory if path.suffix in _PARQUET else CsvHistory
        found = table(path, catalogue, mapping, any_order=not in_order)
    return found if in_order else Sorted(found)


def notes_on(histories: Iterable[History]) -> list[Text]:
    """What is to be known of them."""
    return [
        Text(
            f"{history.path}: 日志开头已被清理，最早的窗口和计时从未知开始，报警可能与当时不同",
            f"{history.path}: the beginning of the journal is gone; windows and timers begin unknown, so alarms may "
            "differ from those of the day",
        )
        for history in histories
        if isinstance(history, JournalHistory) and not history.whole
    ]


def points_of(histories: Iterable[History]) -> frozenset[str] | None:
    """What all of them together can tell of; None: the whole site's."""
    found: frozenset[str] = frozenset()
    for history in histories:
        points = history.points
        if points is None:
            return None
        found |= points
    return found


def together(histories: Sequence[History], judges: Mapping[str, Judge]) -> Iterator[Input]:
    """All inputs in order of time, raw values judged: after they are put together, where all of them are raw."""
    if len(histories) == 1 or all(history.is_raw for history in histories):
        merged = heapq.merge(*histories, key=lambda item: item.at) if len(histories) > 1 else iter(histories[0])
        return judged(merged, judges) if judges and histories[0].is_raw else merged
    apart = [judged(history, judges) if history.is_raw else history for history in histories]
    return heapq.merge(*apart, key=lambda item: item.at)
