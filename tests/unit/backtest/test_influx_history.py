"""InfluxDB 2's answers as histories, and what can be wrong with a server; real ones are in tests/integration."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import pytest
from typing_extensions import override

from daemon.backtest.histories import open_history
from daemon.backtest.influx_history import InfluxHistory, is_store
from daemon.model import ConfigError, Quality, Reason
from tests.spine import CATALOGUE, at, said

SPAN = "?from=2026-11-21T22:00:00Z&to=2026-11-21T23:00:00Z"
#: As InfluxDB 2.7 answers: a table for each series, CRLF, types never mixed.
NAMES = (
    ",result,table,_time,_value,_field,asset\r\n,_result,0,2026-11-21T22:26:40Z,21.5,room_temp,lift-1\r\n"
    ",_result,1,2026-11-21T22:26:40Z,0.2,pressure,zone-1\r\n\r\n"
    ",result,table,_time,_value,_field,asset\r\n,_result,2,2026-11-21T22:26:40Z,normal,mode,lift-1\r\n\r\n"
)
ROWS = (
    ",result,table,_time,_value,_field,asset\r\n,_result,0,2026-11-21T22:26:40Z,21.5,room_temp,lift-1\r\n"
    ",_result,0,2026-11-21T22:26:50Z,99,room_temp,lift-1\r\n"
    ",_result,1,2026-11-21T22:26:40Z,0.2,pressure,zone-1\r\n\r\n"
    ",result,table,_time,_value,_field,asset\r\n,_result,2,2026-11-21T22:26:40Z,normal,mode,lift-1\r\n"
    ",_result,3,2026-11-21T22:26:50Z,bad:out_of_range,room_temp_q,lift-1\r\n\r\n"
)
REFUSED = "error,reference\r\nbucket not found,897\r\n"


class Stand(BaseHTTPRequestHandler):
    """Answers queries; keeps what was asked."""

    asked: ClassVar[list[tuple[str, str, str]]] = []
    status: ClassVar[int] = 200
    rows: ClassVar[str] = ROWS

    def do_POST(self) -> None:
        query = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.asked.append((self.path, self.headers["Authorization"], query))
        body = (NAMES if "last()" in query else self.rows).encode()
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(Stand, "asked", [])
    with HTTPServer(("127.0.0.1", 0), Stand) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_address[1]}"
        http.shutdown()
        thread.join()


def test_influxdb_2_gives_back_what_was_written(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables of one moment and asset become one message; the token comes from the environment."""
    monkeypatch.setenv("PRECOMPLAINT_INFLUX_TOKEN", "secret")
    history = open_history(f"flux+{server}/home/pre%20complaint{SPAN}", CATALOGUE, None)

    first, second, third = history
    assert first == said(0, "lift-1", room_temp=21.5, mode="normal")
    assert second == said(0, "zone-1", pressure=0.2)
    bad = said(10, "lift-1", room_temp=99.0)
    assert third == bad._replace(readings=(bad.readings[0]._replace(quality=Quality.BAD, reason=Reason.OUT_OF_RANGE),))
    assert (third.at, history.is_raw) == (at(10), False)
    path, token, query = Stand.asked[-1]
    assert (path, token) == ("/api/v2/query?org=home", "Token secret")
    assert query.startswith(
        'from(bucket: "pre complaint") |> range(start: 2026-11-21T22:00:00.000Z, stop: 2026-11-21T23'
    )


def test_pieces_are_asked_for_one_after_the_other(server: str) -> None:
    """Four of a quarter of an hour: what is held at once does not grow with the span."""
    history = InfluxHistory(f"flux+{server}/home/b{SPAN}&step=15m", CATALOGUE)
    list(history)

    assert len(Stand.asked) == 1 + 4


def test_what_the_server_says_is_told(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its status and words, or what Flux puts into an answer that began well; never the token."""
    monkeypatch.setattr(Stand, "rows", REFUSED)
    history = InfluxHistory(f"flux+{server}/home/b{SPAN}", CATALOGUE, "secret")
    with pytest.raises(ConfigError, match="bucket not found"):
        list(history)
    monkeypatch.setattr(Stand, "status", 401)
    with pytest.raises(ConfigError, match="the server says 401") as told:
        InfluxHistory(f"flux+{server}/home/b{SPAN}", CATALOGUE, "secret")
    assert "secret" not in str(told.value)


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("flux+http://127.0.0.1:1/home/b?from=2026-05-01&to=2026-06-01", "no answer"),
        ("flux+http://127.0.0.1:1/home/b?to=2026-06-01", "'from'"),
        ("flux+http://127.0.0.1:1/home/b?from=2026-05-01&to=2026-05-01", "`to` must be later"),
        ("flux+http://127.0.0.1:1/home/b?from=2026-05-01&to=2026-06-01&step=1", "is no span"),
        ("flux+http://127.0.0.1:1/b?from=2026-05-01&to=2026-06-01", "write it as"),
    ],
)
def test_a_place_that_is_wrong_is_a_fault(place: str, told: str) -> None:
    """It is told what is missing."""
    assert is_store(place)
    with pytest.raises(ConfigError, match=told):
        InfluxHistory(place, CATALOGUE)
