"""Histories from the time series that the gateway has written: InfluxDB 1.x, InfluxDB 2 and VictoriaMetrics.

    influxql+http://127.0.0.1:8086/DATABASE?from=2026-05-01&to=2026-06-01
    flux+http://127.0.0.1:8086/ORG/BUCKET?from=2026-05-01&to=2026-06-01
    victoria+http://127.0.0.1:8428/?from=2026-05-01&to=2026-06-01

Servers answer series by series. So the span is asked for in pieces (an hour, or `step=`), each put in order in memory.
"""

from __future__ import annotations

import base64
import csv
import http.client
import io
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

from daemon.backtest.fields import Fields, Stored
from daemon.backtest.instants import compile_clock, form_of
from daemon.documents import parse_span
from daemon.model import Catalogue, ConfigError, Observation, PointKind, from_ms, to_ms

_TIMEOUT = 120.0
_STEP = "1h"
_LONGEST_ERROR = 300
_LABELLED = (PointKind.STATE, PointKind.CODE)


class Sample(NamedTuple):
    """One field of one asset."""

    ms: int
    asset: str
    field: str
    value: Stored


class _Store(Protocol):
    """How one kind of server is asked; both ends in ms since 1970, the later one excluded."""

    def names(self, start: int, stop: int) -> Iterator[str]:
        """`<asset>.<field>` of everything that it has of the span."""
        ...

    def samples(self, start: int, stop: int) -> Iterator[Sample]:
        """What it has of the span, in any order."""
        ...


def is_store(place: str) -> bool:
    """Whether the place of a history is such a server."""
    return place.partition("+")[0] in _KINDS and "://" in place


class InfluxHistory:
    """One span of one server's time series; it may be iterated again and again."""

    def __init__(self, place: str, catalogue: Catalogue, token: str = "") -> None:
        """Ask the server what it has.

        Args:
            place: see above.
            catalogue: the site.
            token: for the server; `user:password` for InfluxDB 1.x.

        Raises:
            ConfigError: the place is written otherwise, or the server does not answer.
        """
        kind, _, rest = place.partition("+")
        address = urllib.parse.urlsplit(rest)
        query = dict(urllib.parse.parse_qsl(address.query))
        self._start, self._stop, self._step = _span(place, query, ZoneInfo(catalogue.site.timezone))
        base = f"{address.scheme}://{address.netloc}"
        parts = [urllib.parse.unquote(part) for part in address.path.split("/") if part]
        wire = _Wire(base, place)
        store = _store(kind, wire, parts, token, catalogue)
        if store is None:
            raise ConfigError([f"{place}: write it as influxql+http://HOST:8086/DB, flux+http://HOST:8086/ORG/BUCKET"])
        self._store = store
        #: Strings, and so verdicts, are not kept by VictoriaMetrics: its values are judged anew.
        self.is_raw = kind == "victoria"
        self._fields = Fields(catalogue, raw=self.is_raw)
        self.points, self.ignored = self._fields.points(store.names(self._start, self._stop))
        if not self.points:
            raise ConfigError([f"{place}: it has nothing of the site's points in that span"])

    def __iter__(self) -> Iterator[Observation]:
        """The observations, in order of time."""
        for start in range(self._start, self._stop, self._step):
            told: dict[tuple[int, str], dict[str, Stored]] = {}
            for ms, asset, name, value in self._store.samples(start, min(start + self._step, self._stop)):
                told.setdefault((ms, asset), {})[name] = value
            for ms, asset in sorted(told):
                yield from self._fields.observations(asset, told[ms, asset], from_ms(ms))


def _span(place: str, query: Mapping[str, str], zone: ZoneInfo) -> tuple[int, int, int]:
    try:
        start, stop = (to_ms(compile_clock(form_of(query[name]), zone)(query[name])) for name in ("from", "to"))
        step = parse_span(query.get("step", _STEP)) // timedelta(milliseconds=1)
    except (KeyError, ValueError) as error:
        raise ConfigError([f"{place}: {error}; give ?from=2026-05-01&to=2026-06-01, and step=1h if need be"]) from error
    if start >= stop or step <= 0:
        raise ConfigError([f"{place}: `to` must be later than `from`"])
    return start, stop, step


def _store(kind: str, wire: _Wire, parts: list[str], token: str, catalogue: Catalogue) -> _Store | None:
    match kind, parts:
        case "influxql", [database]:
            return _InfluxQL(wire, database, token)
        case "flux", [org, bucket]:
            return _Flux(wire, org, bucket, token)
        case "victoria", []:
            return _Victoria(wire, token, catalogue)
        case _:
            return None


class _Wire:
    """Requests to one server, answers line by line."""

    def __init__(self, base: str, place: str) -> None:
        self._base = base
        self._place = place
        self._open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open

    def lines(self, path: str, headers: Mapping[str, str], body: bytes | None = None) -> Iterator[str]:
        """The lines of an answer, as they come."""
        request = urllib.request.Request(self._base + path, body, dict(headers))  # noqa: S310  http, by its prefix
        with self._told(), self._open(request, timeout=_TIMEOUT) as answer:
            yield from io.TextIOWrapper(answer, encoding="utf-8", errors="replace", newline="")

    def wrong(self, what: str) -> ConfigError:
        """Something about an answer."""
        return ConfigError([f"{self._place}: {what[:_LONGEST_ERROR]}"])

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except urllib.error.HTTPError as error:
            said = error.read(_LONGEST_ERROR).decode("utf-8", "replace").strip()
            raise self.wrong(f"the server says {error.code}: {said}") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self.wrong(f"no answer: {error}") from error


class _InfluxQL:
    """InfluxDB 1.x; a chunk of the answer a line."""

    def __init__(self, wire: _Wire, database: str, token: str) -> None:
        self._wire = wire
        self._database = database
        self._headers = {"Authorization": "Basic " + base64.b64encode(token.encode()).decode()} if token else {}

    def names(self, start: int, stop: int) -> Iterator[str]:
        for asset, columns, _ in self._ask("SELECT last(*)", start, stop):
            yield from (f"{asset}.{name.removeprefix('last_')}" for name in columns if name.startswith("last_"))

    def samples(self, start: int, stop: int) -> Iterator[Sample]:
        for asset, columns, row in self._ask("SELECT *", start, stop):
            ms = int(str(row[0]))
            for name, value in zip(columns[1:], row[1:], strict=True):
                if value is not None:
                    yield Sample(ms, asset, name, value)

    def _ask(self, what: str, start: int, stop: int) -> Iterator[tuple[str, list[str], list[Stored]]]:
        text = f'{what} FROM /.*/ WHERE time >= {start}ms AND time < {stop}ms GROUP BY "asset"'
        query = {"db": self._database, "q": text, "epoch": "ms", "chunked": "true", "chunk_size": "5000"}
        for line in self._wire.lines("/query?" + urllib.parse.urlencode(query), self._headers):
            answer = json.loads(line) if line.strip() else {}
            for result in [answer, *answer.get("results", ())]:
                if "error" in result:
                    raise self._wire.wrong(str(result["error"]))
                for series in result.get("series", ()):
                    asset = series.get("tags", {}).get("asset", "")
                    for row in series["values"]:
                        yield asset, series["columns"], row


class _Flux:
    """InfluxDB 2; tables in CSV, each with a header of its own."""

    def __init__(self, wire: _Wire, org: str, bucket: str, token: str) -> None:
        self._wire = wire
        self._org = org
        self._bucket = bucket
        self._headers = {"Content-Type": "application/vnd.flux", "Accept": "application/csv"}
        if token:
            self._headers["Authorization"] = f"Token {token}"

    def names(self, start: int, stop: int) -> Iterator[str]:
        for row in self._ask("|> last() ", start, stop):
            yield f"{row.get('asset', '')}.{row['_field']}"

    def samples(self, start: int, stop: int) -> Iterator[Sample]:
        read = compile_clock("iso", ZoneInfo("UTC"))
        for row in self._ask("", start, stop):
            yield Sample(to_ms(read(row["_time"])), row.get("asset", ""), row["_field"], row["_value"])

    def _ask(self, more: str, start: int, stop: int) -> Iterator[dict[str, str]]:
        ends = ", ".join(f"{name}: {_iso(ms)}" for name, ms in (("start", start), ("stop", stop)))
        keep = '|> keep(columns: ["_time", "_value", "_field", "asset"])'
        text = f"from(bucket: {json.dumps(self._bucket)}) |> range({ends}) {more}{keep}"
        path = "/api/v2/query?" + urllib.parse.urlencode({"org": self._org})
        header: list[str] = []
        for cells in csv.reader(self._wire.lines(path, self._headers, text.encode())):
            if not cells or cells[0].startswith("#"):
                header = []
            elif not header:
                header = cells
                if "error" in header:
                    continue
            elif "error" in header:
                raise self._wire.wrong(cells[header.index("error")])
            else:
                yield dict(zip(header, cells, strict=False))


class _Victoria:
    """VictoriaMetrics; a series a line, its name `<kind>_<point>`. It keeps numbers only."""

    def __init__(self, wire: _Wire, token: str, catalogue: Catalogue) -> None:
        self._wire = wire
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._kinds = {asset.id: asset.kind for asset in catalogue.assets}
        self._labelled = {point.id for point in catalogue.points if point.kind in _LABELLED}

    def names(self, start: int, stop: int) -> Iterator[str]:
        for line in self._ask("/api/v1/series", start, stop):
            for metric in json.loads(line)["data"]:
                asset, field = self._name(metric)
                if f"{asset}.{field}" not in self._labelled:
                    yield f"{asset}.{field}"

    def samples(self, start: int, stop: int) -> Iterator[Sample]:
        for line in self._ask("/api/v1/export", start, stop):
            series = json.loads(line)
            asset, field = self._name(series["metric"])
            if f"{asset}.{field}" in self._labelled:
                continue
            for ms, value in zip(series["timestamps"], series["values"], strict=True):
                if start <= ms < stop:
                    yield Sample(ms, asset, field, value)

    def _name(self, metric: Mapping[str, str]) -> tuple[str, str]:
        asset = metric.get("asset", "")
        return asset, metric.get("__name__", "").removeprefix(self._kinds.get(asset, "") + "_")

    def _ask(self, path: str, start: int, stop: int) -> Iterator[str]:
        query = {"match[]": '{asset!=""}', "start": f"{start / 1000:.3f}", "end": f"{(stop - 1) / 1000:.3f}"}
        lines = self._wire.lines(f"{path}?{urllib.parse.urlencode(query)}", self._headers)
        return (line for line in lines if line.strip())


def _iso(ms: int) -> str:
    at: datetime = from_ms(ms)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


_KINDS = ("influxql", "flux", "victoria")
