"""Histories in line protocol, as our own outputs write it (docs/influx.md).

    lift,asset=L1,building=B3,site=hongyuan floor=7.0,door="closed",temp_q="bad:out_of_range",temp=412.0 1795300000123

Quality was judged when a reading came in and travels in `<point>_q`; nothing is judged again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from daemon.backtest.fields import Fields, Stored
from daemon.backtest.instants import compile_clock, form_of
from daemon.model import (
    EPOCH,
    Catalogue,
    ConfigError,
    Observation,
    Reason,
    Rejection,
)

_HEAD = re.compile(r"((?:[^ \\]|\\.)+) ")
_TAG = re.compile(r",((?:[^,=\\]|\\.)+)=((?:[^,=\\]|\\.)+)")
_FIELD = re.compile(r'((?:[^,=\\]|\\.)+)=("(?:[^"\\]|\\.)*"|[^,"]+)(?:,|$)')
_ESCAPED = re.compile(r"\\([,= ])")
_IN_QUOTES = re.compile(r'\\(["\\])')
_MOST_HEADS = 100_000


class _Line(NamedTuple):
    asset: str
    values: dict[str, Stored]
    at: str


class LineHistory:
    """One file; it may be iterated again and again."""

    #: Production has judged its values.
    is_raw = False

    def __init__(self, path: Path, catalogue: Catalogue, *, any_order: bool = False) -> None:
        """Read it once, for the points that are in it.

        Raises:
            ConfigError: it cannot be read, or has none of the site's points.
        """
        self.path = path
        self._any_order = any_order
        self._fields = Fields(catalogue)
        self._assets: dict[str, str] = {}
        lines = (line for line in self._lines() if line is not None)
        self.points, self.ignored = self._fields.points(
            f"{line.asset}.{name}" for line in lines for name in line.values
        )
        if not self.points:
            raise ConfigError([f"{path}: no line in it tells of a point of the site"])

    def __iter__(self) -> Iterator[Observation]:
        """The observations, in order of time.

        Raises:
            ConfigError: the time goes back.
        """
        clock = None
        last = EPOCH
        for n, line in enumerate(self._lines(), 1):
            if line is None:
                yield Observation(last, "", (), (Rejection(f"{self.path}:{n}", Reason.UNPARSABLE, "no line"),))
                continue
            if clock is None:
                clock = compile_clock(form_of(line.at), ZoneInfo("UTC"))
            at = clock(line.at)
            if at < last and not self._any_order:
                what = f"the time goes back from {last.isoformat()} to {at.isoformat()}"
                raise ConfigError([f"{self.path}:{n}: {what}; sort the file by time, or give --sort"])
            last = at
            yield from self._fields.observations(line.asset, line.values, at)

    def _lines(self) -> Iterator[_Line | None]:
        """Each line that is one; None for what is none. Blank lines and comments are told as neither."""
        try:
            with self.path.open(encoding="utf-8", errors="replace") as file:
                for text in file:
                    line = text.strip()
                    if line and not line.startswith("#"):
                        yield self._line(line)
        except OSError as error:
            raise ConfigError([f"{self.path}: cannot be read: {error.strerror}; check path and rights"]) from error

    def _line(self, line: str) -> _Line | None:
        head = _HEAD.match(line)
        rest, _, at = line.rpartition(" ")
        if head is None or not at.isdigit() or head.end() > len(rest):
            return None
        asset = self._assets.get(head[1])
        if asset is None:
            if len(self._assets) >= _MOST_HEADS:
                self._assets.clear()
            tags = dict(_TAG.findall(head[1]))
            asset = self._assets[head[1]] = _ESCAPED.sub(r"\1", tags.get("asset", ""))
        fields = _FIELD.findall(rest[head.end() :])
        return _Line(asset, {_ESCAPED.sub(r"\1", name): _stored(text) for name, text in fields}, at)


def _stored(text: str) -> Stored:
    """A quoted text, or a number with or without the sign of its type, or what is neither as it stands."""
    if text.startswith('"'):
        return _IN_QUOTES.sub(r"\1", text[1:-1])
    try:
        return float(text.rstrip("iu"))
    except ValueError:
        return text
