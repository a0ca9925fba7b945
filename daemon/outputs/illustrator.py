"""Illustrator: draws the charts that orders asked for, beside the writer, and hands them to the outbox as notes.

    asked for ─> journal rows up to it ─> readings, thinned out: kept ─> the service has the order ─> SVG, in a note

The order itself never waits for it. After a crash what was not drawn is drawn: from the same rows, so the same picture.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import structlog

from daemon import telemetry
from daemon.charts.drawing import Stretch, draw, stretches
from daemon.charts.plan import series_from_json, series_to_json
from daemon.charts.telling import alternative
from daemon.charts.thinning import MOST
from daemon.clock import Clock
from daemon.commitpoints import reached
from daemon.model import from_ms
from daemon.store import charts, past_readings
from daemon.store.charts import Asked
from daemon.store.db import reader
from daemon.store.jobs import RunJob
from daemon.store.past_readings import Span
from daemon.workorders.evidence import stamp, words

log = structlog.get_logger(__name__)
T = TypeVar("T")

_DRAWN = telemetry.counter("charts_drawn_total", "Charts of orders that were drawn.", "occasion")
_FAILED = telemetry.counter("charts_failed_total", "Charts that could not be drawn: the order goes without.")
#: Charts worked on at once.
_BATCH = 20
#: Seconds until a file that could not be read is tried again, and between looks for orders that were delivered.
_PAUSE, _LOOK_EVERY = 5.0, 1.0
MEDIA_TYPE = "image/svg+xml"


class Illustrator:
    """Draws one chart after the other."""

    def __init__(self, store: Path, *, run_job: RunJob, clock: Clock) -> None:
        self._store = store
        self._run_job = run_job
        self._clock = clock
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """A chart may have been asked for. Cheap; called in the event loop after each commit."""
        self._wake.set()

    async def run(self) -> None:
        """Read, draw and send until cancelled. Raises only what ended the writer."""
        known = -1
        with reader(self._store) as db:
            while True:
                self._wake.clear()
                try:
                    newest = charts.newest(db)
                    unread = charts.unread(db, _BATCH) if newest != known else []
                    unsent = [] if unread else charts.unsent(db, _BATCH)
                    waiting = charts.waiting(db)
                except sqlite3.Error as error:
                    log.warning("charts_unreadable", error=str(error))
                    await self._clock.sleep(_PAUSE)
                    continue
                for chart in unread:
                    series = await asyncio.to_thread(look_up, self._store, chart)
                    await self._run_job(partial(charts.keep, chart=chart, series=series))
                for chart in unsent:
                    await self._send(chart)
                if unread or unsent:
                    continue
                known = newest
                if waiting:  # for its order to be taken: an outage may be long
                    await self._clock.sleep(_LOOK_EVERY)
                else:
                    await self._wake.wait()

    async def _send(self, chart: Asked) -> None:
        body = await asyncio.to_thread(illustrate, self._store, chart)
        reached("before_chart")
        at = from_ms(chart.plan.to_ms)
        if await self._run_job(partial(charts.note, chart=chart, body=body, at=at)) and body:
            _DRAWN.labels(chart.plan.occasion).inc()
        reached("after_chart")


def look_up(store: Path, chart: Asked) -> bytes:
    """The readings of a chart, from the journal; empty when it failed. For a thread of its own.

    A chart that cannot be read or drawn is reported, and is none: one odd order must not end the gateway for ever.
    """
    plan = chart.plan
    try:
        with reader(store) as db:
            span = Span(plan.from_ms, plan.to_ms, chart.seq)
            return series_to_json(past_readings.series(db, plan.panels, span, MOST))
    except Exception as error:  # noqa: BLE001  see above
        return _failed(chart, error, b"")


def illustrate(store: Path, chart: Asked) -> Mapping[str, Any] | None:
    """The note that shows a chart whose readings are kept; None when it failed. For a thread of its own."""
    try:
        with reader(store) as db:
            return note_of(chart, picture(db, chart))
    except Exception as error:  # noqa: BLE001  as in `look_up`
        return _failed(chart, error, None)


def _failed(chart: Asked, error: Exception, nothing: T) -> T:
    log.error("chart_failed", order=chart.order_key, error=repr(error), advice="tell us; the order goes without")
    _FAILED.inc()
    return nothing


def picture(db: sqlite3.Connection, chart: Asked) -> list[Stretch]:
    """What a chart shows whose readings are kept: of a later one, the order's first chart before it."""
    if not chart.series:
        raise ValueError("its readings were not kept")
    first = charts.of_order(db, chart.order_key)[:1]
    before = None
    if first and first[0].id != chart.id and first[0].series:
        window = (first[0].plan.from_ms, first[0].plan.to_ms)
        before = Stretch(window, series_from_json(first[0].series))
    return stretches(chart.plan, series_from_json(chart.series), before)


def note_of(chart: Asked, shown: Sequence[Stretch]) -> dict[str, Any]:
    """The body of `POST /v1/orders/{id}/notes` but for its level."""
    plan = chart.plan
    seen = {panel.point: [s for one in shown for s in one.series.get(panel.point, [])] for panel in plan.panels}
    alt = words(alternative(plan, seen, ZoneInfo(plan.zone)))
    return {
        "kind": "update",
        "at": stamp(from_ms(plan.to_ms)),
        "text": alt,
        "observed": [],
        "chart": {"occasion": plan.occasion, "media_type": MEDIA_TYPE, "data": draw(plan, shown), "alt": alt},
    }
