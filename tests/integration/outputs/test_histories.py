"""Histories out of real stores of time series: what our output has written comes back as it was heard."""

from __future__ import annotations

import asyncio
import urllib.request
from pathlib import Path

import pytest

from daemon.backtest.influx_history import InfluxHistory
from daemon.backtest.line_history import LineHistory
from daemon.model import ConfigError, Observation, Quality, Reading, Reason
from daemon.outputs.line import LineProtocol
from tests.integration.outputs.conftest import BUCKET, Influx16, Victoria
from tests.spine import CATALOGUE, said

pytestmark = pytest.mark.integration

#: T0 of the spine lies within; T0 + 4 000 s in the next piece of an hour.
SPAN = "?from=2026-11-21T20:00:00Z&to=2026-11-22T02:00:00Z&step=1h"


def history() -> list[Observation]:
    """Two devices at the same moments, labels, a bad reading, one an hour later."""
    bad = said(20, "lift-1", room_temp=99.0)
    flagged = bad._replace(
        readings=(bad.readings[0]._replace(quality=Quality.BAD, reason=Reason.OUT_OF_RANGE),),
    )
    return [
        said(0, "lift-1", room_temp=21.5, mode="normal"),
        said(0, "zone-1", pressure=0.2),
        said(10, "lift-1", mode='a "label", that is odd'),
        flagged,
        said(4000, "zone-1", pressure=0.3),
    ]


def write(url: str, items: list[Observation]) -> bytes:
    protocol = LineProtocol(CATALOGUE)
    body = b"\n".join(line.text for item in items for line in protocol.encode(item))
    with urllib.request.urlopen(urllib.request.Request(url, body), timeout=30):  # noqa: S310  a server of ours
        return body


def by_point(items: list[Observation]) -> list[Observation]:
    """A store has no order of fields."""
    return [item._replace(readings=tuple(sorted(item.readings, key=lambda r: r.point))) for item in items]


async def test_influxdb_1_gives_back_what_was_written(influx: Influx16, tmp_path: Path) -> None:
    """Over several pieces, with labels and verdicts: exactly what the file of the same lines gives."""
    lines = write(f"{influx.address}/write?db={BUCKET}&precision=ms", history())
    place = f"influxql+{influx.address}/{BUCKET}{SPAN}"

    found = await asyncio.to_thread(InfluxHistory, place, CATALOGUE)

    assert found.points == {"lift-1.room_temp", "lift-1.mode", "zone-1.pressure"}
    assert by_point(list(found)) == by_point(history())
    (tmp_path / "h.lp").write_bytes(lines)
    assert by_point(list(LineHistory(tmp_path / "h.lp", CATALOGUE))) == by_point(list(found))
    with pytest.raises(ConfigError, match=r"the server says 404|database not found"):
        InfluxHistory(f"influxql+{influx.address}/other{SPAN}", CATALOGUE)


async def test_victoriametrics_gives_back_numbers(victoria: Victoria) -> None:
    """Labels and verdicts are not kept there: numbers come back, their range is judged anew."""
    write(f"{victoria.address}/write?precision=ms", history())
    await victoria.export('{asset!=""}')

    found = await asyncio.to_thread(InfluxHistory, f"victoria+{victoria.address}/{SPAN}", CATALOGUE)

    assert found.is_raw
    assert found.points == {"lift-1.room_temp", "zone-1.pressure"}
    readings: list[Reading] = [reading for item in found for reading in item.readings]
    assert [(r.point, r.value, r.at) for r in readings] == [
        (r.point, r.value, r.at) for item in history() for r in item.readings if not isinstance(r.value, str)
    ]
