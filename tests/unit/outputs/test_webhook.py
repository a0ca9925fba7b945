"""The webhook, over real sockets: what is believed, what is not, and when it answers."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import socket
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import aiohttp
import orjson
import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from daemon.clock import SiteClock
from daemon.model import Input, OrderStatus, OutboxAction, Site, Taken, Text, TicketUpdate, from_ms
from daemon.outputs.sink import ToldSink
from daemon.outputs.ticketing.contract import TicketingConfig, TicketingSink
from daemon.outputs.ticketing.declared import DeclaredSink
from daemon.outputs.ticketing.shape import DeclaredConfig
from daemon.outputs.ticketing.webhook import Webhook, WebhookConfig
from daemon.store import outbox
from daemon.store.outbox import Followed
from daemon.supervisor import Backoff
from simulators import ticketing
from simulators.hook import Hook, signed
from simulators.sockets import free_port
from tests.unit.outputs.conftest import StateFile
from tests.unit.outputs.test_dispatcher import order, until

SECRET = "0123456789abcdef0123"  # noqa: S105  nobody's
CHANGE = {"key": "a", "status": "accepted", "by": "张师傅", "changed_at": "2026-11-21T08:05:00+08:00"}


@dataclass
class Bench:
    """A webhook in front of a state file that knows the order `a`."""

    state: StateFile
    config: WebhookConfig
    emitted: list[Input] = field(default_factory=list)
    #: While set, nothing is committed.
    held: asyncio.Event | None = None

    @property
    def url(self) -> str:
        return f"http://{self.config.listen}{self.config.path}"

    async def emit(self, inputs: Sequence[Input], *, urgent: bool = False, taken: Taken | None = None) -> None:
        """`Emit`, without a pipeline behind."""
        assert not urgent
        assert taken is None
        if self.held is not None:
            await self.held.wait()
        self.emitted += inputs

    async def post(self, body: bytes, **headers: str) -> int:
        async with aiohttp.ClientSession() as http, http.post(self.url, data=body, headers=headers) as answer:
            return answer.status


@contextlib.asynccontextmanager
async def listening(state: StateFile, sink: ToldSink | None = None, **changed: Any) -> AsyncIterator[Bench]:  # noqa: ANN401  of the configuration
    config = WebhookConfig.model_validate({"listen": f"127.0.0.1:{free_port()}", "secret": SECRET, **changed})
    bench = Bench(state, config)
    sink = sink or TicketingSink(TicketingConfig(url="http://127.0.0.1:1"), "hy")
    backoff = Backoff(0.01, 0.01)
    webhook = Webhook(config, sink, state.path, emit=bench.emit, clock=SiteClock(), backoff=backoff)
    task = asyncio.create_task(webhook.run())
    try:
        async with asyncio.timeout(10):
            await webhook.listening.wait()
        yield bench
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def bench(state: StateFile) -> AsyncIterator[Bench]:
    know(state, "a")
    async with listening(state) as bench:
        yield bench


def know(state: StateFile, key: str) -> None:
    state.db.execute(
        "INSERT INTO alarm (rule, asset, state, level, data, disposition, active_at, decided_at, ordinary)"
        " VALUES ('chain', 'L1', 'active', 1, 'good', 'own_order', 0, 0, 1)"
    )
    state.db.execute(
        "INSERT INTO work_order (key, alarm_no, asset, rule, level, status, created_at, respond_by, changed_at, body,"
        " course) VALUES (?, 1, 'L1', 'chain', 1, 'sent', 0, 0, 0, x'', x'')",
        (key,),
    )


def told(*changes: object) -> bytes:
    return orjson.dumps({"changes": list(changes)})


async def test_a_signed_change_is_an_input(bench: Bench) -> None:
    """As polling would have made it."""
    body = told(CHANGE, {**CHANGE, "status": "accepted", "stamp": "calmed", "note": "已安抚", "team": "电梯班"})

    assert await bench.post(body, **signed(SECRET, body)) == 200
    first, second = bench.emitted
    assert isinstance(first, TicketUpdate)
    assert isinstance(second, TicketUpdate)
    assert (first.key, first.status, first.by, first.stamp) == ("a", OrderStatus.ACCEPTED, "张师傅", None)
    assert (second.stamp, second.note, second.team) == ("calmed", "电梯班 · 已安抚", "电梯班")


async def test_whoever_holds_connections_open_shuts_nobody_out(bench: Bench) -> None:
    """A hundred that say nothing: the oldest are closed, so that neither files nor memory run out."""
    idle = [await asyncio.open_connection(bench.config.host, bench.config.port) for _ in range(100)]
    body = told(CHANGE)
    status = await bench.post(body, **signed(SECRET, body))
    async with asyncio.timeout(5):
        closed = [await reader.read() for reader, _ in idle[:60]]
    for _, writer in idle:
        writer.close()

    assert status == 200
    assert closed == [b""] * 60
    assert not idle[-1][0].at_eof()


async def test_it_answers_when_the_input_is_committed(bench: Bench) -> None:
    """A service that hears nothing tells it again; one that heard success may forget it."""
    bench.held = asyncio.Event()
    body = told(CHANGE)
    asking = asyncio.create_task(bench.post(body, **signed(SECRET, body)))
    done, _ = await asyncio.wait({asking}, timeout=0.2)

    assert not done
    bench.held.set()
    assert await asking == 200
    assert len(bench.emitted) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {},
        signed("another secret, as long", told(CHANGE)),
        signed(SECRET, told(CHANGE, CHANGE)),
        signed(SECRET, told(CHANGE), at=time.time() - 3600),
        signed(SECRET, told(CHANGE), at=time.time() + 3600),
        signed(SECRET, told(CHANGE)) | {"X-Timestamp": str(int(time.time()) + 1)},
        signed(SECRET, told(CHANGE)) | {"X-Timestamp": "9" * 16},
        signed(SECRET, told(CHANGE)) | {"X-Timestamp": "soon"},
        signed(SECRET, told(CHANGE)) | {"X-Signature": "sha256="},
        signed(SECRET, told(CHANGE)) | {"X-Signature": "签名"},
    ],
    ids=["unsigned", "stranger", "other body", "old", "early", "moved", "beyond", "no time", "empty", "not ASCII"],
)
async def test_what_is_not_rightly_signed_is_refused(bench: Bench, headers: dict[str, str]) -> None:
    """401, and no input."""
    with structlog.testing.capture_logs() as logs:
        assert await bench.post(told(CHANGE), **headers) == 401

    assert bench.emitted == []
    assert [entry["event"] for entry in logs] == ["webhook_refused"]
    assert SECRET not in str(logs)


async def test_a_ticket_of_somebody_else_is_none_of_ours(bench: Bench) -> None:
    """202: the service need not tell it again."""
    body = told({**CHANGE, "key": "b"})

    assert await bench.post(body, **signed(SECRET, body)) == 202
    assert bench.emitted == []


async def test_a_body_has_a_bound(bench: Bench) -> None:
    """413, before anything is looked at."""
    assert await bench.post(b"x" * 300_000) == 413


async def test_a_service_that_signs_the_body_alone(state: StateFile) -> None:
    """Without a time nothing tells a repetition, which changes nothing."""
    know(state, "a")
    async with listening(state, timestamp_header=None, signature_header="X-Hub-Signature-256") as bench:
        body = told(CHANGE)
        right = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        status = await bench.post(body, **{"X-Hub-Signature-256": f"sha256={right}"})

    assert status == 200


WORDS = st.sampled_from(["changes", "key", "status", "changed_at", "stamp", "by", "accepted", "2026-11-21T08:05:00Z"])
JSON = st.recursive(
    st.none() | st.text(max_size=20) | st.integers() | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=5),
)
BODIES = st.one_of(st.binary(max_size=400), JSON.map(lambda value: json.dumps(value).encode()))


ERP = DeclaredConfig.model_validate(
    {
        "url": "http://127.0.0.1:1", "capability": "neither", "on_ambiguous": "park", "zone": "Asia/Shanghai",
        "requests": {"create": {"method": "POST", "path": "/x", "ref": {"path": "id"}}},
        "statuses": {"values": {"2": "accepted", "3": "done"}, "default": "ignore"},
        "told": {
            "list": "changes", "ref": "key",
            "entry": {
                "status": "status", "changed_at": "changed_at", "time": "%Y-%m-%d %H:%M:%S",
                "by": "by", "note": "stamp",
            },
        },
    }
)  # fmt: skip


async def test_a_service_told_in_yaml_tells_in_its_own_words(state: StateFile) -> None:
    """Its codes and its clock, by the ticket's reference; a state that means nothing here is 202."""
    know(state, "a")
    outbox.add(state.db, "a", OutboxAction.CREATE, {"key": "a"}, from_ms(0))
    outbox.delivered(state.db, 1, "WX1", from_ms(0))
    entry = {"key": "WX1", "status": 2, "changed_at": "2026-11-21 08:05:00", "by": "张师傅", "stamp": "路上"}
    sink = DeclaredSink(ERP, Site("hy", Text("小区", "site")), SiteClock())
    async with listening(state, sink) as bench:
        taken, ignored, other = (told(entry | more) for more in ({}, {"status": 9}, {"key": "WX2"}))
        answers = [await bench.post(body, **signed(SECRET, body)) for body in (taken, ignored, other)]

    assert answers == [200, 202, 202]
    (update,) = bench.emitted
    assert isinstance(update, TicketUpdate)
    assert (update.key, update.status, update.by, update.note) == ("a", OrderStatus.ACCEPTED, "张师傅", "路上")
    assert update.changed_at == datetime.fromisoformat("2026-11-21T00:05:00Z")


@given(body=BODIES, right=st.booleans())
@settings(max_examples=120, deadline=None)
def test_no_body_breaks_the_reading_of_a_service_told_in_yaml(body: bytes, right: bool) -> None:  # noqa: FBT001
    """Likewise."""
    sink = DeclaredSink(ERP, Site("hy", Text("小区", "site")), SiteClock())
    followed = [Followed("accepted", "a", from_ms(0)), Followed("by", "b", from_ms(0))]
    try:
        sink.told(body if right else b'{"changes": [' + body + b"]}", followed)
    except ValueError:
        return


@given(body=BODIES, right=st.booleans())
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_body_breaks_it(reading: TicketingSink, body: bytes, right: bool) -> None:  # noqa: FBT001
    """Whatever stands in it, it is read or said to be unreadable."""
    try:
        reading.told(body if right else b'{"changes": [' + body + b"]}", ())
    except ValueError:
        return


@pytest.fixture
def reading() -> TicketingSink:
    return TicketingSink(TicketingConfig(url="http://127.0.0.1:1"), "hy")


async def test_no_bytes_on_the_wire_are_answered_with_a_fault_of_ours(bench: Bench) -> None:
    """Neither signed rubbish nor what is no HTTP gives a 500, and it listens on."""
    bodies = [b"", b"null", b"[]", b'{"changes": 1}', b'{"changes": [null]}', b'{"changes": [{"status": []}]}', b"\xff"]
    for body in bodies:
        assert await bench.post(body, **signed(SECRET, body)) == 400
    for raw in (b"\x00\x01\x02\r\n\r\n", b"POST / HTTP/9.9\r\n\r\n", b"GET " + b"/" * 20_000 + b" HTTP/1.1\r\n\r\n"):
        answer = await asyncio.to_thread(exchange, bench.config.port, raw)
        assert not answer.startswith(b"HTTP/1.1 5"), raw
    body = told(CHANGE)

    assert await bench.post(body, **signed(SECRET, body)) == 200


def exchange(port: int, raw: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as peer:
        peer.sendall(raw)
        peer.shutdown(socket.SHUT_WR)
        with contextlib.suppress(OSError):
            return peer.recv(100)
    return b""


async def test_a_port_that_is_taken_is_tried_again(state: StateFile) -> None:
    """Said once; polling goes on meanwhile."""
    with socket.create_server(("127.0.0.1", 0)) as other, structlog.testing.capture_logs() as logs:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        config = WebhookConfig.model_validate({"listen": address, "secret": SECRET})
        bench = Bench(state, config)
        sink = TicketingSink(TicketingConfig(url="http://127.0.0.1:1"), "hy")
        webhook = Webhook(config, sink, state.path, emit=bench.emit, clock=SiteClock(), backoff=Backoff(0.01, 0.01))
        task = asyncio.create_task(webhook.run())
        await until(lambda: any(entry["event"] == "webhook_unbound" for entry in logs))
        other.close()
        async with asyncio.timeout(10):
            await webhook.listening.wait()
        task.cancel()

    assert [entry["event"] for entry in logs] == ["webhook_unbound", "webhook_listening"]


async def test_the_stand_in_tells_it_what_persons_do(bench: Bench) -> None:
    """Accepted on its page, an input here."""
    async with ticketing.serving(hook=Hook(bench.url, SECRET)) as service:
        service.store.create(order("a"))
        service.store.act("T000001", "accept", "张师傅", "五分钟到")
        await until(lambda: len(bench.emitted) == 1)

    (update,) = bench.emitted
    assert isinstance(update, TicketUpdate)
    assert (update.status, update.by, update.note) == (OrderStatus.ACCEPTED, "张师傅", "五分钟到")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"listen": "8787"}, "address and port"),
        ({"listen": "localhost:8787"}, "is no address"),
        ({"listen": "127.0.0.1:99999"}, "address and port"),
        ({"secret": "short"}, "at least 16"),
        ({"path": "changes"}, "match pattern"),
        ({"scheme": "md5"}, "hmac-sha256"),
    ],
)
def test_a_wrong_setting_says_what_to_write(wrong: dict[str, str], says: str) -> None:
    """Before anything listens."""
    with pytest.raises(ValidationError, match=says):
        WebhookConfig.model_validate({"secret": SECRET, **wrong})


@pytest.mark.parametrize(
    ("listen", "exposed"), [("127.0.0.1:1", False), ("[::1]:1", False), ("0.0.0.0:1", True), ("10.0.0.5:1", True)]
)
def test_it_knows_whether_others_can_reach_it(listen: str, exposed: bool) -> None:  # noqa: FBT001
    """`check` warns then."""
    config = WebhookConfig.model_validate({"listen": listen, "secret": SECRET})

    assert config.beyond_this_machine is exposed
