"""The MQTT source against a broker that misbehaves as it is told, over a real socket."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from daemon.model import Reason, SourceDown
from tests.mqtt_peers import Connection, Spine, connack, counter_source, down, publish, running, scripted, until


def message(n: int, *, mid: int = 0, dup: bool = False, v5: bool = True) -> bytes:
    return publish("c/1", orjson.dumps({"n": n}), mid=mid, dup=dup, v5=v5)


@pytest.mark.parametrize("v5", [True, False])
async def test_nothing_is_acknowledged_before_it_is_committed(v5: bool) -> None:  # noqa: FBT001
    """PUBACK goes out after emit has returned, never before; both protocol versions."""

    async def script(broker: Connection) -> None:
        await broker.greet(session=False)
        for n in (1, 2, 3):
            broker.send(message(n, mid=n, v5=v5))
        await broker.serve()

    spine = Spine()
    spine.gate.clear()
    async with scripted(script, v5=v5) as (port, connections):
        heard = counter_source(port, version="5" if v5 else "3.1.1")
        async with running(heard, spine):
            await until(lambda: heard.held == 3 and spine.waiting)
            (broker,) = connections

            assert broker.acknowledged == []

            spine.gate.set()
            await until(lambda: broker.acknowledged == [1, 2, 3])

            assert spine.values == [1.0, 2.0, 3.0]
            assert heard.held == 0


async def test_a_redelivery_of_something_committed_is_acknowledged_and_dropped() -> None:
    """The broker lost our acknowledgement: its DUP is acknowledged again, and counts once."""

    async def first(broker: Connection) -> None:
        await broker.greet(session=False)
        broker.send(message(1, mid=7))
        while not broker.acknowledged:
            await broker.packet()
        broker.drop()

    async def second(broker: Connection) -> None:
        await broker.greet(session=True)
        broker.send(message(1, mid=7, dup=True) + message(2, mid=8, dup=True))
        await broker.serve()

    spine = Spine()
    async with scripted(first, second) as (port, connections):
        heard = counter_source(port)
        await down(heard, spine)
        async with running(heard, spine):
            await until(lambda: len(connections) == 2 and sorted(connections[1].acknowledged) == [7, 8])

    assert spine.values == [1.0, 2.0]


async def test_memory_outlives_the_process() -> None:
    """What the journal gives back at start suppresses a redelivery as well as what was remembered all along."""

    async def first(broker: Connection) -> None:
        await broker.greet(session=False)
        broker.send(message(1, mid=7) + message(2, mid=8))
        await broker.serve()

    async def second(broker: Connection) -> None:
        await broker.greet(session=True)
        broker.send(message(1, mid=7, dup=True) + message(2, mid=8, dup=True) + message(3, mid=9, dup=True))
        await broker.serve()

    before, after = Spine(), Spine()
    async with scripted(first, second) as (port, connections):
        async with running(counter_source(port), before):
            await until(lambda: len(before.values) == 2)
        async with running(counter_source(port, remembered=before.packets, session=before.taken[-1].session), after):
            await until(lambda: len(connections) == 2 and sorted(connections[1].acknowledged) == [7, 8, 9])

    assert after.values == [3.0]
    assert after.taken[-1].session == before.taken[-1].session


@pytest.mark.parametrize(
    ("second", "why"),
    [
        (message(2, mid=7, dup=True), "the same packet id, flagged DUP, with other contents is another message"),
        (message(1, mid=7), "the same packet id without DUP is another message, even with the same contents"),
    ],
)
async def test_another_message_is_never_taken_for_a_redelivery(second: bytes, why: str) -> None:
    """Packet ids are used again: only the same contents flagged DUP are a redelivery."""

    async def script(broker: Connection) -> None:
        await broker.greet(session=True)
        broker.send(message(1, mid=7))
        while not broker.acknowledged:
            await broker.packet()
        broker.send(second)
        await broker.serve()

    spine = Spine()
    async with scripted(script) as (port, connections), running(counter_source(port), spine):
        await until(lambda: connections and connections[0].acknowledged == [7, 7])

    assert len(spine.values) == 2, why


async def test_a_lost_session_is_forgotten() -> None:
    """Without our session at the broker, packet ids mean nothing any more: a new name, and nothing is suppressed."""

    async def script(broker: Connection) -> None:
        await broker.greet(session=False)
        broker.send(message(1, mid=7, dup=True))
        await broker.serve()

    before, after = Spine(), Spine()
    async with scripted(script) as (port, _):
        async with running(counter_source(port), before):
            await until(lambda: before.values)
        async with running(counter_source(port, remembered=before.packets, session=before.taken[0].session), after):
            await until(lambda: after.values)

    assert after.values == [1.0]
    assert after.taken[0].session != before.taken[0].session


async def test_a_repeat_of_something_still_held_counts_once() -> None:
    """A broker that repeats without reconnecting gets one acknowledgement, after the one commit."""

    async def script(broker: Connection) -> None:
        await broker.greet(session=False)
        broker.send(message(1, mid=7) + message(1, mid=7, dup=True) + message(2, mid=8))
        await broker.serve()

    spine = Spine()
    spine.gate.clear()
    async with scripted(script) as (port, connections):
        heard = counter_source(port)
        async with running(heard, spine):
            await until(lambda: heard.held == 2)
            spine.gate.set()
            await until(lambda: connections[0].acknowledged == [7, 8])

    assert spine.values == [1.0, 2.0]


async def test_an_acknowledgement_dies_with_its_connection() -> None:
    """Lost while committing: the commit ends first, then the source goes down; the redelivery is acknowledged anew."""
    dropped = asyncio.Event()

    async def first(broker: Connection) -> None:
        await broker.greet(session=False)
        broker.send(message(1, mid=7))
        await dropped.wait()

    async def second(broker: Connection) -> None:
        await broker.greet(session=True)
        broker.send(message(1, mid=7, dup=True))
        await broker.serve()

    spine = Spine()
    spine.gate.clear()
    async with scripted(first, second) as (port, connections):
        heard = counter_source(port)
        task = asyncio.create_task(heard.run(spine))
        await until(lambda: spine.waiting)
        dropped.set()
        await until(lambda: heard._link is not None and heard._link.lost)

        assert not task.done()

        spine.gate.set()
        with pytest.raises(SourceDown, match="closed the connection"):
            await task
        async with running(heard, spine):
            await until(lambda: len(connections) == 2 and connections[1].acknowledged == [7])

    assert spine.values == [1.0]
    assert connections[0].acknowledged == []


async def test_a_qos_1_flood_slows_reading() -> None:
    """Beyond the bound the socket is not read; pings go on although their answers cannot be seen; nothing is lost."""
    total = 20_000

    async def script(broker: Connection) -> None:
        await broker.greet(session=False)
        broker.send(b"".join(message(n, mid=n % 60_000 + 1) for n in range(total)))
        await broker.serve()

    spine = Spine()
    spine.gate.clear()
    async with scripted(script) as (port, connections):
        heard = counter_source(port, pending_messages=100, keepalive="1s")
        async with running(heard, spine) as task:
            await until(lambda: heard.held == 100)
            await until(lambda: connections[0].count(0xC0) >= 3)

            assert heard.held == 100
            assert not task.done()

            spine.gate.set()
            await until(lambda: len(connections[0].acknowledged) == total)

    assert spine.values == [float(n) for n in range(total)]


async def test_bytes_are_bounded_too() -> None:
    """Few large messages fill the bound as many small ones do."""

    async def script(broker: Connection) -> None:
        await broker.greet(session=False)
        body = b'{"n": 1, "x": "' + b"x" * 10_000 + b'"}'
        broker.send(b"".join(publish("c/1", body, mid=n) for n in range(1, 101)))
        await broker.serve()

    spine = Spine()
    spine.gate.clear()
    async with scripted(script) as (port, _):
        heard = counter_source(port, pending_bytes=50_000)
        async with running(heard, spine):
            await until(lambda: heard.held == 5)
            spine.gate.set()
            await until(lambda: len(spine.values) == 100)


async def test_a_qos_0_flood_sheds_its_oldest() -> None:
    """QoS 0 cannot be held back: the oldest go, the newest stay, and QoS 1 is never shed."""

    async def script(broker: Connection) -> None:
        await broker.greet(session=False)
        broker.send(message(-1, mid=1))
        while not spine.waiting:  # the first batch is on its way
            await asyncio.sleep(0.005)
        broker.send(message(-2, mid=2))
        broker.send(b"".join(message(n) for n in range(1000)))
        await broker.serve()

    spine = Spine()
    spine.gate.clear()
    async with scripted(script) as (port, _):
        heard = counter_source(port, pending_messages=10)
        async with running(heard, spine):
            await until(lambda: 999.0 in [orjson.loads(p.message.payload)["n"] for p in heard._pending.values()])

            assert heard.held < 10

            spine.gate.set()
            await until(lambda: 999.0 in spine.values)

    assert spine.values == [-1.0, -2.0, *[float(n) for n in range(993, 1000)]]


async def test_what_cannot_be_read_is_committed_and_acknowledged() -> None:
    """Garbage, strangers and giants go through emit as rejections, then they are acknowledged like everything else."""

    async def script(broker: Connection) -> None:
        await broker.greet(session=False)
        broker.send(publish("c/1", b"{", mid=1) + publish("c/9", b"{}", mid=2) + publish("other", b"{}", mid=3))
        broker.send(publish("c/1", b'{"n":1}' + b" " * 1_000_000, mid=4) + message(5, mid=5))
        await broker.serve()

    spine = Spine()
    async with scripted(script) as (port, connections), running(counter_source(port, max_payload=1000), spine):
        await until(lambda: connections and connections[0].acknowledged == [1, 2, 3, 4, 5])

    assert [rejection.reason for observation in spine.observations for rejection in observation.rejections] == [
        Reason.UNPARSABLE,
        Reason.UNKNOWN_DEVICE,
        Reason.UNKNOWN_TOPIC,
        Reason.TOO_LARGE,
    ]
    assert spine.values == [5.0]


async def test_what_comes_too_fast_is_told_and_acknowledged() -> None:
    """What is within the topic's limit counts; the rest is rejected with its number, and acknowledged."""

    async def script(broker: Connection) -> None:
        await broker.greet(session=False)
        broker.send(b"".join(message(n, mid=n) for n in range(1, 21)))
        broker.send(publish("c/2", orjson.dumps({"n": 21}), mid=21))
        await broker.serve()

    spine = Spine()
    async with (
        scripted(script) as (port, connections),
        running(counter_source(port, topic_rate=0.001, topic_burst=5), spine),
    ):
        await until(lambda: connections and connections[0].acknowledged == list(range(1, 22)))

    rejections = [rejection for observation in spine.observations for rejection in observation.rejections]
    fast_ones = [rejection for rejection in rejections if rejection.reason is Reason.TOO_FAST]
    assert spine.values == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert sum(int(rejection.detail.split()[0]) for rejection in fast_ones) == 15
    assert {rejection.place for rejection in fast_ones} == {"mqtt:m:c/1#"}
    assert Reason.UNKNOWN_DEVICE in {rejection.reason for rejection in rejections}


async def test_it_says_goodbye() -> None:
    """Online is told after connecting, offline before leaving; a sudden end is told by the last will."""

    async def script(broker: Connection) -> None:
        await broker.greet(session=False)
        await broker.serve()

    async with scripted(script) as (port, connections):
        async with running(counter_source(port), Spine()):
            await until(lambda: connections and connections[0].count(0x30))
        await until(lambda: connections[0].count(0xE0))

    (_, connect), *_ = connections[0].packets
    told = [(first & 1, body) for first, body in connections[0].packets if first & 0xF0 == 0x30]
    assert b"precomplaint/s1/status" in connect
    assert connect.endswith(b"offline")
    assert [(retain, body[-7:].lstrip(b"\0\1\2\3")) for retain, body in told] == [(1, b"online"), (1, b"offline")]


async def refuse(broker: Connection) -> None:
    await broker.packet()
    broker.send(connack(135 if broker.v5 else 5, v5=broker.v5))


async def hang_up(broker: Connection) -> None:
    await broker.packet()


async def say_nothing(broker: Connection) -> None:
    while True:
        await broker.packet()


async def talk_nonsense(broker: Connection) -> None:
    await broker.greet(session=False)
    broker.send(b"\x30\x01a")
    await broker.serve()


async def be_taken_over(broker: Connection) -> None:
    await broker.greet(session=False)
    broker.send(b"\xe0\x02\x8e\x00")
    await broker.serve()


@pytest.mark.parametrize(
    ("script", "v5", "words"),
    [
        (refuse, True, "the broker refused us: [code:135] Not authorized; check username and password (user 'bob')"),
        (refuse, False, "check username and password (user 'bob')"),
        (
            hang_up,
            True,
            "CONNECT was not answered: the broker closed the connection; is it an MQTT port",
        ),
        (say_nothing, True, "connected, but CONNECT was not answered: no answer within 500ms; is it an MQTT port, and"),
        (talk_nonsense, True, "the broker sent something that is no MQTT: a PUBLISH without a topic"),
        (be_taken_over, True, "another client uses client id 'precomplaint-s1' and took our session over; stop it, or"),
    ],
)
async def test_why_it_is_down_is_said(script: Any, v5: bool, words: str) -> None:  # noqa: ANN401, FBT001
    """Each way of not getting on with a broker names the broker, the reason, and what to do."""
    async with scripted(script, v5=v5) as (port, _):
        version = "5" if v5 else "3.1.1"
        heard = counter_source(port, version=version, username="bob", connect_timeout="500ms")

        told = await down(heard)

    assert f"127.0.0.1:{port}: " in told
    assert words in told


async def test_a_refused_subscription_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """One forbidden topic is named once, and the others are heard."""

    async def script(broker: Connection) -> None:
        broker.verdict = b"\x01\x87"
        await broker.greet(session=False)
        broker.send(message(1, mid=1))
        await broker.serve()

    spine = Spine()
    async with scripted(script) as (port, _):
        heard = counter_source(port)
        async with running(heard, spine):
            await until(lambda: spine.values)

    assert heard.subscribed == ("c/+",)
    told = capsys.readouterr().out
    assert told.count("subscription_refused") == 1
    assert "c/+/online" in told


@pytest.mark.parametrize("v5", [True, False])
async def test_all_subscriptions_refused_is_down(v5: bool) -> None:  # noqa: FBT001
    """With nothing to hear there is no use in being connected: say what to change."""

    async def script(broker: Connection) -> None:
        broker.verdict = b"\x87\x87" if v5 else b"\x80\x80"
        await broker.greet(session=False)
        await broker.serve()

    async with scripted(script, v5=v5) as (port, _):
        told = await down(counter_source(port, version="5" if v5 else "3.1.1"))

    assert "not allowed to read any of our topics (c/+, c/+/online); change the broker's access list" in told


async def test_nobody_listens() -> None:
    """A refused connection says so, with host and port."""
    async with scripted(hang_up) as (port, _):
        pass

    assert await down(counter_source(port)) == (
        f"127.0.0.1:{port}: connection refused; start the broker there, or correct host and port"
    )


async def test_a_takeover_is_suspected_without_the_broker_saying_so() -> None:
    """3.1.1 has no word for it: closed three times right after connecting, the message names the likely cause."""

    async def script(broker: Connection) -> None:
        await broker.greet(session=True)

    async with scripted(script, v5=False) as (port, _):
        heard = counter_source(port, version="3.1.1")
        told = [await down(heard) for _ in range(3)]

    assert "it was stopped, or another client uses client id 'precomplaint-s1'; see the broker's log" in told[1]
    assert "3 times within 10 s of connecting: most likely another client uses client id 'precomplaint-s1'" in told[2]


async def test_stopping_does_not_wait_for_a_hanging_peer() -> None:
    """Cancelled in the middle of a TLS handshake that nobody answers, the connecting thread ends at once too."""

    async def script(broker: Connection) -> None:
        while await broker.reader.read(100):
            broker.packets.append((0, b""))

    async with scripted(script) as (port, connections):
        async with running(counter_source(port, tls={}, connect_timeout="1h"), Spine()):
            await until(lambda: connections and connections[0].packets)
        async with asyncio.timeout(20):
            await asyncio.get_running_loop().shutdown_default_executor()


async def test_a_silent_broker_is_noticed() -> None:
    """A broker that no longer answers pings is given up, with what was missed."""

    async def script(broker: Connection) -> None:
        await broker.greet(session=False)
        while True:
            await broker.packet()

    async with scripted(script) as (port, _):
        told = await down(counter_source(port, keepalive="1s"))

    assert "the broker does not answer pings any more" in told


async def test_the_spine_s_end_is_passed_on() -> None:
    """What emit raises comes out of run unchanged, whatever it is: the source's own errors are SourceDown only."""

    async def script(broker: Connection) -> None:
        await broker.greet(session=False)
        broker.send(message(1, mid=1))
        await broker.serve()

    async def emit(*_: object, **__: object) -> None:
        raise OSError("disk full")

    async with scripted(script) as (port, connections):
        with pytest.raises(OSError, match="disk full"):
            await counter_source(port).run(emit)

        assert connections[0].acknowledged == []


async def test_a_stop_that_comes_with_the_greeting_is_heeded() -> None:
    """`asyncio.wait_for` of Python 3.11 drops a cancellation that arrives together with its result."""

    async def script(broker: Connection) -> None:
        await broker.packet()
        await met.wait()
        broker.send(connack())
        await broker.serve()

    met = asyncio.Event()
    async with scripted(script) as (port, connections):
        heard = counter_source(port)
        task = asyncio.get_running_loop().create_task(heard.run(Spine()))
        await until(lambda: connections and connections[0].packets)
        assert heard._link is not None
        heard._link._connected.add_done_callback(lambda _: task.cancel())
        met.set()

        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(asyncio.shield(task), 20)
