"""Requests told in YAML, for any order; answers, whatever they are."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.clock import SiteClock
from daemon.model import Reject, Retry, from_ms
from daemon.outputs.ticketing.answers import AnswerConfig, look_up, plain, read_json, read_moment
from daemon.outputs.ticketing.declared import DeclaredSink
from daemon.outputs.ticketing.names import body as read_body
from daemon.outputs.ticketing.names import order as by_key
from daemon.outputs.ticketing.polling import Memory
from daemon.outputs.ticketing.prepared import prepare
from daemon.outputs.ticketing.shape import DeclaredConfig
from daemon.outputs.ticketing.template import Words
from daemon.store.outbox import Followed
from tests.ticket_peer import BODY, KEY, NOTE, SITE

PLACES = [
    "title.zh", "title", "steps", "steps.zh", "steps.0.en", "observed.value", "observed", "level", "households", "late",
    "respond_by", "priority.score", "building", "basis", "key", "marker", "nothing.at.all", "previous", "previous.3",
]  # fmt: skip
FILTERS = [
    "", "|cut:3", "|bytes:5", "|short:20", "|lines", "|numbered", "|join:, ", "|json", "|text", "|number", "|ms",
    "|seconds", "|time:%Y-%m-%d %H:%M:%S", "|or:-", "|omit", "|map:some", "|lines|cut:9", "|or:x|map:some",
]  # fmt: skip
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=12,
)
TEMPLATES = st.lists(
    st.builds("{{{}{}}}".format, st.sampled_from(PLACES), st.sampled_from(FILTERS))
    | WORDS.map(lambda text: text.replace("{", "{{").replace("}", "}}")),
    max_size=4,
).map("".join)
TREES = st.recursive(
    TEMPLATES | st.none() | st.booleans() | st.integers(-9, 9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def orders(draw: st.DrawFn) -> dict[str, Any]:
    """An order's document with members that are missing, null, or of another kind than they should be."""
    order: dict[str, Any] = orjson.loads(BODY)
    for name in draw(st.lists(st.sampled_from(sorted(order)), max_size=5)):
        if draw(st.booleans()):
            order.pop(name, None)
        else:
            order[name] = draw(JSON)
    return order


def told(**create: Any) -> DeclaredConfig:  # noqa: ANN401  YAML
    asked = {"method": "POST", "path": "/c", "ref": {"absent": "key"}, **create}
    maps = {"some": {"values": {"I": 1, "": "x"}, "default": 9}}
    some = {"url": "http://127.0.0.1:9", "capability": "neither", "on_ambiguous": "park", "maps": maps}
    return DeclaredConfig.model_validate({**some, "requests": {"create": asked}})


@given(orders(), st.dictionaries(st.text("abc", max_size=3), TREES, max_size=4), TEMPLATES, TEMPLATES)
def test_any_order_through_any_template_is_a_request(
    order: dict[str, Any], tree: dict[str, Any], path: str, word: str
) -> None:
    """Its body is JSON, its path leads nowhere else, its headers are one line each."""
    config = told(json=tree, path="/t/" + path.replace("?", ""), query={"q": word}, headers={"X-A": word})
    words = Words(by_key(KEY) | read_body(orjson.dumps(order)), {"some": ({"I": 1, "": "x"}, 9)}, ZoneInfo("UTC"))

    made = prepare(config.requests.create, config, words)

    assert isinstance(json.loads(made.body or b""), dict)
    assert str(made.url).startswith("http://127.0.0.1:9/t/")
    assert made.url.host == "127.0.0.1"
    assert all(value.isprintable() for value in made.headers.values())


@given(orders(), st.dictionaries(st.text("abc", max_size=3), TEMPLATES, max_size=4))
def test_any_order_through_any_form_is_a_request(order: dict[str, Any], form: dict[str, str]) -> None:
    """Names and values come apart again."""
    config = told(form=form)
    words = Words(by_key(KEY) | read_body(orjson.dumps(order)), {"some": ({"I": 1, "": "x"}, 9)}, ZoneInfo("UTC"))

    made = prepare(config.requests.create, config, words)

    assert (made.body or b"").isascii()
    assert (made.body or b"").count(b"&") <= max(0, len(form) - 1)


@given(
    st.binary(max_size=200) | JSON.map(orjson.dumps), st.text("ab.0@", max_size=8), st.sampled_from(["iso", "ms", "%Y"])
)
def test_any_body_is_read_or_is_none(raw: bytes, path: str, form: str) -> None:
    """What is no JSON, and what is not there, is nothing."""
    for charset in (None, "gbk", "no-such-thing"):
        found = look_up(read_json(raw, charset), path)

        plain(found)
        read_moment(found, form, ZoneInfo("Asia/Shanghai"))


@given(st.text(max_size=60) | JSON.map(lambda value: orjson.dumps(value).decode()))
def test_any_cursor_is_read(cursor: str) -> None:
    """One that was written by another adapter begins anew."""
    followed = [Followed("1", "k", from_ms(1_795_300_000_000))]

    again = Memory.read(Memory.read(cursor).cursor(followed)).cursor(followed)

    assert again == Memory.read(cursor).cursor(followed)


# --- a service that answers anything ------------------------------------------------------------------------

ANSWERS = st.one_of(
    st.binary(max_size=300),
    st.builds(
        lambda status, headers, body: (
            b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nConnection: close\r\n%s\r\n%s" % (status, len(body), headers, body)
        ),
        st.sampled_from([200, 201, 204, 302, 400, 401, 404, 409, 412, 429, 500, 503, 599]),
        st.sampled_from(
            [b"", b"Retry-After: 9e99\r\n", b"Content-Type: x;charset=gbk\r\n", b"Content-Encoding: gzip\r\n",
             b"Location: \xff\r\n", b"Content-Type: application/json; charset=\r\n"]
        ),
        st.binary(max_size=100)
        | JSON.map(orjson.dumps)
        | st.builds(
            lambda code, data: orjson.dumps({"code": code, "data": data, "msg": data}),
            st.sampled_from([0, "0", 1, None, True, 1.5, [], {}]),
            JSON | st.just([{"id": 1, "status": "2", "t": "x"}, 7, None, {"id": {}, "status": []}]),
        ),
    ),
)  # fmt: skip


@contextlib.asynccontextmanager
async def saying(answer: bytes) -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def everything(url: str) -> DeclaredConfig:
    entry = {"status": "status", "changed_at": "at", "by": "by", "note": "t"}
    listed = {"method": "GET", "path": "/l", "list": "data", "ref": "id"}
    return DeclaredConfig.model_validate(
        {
            "url": url,
            "timeout": "5s",
            "capability": "search",
            "answers": AnswerConfig(code="code", success=(0,), transient=(1,), otherwise="permanent", message="msg"),
            "statuses": {"values": {"2": "accepted"}, "default": "done"},
            "requests": {
                "create": {"method": "POST", "path": "/c", "json": {"k": "{key}"}, "ref": {"path": "data.id"}},
                "note": {"method": "POST", "path": "/n", "json": {"t": "{text.zh}"}},
                "search": {**listed, "match": "t", "contains": "{marker}"},
                "changes": {**listed, "query": {"s": "{since}"}, "entry": entry},
                "open": {**listed, "match": "t"},
            },
        }
    )


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(ANSWERS)
def test_any_answer_is_taken_kept_or_refused(answer: bytes) -> None:
    """Whatever a peer says, nothing but Retry and Reject comes of it: another error would end the daemon."""

    async def ask() -> None:
        async with saying(answer) as url, DeclaredSink(everything(url), SITE, SiteClock()) as sink:
            followed = [Followed("1", KEY, from_ms(1_795_300_000_000))]
            for asked in (
                sink.create(KEY, BODY),
                sink.find(KEY),
                sink.note("1", f"{KEY}#1", orjson.dumps(NOTE)),
                sink.changes("", followed),
                sink.open_tickets(),
            ):
                with contextlib.suppress(Retry, Reject):
                    await asked

    asyncio.run(ask())
