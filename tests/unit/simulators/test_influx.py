import gzip
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from simulators import influx

Http = aiohttp.ClientSession
TOKEN = "a-token"  # noqa: S105  nobody's


async def write(http: Http, service: influx.Influx, body: str | bytes, **headers: str) -> tuple[int, Any]:
    url = f"{service.url}/api/v2/write?org=o&bucket=b&precision=ms"
    async with http.post(url, data=body, headers=headers, timeout=aiohttp.ClientTimeout(0.3)) as answer:
        return answer.status, await answer.json() if answer.status != 204 else None


async def tally(http: Http, service: influx.Influx) -> dict[str, int]:
    async with http.get(f"{service.url}/_tally") as answer:
        counts: dict[str, int] = await answer.json()
        return counts


async def export(http: Http, service: influx.Influx, query: str = "") -> list[Any]:
    async with http.get(f"{service.url}/_export{query}") as answer:
        return [json.loads(line) for line in (await answer.text()).splitlines()]


async def test_good_lines_are_kept(http: Http) -> None:
    """204, and the points come back by measurement and field with their tags and times."""
    async with influx.serving() as service:
        status, _ = await write(http, service, 'lift,asset=L1 speed=1.5,mode="normal" 7\npump,asset=P p=0.3 8\n')

        assert status == 204
        assert await export(http, service) == [
            {
                "measurement": "lift",
                "tags": {"asset": "L1"},
                "fields": {"speed": 1.5, "mode": "normal"},
                "ts": 7,
                "received": {},
            },
            {"measurement": "pump", "tags": {"asset": "P"}, "fields": {"p": 0.3}, "ts": 8, "received": {}},
        ]
        assert [point["fields"] for point in await export(http, service, "?measurement=lift&field=speed")] == [
            {"speed": 1.5}
        ]
        assert [point["ts"] for point in await export(http, service, "?field=p&precision=us")] == [8000]


async def test_a_bad_line_is_named_and_its_neighbours_are_kept(http: Http) -> None:
    """400 with the numbers of the refused lines, a partial write."""
    async with influx.serving() as service:
        status, answer = await write(http, service, "m f=1 1\nbroken\nm f=2 2\nm f=x 3\n")

        assert status == 400
        assert answer["code"] == "invalid"
        assert answer["line"] == 2
        assert [line["line"] for line in answer["lines"]] == [2, 4]
        assert "partial write: line 2" in answer["message"]
        counts = await tally(http, service)
        assert (counts["lines"], counts["refused"]) == (2, 2)


async def test_a_field_keeps_its_type_for_ever(http: Http) -> None:
    """A value of another type refuses its whole line; the type is per measurement."""
    async with influx.serving() as service:
        await write(http, service, "m f=1 1\nother f=1i 1")
        status, answer = await write(http, service, "m f=1i,g=1 2\nm f=2 3\nm g=t 4")

        assert status == 400
        assert "already exists as type float" in answer["message"]
        assert answer["refused"] == 1
        assert [point["ts"] for point in await export(http, service, "?measurement=m")] == [1, 3, 4]


async def test_a_replay_overwrites_and_is_counted(http: Http) -> None:
    """The same point twice is one point, received twice; another value in its place is told apart."""
    async with influx.serving() as service:
        await write(http, service, "m,a=1,b=2 f=1,g=1 1\nm,b=2,a=1 f=1,h=3 1")
        await write(http, service, "m,a=1,b=2 f=9 1")
        counts = await tally(http, service)

        assert await export(http, service) == [
            {
                "measurement": "m",
                "tags": {"a": "1", "b": "2"},
                "fields": {"f": 9, "g": 1, "h": 3},
                "ts": 1,
                "received": {"f": 3},
            }
        ]
        assert counts["points_distinct"] == 1
        assert (counts["field_values_distinct"], counts["field_values_received"]) == (3, 5)
        assert counts["field_values_changed"] == 1
        assert counts["fields"] == 3


async def test_quality_marks_are_counted_apart(http: Http) -> None:
    """`<point>_q` says how good a value is and is none itself."""
    async with influx.serving() as service:
        for _ in range(2):
            await write(http, service, 'm f=1,f_q="suspect" 1')
        counts = await tally(http, service)

    assert (counts["field_values_distinct"], counts["field_values_received"]) == (1, 2)
    assert (counts["quality_fields"], counts["quality_fields_received"]) == (1, 2)


async def test_a_line_without_a_time_gets_the_servers(http: Http) -> None:
    """Its point lies in the present."""
    async with influx.serving() as service:
        await write(http, service, "m f=1")
        (point,) = await export(http, service)

    assert point["ts"] > 1_700_000_000_000


async def test_packed_bodies_are_unpacked(http: Http) -> None:
    """Content-Encoding: gzip."""
    async with influx.serving() as service:
        body = gzip.compress(b"m f=1 1")
        assert (await write(http, service, body, **{"Content-Encoding": "gzip"}))[0] == 204
        assert len(await export(http, service)) == 1


async def test_who_has_no_token_is_refused(http: Http) -> None:
    """401, and nothing is kept."""
    async with influx.serving(token=TOKEN) as service:
        assert (await write(http, service, "m f=1 1"))[0] == 401
        assert (await write(http, service, "m f=1 1", Authorization=f"Token {TOKEN}"))[0] == 204
        assert (await tally(http, service))["lines"] == 1


async def test_a_request_needs_org_bucket_and_a_known_precision(http: Http) -> None:
    """400 says which is missing."""
    async with influx.serving() as service:
        for query, word in [("bucket=b", "org"), ("org=o", "bucket"), ("org=o&bucket=b&precision=h", "precision")]:
            async with http.post(f"{service.url}/api/v2/write?{query}", data="m f=1") as answer:
                assert answer.status == 400
                assert word in (await answer.json())["message"]


async def test_a_body_too_large_is_413(http: Http) -> None:
    """Measured unpacked."""
    async with influx.serving(max_body=1000) as service:
        packed = gzip.compress(b"m f=1 1\n" * 1000)
        assert (await write(http, service, packed, **{"Content-Encoding": "gzip"}))[0] == 413
        assert (await write(http, service, b"m f=1 1\n" * 200))[0] == 413
        assert (await write(http, service, b"m f=1 1\n" * 10))[0] == 204


async def test_the_store_can_be_bounded(http: Http) -> None:
    """The oldest points go, and that is counted."""
    async with influx.serving(keep=2) as service:
        await write(http, service, "m f=1 1\nm f=1 1\nm f=1 2\nm f=1 3")
        counts = await tally(http, service)

        assert [point["ts"] for point in await export(http, service)] == [2, 3]
        assert (counts["points_distinct"], counts["points_forgotten"]) == (3, 1)


async def test_a_log_is_read_again(http: Http, tmp_path: Path) -> None:
    """With a file, a later start has the same points and the same counts."""
    file = tmp_path / "influx.log"
    body = 'a\\ b,t=v\\, f="x\ny",g=1i 5\nbroken\nm f=1\na\\ b,t=v\\, g=1i 5'
    async with influx.serving(file=file) as before:
        await write(http, before, body)
        first = await export(http, before), {**await tally(http, before), "refused": 0}
    async with influx.serving(file=file) as after:
        second = await export(http, after), await tally(http, after)

    assert first == second


def failing(kind: str, **more: object) -> list[dict[str, object]]:
    return [{"match": "write", "kind": kind, **more}]


async def test_a_busy_server_says_when_to_come_back(http: Http) -> None:
    """429 with Retry-After, once; 503, 413 and 401 likewise."""
    script = [
        *failing("status", status=429, retry_after=7),
        *(failing("status", status=status)[0] for status in (503, 413, 401)),
    ]
    async with influx.serving(script=script) as service:
        url = f"{service.url}/api/v2/write?org=o&bucket=b"
        async with http.post(url, data="m f=1 1") as answer:
            assert answer.status == 429
            assert answer.headers["Retry-After"] == "7"
        assert [(await write(http, service, "m f=1 1"))[0] for _ in range(4)] == [503, 413, 401, 204]


@pytest.mark.parametrize(("kind", "kept"), [("timeout_before", 0), ("timeout_after", 1)])
async def test_a_timeout_hides_what_was_done(http: Http, kind: str, kept: int) -> None:
    """The client hears nothing; the lines are kept or not."""
    async with influx.serving(script=failing(kind)) as service:
        with pytest.raises(TimeoutError):
            await write(http, service, "m f=1 1")

        assert (await tally(http, service))["lines"] == kept


@pytest.mark.parametrize(("kind", "kept"), [("reset", 0), ("reset_after", 1)])
async def test_a_reset_hides_what_was_done(http: Http, kind: str, kept: int) -> None:
    """The connection ends with a TCP RST; the lines are kept or not."""
    async with influx.serving() as service:
        async with http.post(f"{service.url}/_script", json=failing(kind)) as answer:
            assert answer.status == 200
        with pytest.raises(aiohttp.ClientOSError) as reset:
            await write(http, service, "m f=1 1")

        assert reset.value.errno == 104
        assert (await tally(http, service))["lines"] == kept


async def test_a_wrong_script_is_refused_by_name(http: Http) -> None:
    """And the old one stays."""
    async with influx.serving() as service:
        async with http.post(f"{service.url}/_script", json=[{"kind": "explode"}]) as answer:
            assert answer.status == 422
        assert (await write(http, service, "m f=1 1"))[0] == 204


async def test_it_says_that_it_is_well(http: Http) -> None:
    """GET /health and GET /ping as InfluxDB answers them."""
    async with influx.serving() as service:
        async with http.get(f"{service.url}/health") as answer:
            assert (await answer.json())["status"] == "pass"
        async with http.get(f"{service.url}/ping") as answer:
            assert answer.status == 204
