"""Illustrator: draws the charts that orders asked for, beside the writer, and hands them to the outbox as notes.

    chart asked for ─> journal rows up to it ─> readings, thinned out ─> SVG ─┬─> chart: its readings are kept
                                                                             └─> outbox: a note with the picture

The order itself never waits for it. After a crash what was not drawn is drawn: from the same rows, so the same picture.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import structlog

from daemon import telemetry
from daemon.charts.drawing import Stretch, draw, stretches
from daemon.charts.plan import Series, series_from_json, series_to_json
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

_DRAWN = telemetry.counter("charts_drawn_total", "Charts of orders that were drawn.", "occasion")
_FAILED = telemetry.counter("charts_failed_total", "Charts that could not be drawn: the order goes without.")
#: Charts looked up at once.
_BATCH = 20
#: Seconds until a file that could not be read is tried again.
_PAUSE = 5.0
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
        """Draw until cancelled. Raises only what ended the writer."""
        known = -1
        with reader(self._store) as db:
            while True:
                self._wake.clear()
                try:
                    newest = charts.newest(db)
                    asked = charts.undrawn(db, _BATCH) if newest != known else []
                except sqlite3.Error as error:
                    log.warning("charts_unreadable", error=str(error))
                    await self._clock.sleep(_PAUSE)
                    continue
                for chart in asked:
                    await self._draw(chart)
                if asked:
                    continue
                known = newest
                await self._wake.wait()

    async def _draw(self, chart: Asked) -> None:
        series, note = await asyncio.to_thread(illustrate, self._store, chart)
        reached("before_chart")
        at = from_ms(chart.plan.to_ms)
        new = await self._run_job(partial(charts.drawn, chart=chart, series=series, note=note, at=at))
        reached("after_chart")
        if new and note:
            _DRAWN.labels(chart.plan.occasion).inc()


def illustrate(store: Path, chart: Asked) -> tuple[bytes, Mapping[str, Any] | None]:
    """The readings of a chart and the note that shows them; nothing of it is written. For a thread of its own.

    A chart that cannot be drawn is reported, and is none: one odd order must not end the gateway again and again.
    """
    try:
        with reader(store) as db:
            series, before = readings(db, chart)
        return series_to_json(series), note_of(chart, series, before)
    except Exception as error:  # noqa: BLE001  see above
        log.error("chart_failed", order=chart.order_key, error=repr(error), advice="tell us")  # noqa: TRY400
        _FAILED.inc()
        return b"", None


def readings(db: sqlite3.Connection, chart: Asked) -> tuple[Series, Stretch | None]:
    """What the points of a chart said, and what the order's first chart shows if it is a later one."""
    plan = chart.plan
    before = None
    first = charts.of_order(db, chart.order_key)[:1]
    if first and first[0].id != chart.id and first[0].series:
        window = (first[0].plan.from_ms, first[0].plan.to_ms)
        before = Stretch(window, series_from_json(first[0].series))
    if chart.series:
        return series_from_json(chart.series), before
    span = Span(plan.from_ms, plan.to_ms, chart.seq)
    return past_readings.series(db, plan.panels, span, MOST), before


def note_of(chart: Asked, series: Series, before: Stretch | None) -> dict[str, Any]:
    """The body of `POST /v1/orders/{id}/notes` but for its level."""
    plan = chart.plan
    shown = stretches(plan, series, before)
    seen = {panel.point: [s for one in shown for s in one.series.get(panel.point, [])] for panel in plan.panels}
    alt = words(alternative(plan, seen, ZoneInfo(plan.zone)))
    return {
        "kind": "update",
        "at": stamp(from_ms(plan.to_ms)),
        "text": alt,
        "observed": [],
        "chart": {"occasion": plan.occasion, "media_type": MEDIA_TYPE, "data": draw(plan, shown), "alt": alt},
    }
