"""The MQTT source against a real Mosquitto: what a broker does, not what we believe it does."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import aiomqtt
import orjson
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from daemon.clock import SiteClock
from daemon.model import ConfigError, Reason, SourceDown
from daemon.sensors.mqtt import MqttSource
from daemon.supervisor import Backoff, keep_alive
from tests.mqtt_peers import Mosquitto, Spine, counter_source, down, need, running, until
from tests.papers import Papers

pytestmark = pytest.mark.integration

VERSIONS = pytest.mark.parametrize("version", ["5", "3.1.1"])


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path) as found:
        yield found


def source(broker: Mosquitto, **options: Any) -> MqttSource:  # noqa: ANN401
    return counter_source(broker.port, host="localhost", **options)


@contextlib.asynccontextmanager
async def online(heard: MqttSource, spine: Spine) -> AsyncIterator[asyncio.Task[None]]:
    async with running(heard, spine) as task:
        await until(lambda: task.done() or heard.online)
        yield task


def client(broker: Mosquitto, **options: Any) -> aiomqtt.Client:  # noqa: ANN401
    return aiomqtt.Client("localhost", broker.port, max_inflight_messages=1000, **options)


async def tell(broker: Mosquitto, numbers: Sequence[int], *, topic: str = "c/1", **options: Any) -> None:  # noqa: ANN401
    async with client(broker, **options) as publisher:
        publisher.pending_calls_threshold = 10_000
        for at in range(0, len(numbers), 500):
            await asyncio.gather(
                *(publisher.publish(topic, orjson.dumps({"n": n}), qos=1) for n in numbers[at : at + 500])
            )


@VERSIONS
async def test_readings_arrive(broker: Mosquitto, version: str) -> None:
    """What is published is committed, in order, good and received about now."""
    spine = Spine()
    async with online(source(broker, version=version), spine):
        await tell(broker, range(100))
        await until(lambda: len(spine.values) == 100)

    assert spine.values == [float(n) for n in range(100)]
    assert {reading.reason for reading in spine.readings} == {Reason.NONE}
    assert {reading.point for reading in spine.readings} == {"A.n"}


@VERSIONS
async def test_what_was_not_committed_comes_again(broker: Mosquitto, version: str) -> None:
    """Stopped with messages received and not committed, and more published meanwhile: the next run gets them all."""
    before, after = Spine(), Spine()
    first = source(broker, version=version)
    async with online(first, before):
        await tell(broker, range(10))
        await until(lambda: len(before.values) == 10)
        before.gate.clear()
        await tell(broker, range(10, 20))
        await until(lambda: first.held == 10)
    await tell(broker, range(20, 30))

    second = source(broker, version=version, remembered=before.packets, session=before.taken[-1].session)
    async with online(second, after):
        await until(lambda: len(after.values) >= 20)

    assert before.values == [float(n) for n in range(10)]
    assert after.values == [float(n) for n in range(10, 30)]
    assert second.session == before.taken[-1].session


@VERSIONS
async def test_back_pressure_holds_and_loses_nothing(broker: Mosquitto, version: str) -> None:
    """5 000 messages while nothing is committed: no more than the bound is held, and in the end all are there."""
    spine = Spine()
    spine.gate.clear()
    heard = source(broker, version=version, pending_messages=200)
    most = 0
    async with online(heard, spine):
        await tell(broker, range(5000))
        await until(lambda: heard.held >= 200)
        most = heard.held
        spine.gate.set()
        await until(lambda: len(spine.values) >= 5000)
        await until(lambda: heard.held == 0)

    assert most == 200
    assert spine.values == [float(n) for n in range(5000)]


@VERSIONS
async def test_the_broker_may_come_and_go(broker: Mosquitto, version: str) -> None:
    """Kept alive, the source is back by itself after the broker was away, in a session of another name."""
    spine = Spine()
    heard = source(broker, version=version)
    losses: list[str] = []
    task = asyncio.create_task(
        keep_alive(
            "m",
            lambda: heard.run(spine),
            SiteClock(),
            backoff=Backoff(first=0.05, most=0.2),
            on_down=lambda _, why: losses.append(str(why)),
        )
    )
    await until(lambda: heard.online)
    await tell(broker, [1])
    await until(lambda: spine.values == [1.0])

    broker.stop()
    await until(lambda: len(losses) >= 2)
    broker.start()
    while 2.0 not in spine.values:
        await tell(broker, [2])
        await asyncio.sleep(0.05)
    task.cancel()

    assert spine.taken[0].session != spine.taken[-1].session
    assert "connection refused; start the broker there" in losses[1]


@VERSIONS
async def test_a_session_taken_over_is_named(broker: Mosquitto, version: str) -> None:
    """Mosquitto throws us out without a word; when it happens again and again, we name the likely cause."""
    heard = source(broker, version=version)
    told = []
    for _ in range(3):
        async with online(heard, Spine()) as task, client(broker, identifier=heard.client_id):
            with pytest.raises(SourceDown) as caught:
                await task
        told.append(str(caught.value))

    assert "without a reason: it was stopped, or another client uses client id 'precomplaint-s1'" in told[0]
    assert "most likely another client uses client id 'precomplaint-s1'; stop it" in told[2]


@VERSIONS
async def test_topics_no_longer_wanted_are_unsubscribed(broker: Mosquitto, version: str) -> None:
    """The persistent session forgets what the configuration no longer names."""
    number = {"5": aiomqtt.ProtocolVersion.V5, "3.1.1": aiomqtt.ProtocolVersion.V311}[version]
    options: dict[str, Any] = {"clean_start": False} if version == "5" else {"clean_session": False}
    if version == "5":
        options["properties"] = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        options["properties"].SessionExpiryInterval = 60
    async with client(broker, identifier="precomplaint-s1", protocol=number, **options) as former:
        await former.subscribe("old/#", qos=1)

    spine = Spine()
    async with online(source(broker, version=version, subscribed=("old/#", "c/+")), spine):
        await tell(broker, [1], topic="old/1")
        await tell(broker, [2])
        await until(lambda: spine.values)
    again = Spine()
    async with online(source(broker, version=version), again):
        await tell(broker, [3], topic="old/1")
        await tell(broker, [4])
        await until(lambda: again.values)

    assert spine.values == [2.0]
    assert again.values == [4.0]
    assert all(not observation.rejections for observation in again.observations)


async def test_retained_messages_are_late_and_presence_counts(broker: Mosquitto) -> None:
    """What the broker had kept is adopted as late; a device's last will says that it is gone."""
    async with client(broker) as publisher:
        await publisher.publish("c/1", b'{"n": 1}', qos=1, retain=True)
        await publisher.publish("c/1/online", b"false", qos=1, retain=True)

    spine = Spine()
    async with online(source(broker), spine):
        await until(lambda: len(spine.observations) == 2)

    assert [reading.reason for reading in spine.readings] == [Reason.LATE]
    assert [observation.device for observation in spine.observations if observation.gone] == ["d"]


async def test_our_own_presence(broker: Mosquitto) -> None:
    """Others see us online while we run, and offline after we were cut off (last will) or left."""
    seen: list[str] = []

    async def watch() -> None:
        async with client(broker) as watcher:
            await watcher.subscribe("precomplaint/s1/status", qos=1)
            async for message in watcher.messages:
                assert isinstance(message.payload, bytes)
                seen.append(message.payload.decode())

    watching = asyncio.create_task(watch())
    heard = source(broker)
    async with online(heard, Spine()) as task:
        await until(lambda: seen == ["online"])
        assert heard._link is not None
        assert heard._link._socket is not None
        heard._link._socket.real.shutdown(2)
        await until(lambda: seen == ["online", "offline"])
        with pytest.raises(SourceDown):
            await task
    async with online(heard, Spine()):
        await until(lambda: seen == ["online", "offline", "online"])
    await until(lambda: seen == ["online", "offline", "online", "offline"])
    watching.cancel()


def password_file(folder: Path) -> Path:
    found = folder / "passwords"
    subprocess.run([need("mosquitto_passwd"), "-c", "-b", found, "bob", "right"], check=True)
    return found


@VERSIONS
async def test_login(tmp_path: Path, version: str) -> None:
    """The right password is let in; a wrong one is refused with what to check, and without showing it."""
    spine = Spine()
    with Mosquitto(tmp_path, f"password_file {password_file(tmp_path)}") as broker:
        async with online(source(broker, version=version, username="bob", password="right"), spine):  # noqa: S106
            await tell(broker, [1], username="bob", password="right")  # noqa: S106
            await until(lambda: spine.values)

        told = await down(source(broker, version=version, username="bob", password="wr0ng"))  # noqa: S106

    assert "Not authorized; check username and password (user 'bob')" in told
    assert "wr0ng" not in told


# --- TLS ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    return Papers(tmp_path_factory.mktemp("papers"))


@pytest.fixture
def guarded(tmp_path: Path, papers: Papers) -> Iterator[Mosquitto]:
    certificate, key = papers.broker
    guards = (f"cafile {papers.ca}", f"certfile {certificate}", f"keyfile {key}", "require_certificate true")
    with Mosquitto(tmp_path, *guards) as found:
        yield found


@VERSIONS
async def test_mutual_tls(guarded: Mosquitto, papers: Papers, version: str) -> None:
    """With a pinned authority and our own certificate, thousands of messages arrive as without TLS."""
    certificate, key = papers.ours
    context = ssl.create_default_context(cafile=papers.ca)
    context.load_cert_chain(certificate, key)
    spine = Spine()
    spine.gate.clear()
    tls = {"ca": papers.ca, "certificate": certificate, "key": key}
    heard = source(guarded, version=version, tls=tls, pending_messages=100)
    async with online(heard, spine):
        await tell(guarded, range(2000), tls_context=context)
        await until(lambda: heard.held == 100)
        spine.gate.set()
        await until(lambda: len(spine.values) >= 2000)

    assert spine.values == [float(n) for n in range(2000)]


async def test_what_is_wrong_with_tls_is_said(guarded: Mosquitto, papers: Papers, broker: Mosquitto) -> None:
    """A foreign authority, a missing certificate, TLS to a plain port and plain to a TLS port: each has its words."""
    certificate, key = papers.ours
    full = {"ca": papers.ca, "certificate": certificate, "key": key}

    foreign = await down(source(guarded, tls={**full, "ca": papers.other}))
    without = await down(source(guarded, tls={"ca": papers.ca}))
    to_plain = await down(source(broker, tls=full, connect_timeout="500ms"))
    plain = await down(source(guarded, connect_timeout="500ms"))

    assert "the broker's certificate is not trusted: " in foreign
    assert "; check tls.ca and host" in foreign
    assert "certificate required" in without.lower().replace("_", " ")
    assert "TLS" in to_plain
    assert "CONNECT was not answered" in plain
    assert "one without TLS?" in plain


def test_a_missing_certificate_is_told_at_start(broker: Mosquitto, tmp_path: Path) -> None:
    """A file that cannot be read is a fault of the configuration, named before anything is tried."""
    with pytest.raises(ConfigError) as caught:
        source(broker, tls={"ca": tmp_path / "nowhere.pem"})

    assert f"{tmp_path}/nowhere.pem: no certificates could be read" in caught.value.faults[0]
