"""The chart of a Level-I order, after the words about it: for a channel whose peer shows pictures.

An extra, never in the way of a word: sent once, after the text was taken; what fails is logged and not tried again,
what waits when the gateway ends is not sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Protocol, runtime_checkable

import structlog

from daemon import telemetry
from daemon.charts.drawing import draw
from daemon.charts.raster import PngUnavailable, png
from daemon.clock import Clock
from daemon.model import Level, Reject, Retry
from daemon.outputs.illustrator import picture
from daemon.store import charts
from daemon.store.db import reader
from daemon.store.notices import Pending

log = structlog.get_logger(__name__)

_SENT = telemetry.counter("pictures_sent_total", "Charts that a channel's peer took.", "channel")
#: Orders whose chart waits to be sent; of a storm the first are enough.
_MOST_WAITING = 10
#: How often, once a second, it is looked for the readings of a chart that was just asked for.
_LOOKS = 60


@runtime_checkable
class PictureChannel(Protocol):
    """A channel that shows pictures as well."""

    #: Whether it is to be given any.
    pictures: bool

    async def send_picture(self, image: bytes) -> None:
        """Send a PNG of at most 2 MB.

        Raises:
            Retry: not now.
            Reject: never.
        """
        ...


def share(per_minute: int) -> int:
    """How many of a channel's messages a minute are kept for pictures."""
    return max(1, per_minute // 4)


class Pictures:
    """Follows one channel."""

    def __init__(self, name: str, channel: PictureChannel, store: Path, *, clock: Clock, per_minute: int) -> None:
        self._name = name
        self._channel = channel
        self._store = store
        self._clock = clock
        self._apart = 60.0 / share(per_minute)
        self._orders: asyncio.Queue[str] = asyncio.Queue(_MOST_WAITING)

    def told(self, batch: Sequence[Pending]) -> None:
        """These notices were taken as one message; the chart of one new Level-I order is to follow."""
        if len(batch) == 1 and batch[0].occasion == "created" and batch[0].level is Level.I:
            with contextlib.suppress(asyncio.QueueFull):
                self._orders.put_nowait(batch[0].order_key)

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            key = await self._orders.get()
            image = await self._image(key)
            if image is None:
                continue
            pause = timedelta(seconds=self._apart)
            try:
                await self._channel.send_picture(image)
                _SENT.labels(self._name).inc()
            except (Retry, Reject) as error:
                log.warning("picture_not_sent", channel=self._name, order=key, error=str(error))
                pause = max(pause, (error.after if isinstance(error, Retry) else None) or pause)
            await self._clock.sleep(pause.total_seconds())

    async def _image(self, key: str) -> bytes | None:
        for _ in range(_LOOKS):
            try:
                done, image = await asyncio.to_thread(self._draw, key)
            except (sqlite3.Error, ValueError, PngUnavailable) as error:
                log.warning("picture_not_drawn", channel=self._name, order=key, error=str(error))
                return None
            if done:
                return image
            await self._clock.sleep(1.0)
        return None

    def _draw(self, key: str) -> tuple[bool, bytes | None]:
        """Whether there is anything to wait for no longer, and the picture if there is one."""
        with reader(self._store) as db:
            chart = next(iter(charts.of_order(db, key)), None)
            if chart is None or not chart.series:
                return chart is None or chart.series is not None, None
            return True, png(draw(chart.plan, picture(db, chart)))
