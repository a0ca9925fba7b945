"""Notices on their way to people, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import email.header
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import aiohttp
import pytest
import structlog

from daemon.clock import SiteClock
from daemon.model import Level, from_ms
from daemon.outputs.notify.channels import ChannelConfig, routes
from daemon.outputs.notify.courier import Courier
from daemon.store import notices
from daemon.supervisor import Backoff
from simulators.robots import Robots

if TYPE_CHECKING:
    from tests.unit.outputs.conftest import StateFile

T0 = from_ms(1_795_300_000_000)


def add(state: StateFile, roles: Sequence[str], *, level: Level = Level.I, title: str = "电梯") -> None:
    text = {"zh": "详情", "en": "details"}
    body = {"staff": {"title": {"zh": title, "en": "lift"}, "text": text}, "residents": {"zh": "已接单", "en": "taken"}}
    state._transaction(lambda db: notices.add(db, "hy|L1|chain|x|1", "created", roles, level, T0, body))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.002)


@asynccontextmanager
async def courier(state: StateFile, channels: Mapping[str, object]) -> AsyncIterator[Courier]:
    configs = {name: ChannelConfig.model_validate(config) for name, config in channels.items()}
    async with aiohttp.ClientSession() as http:
        clock = SiteClock()
        quick = Backoff(0.002, 0.01)
        it = Courier(routes(configs, http, clock), state.path, run_job=state.run_job, clock=clock, backoff=quick)
        task = asyncio.create_task(it.run())
        try:
            yield it
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def wecom(robots: Robots, *roles: str, **more: object) -> dict[str, object]:
    return {"roles": list(roles), "wecom": {"secret": robots.key, "url": robots.url}, **more}


@pytest.fixture
def quiet() -> Iterator[None]:
    with structlog.testing.capture_logs():
        yield


async def test_each_role_is_told_by_its_channels(state: StateFile) -> None:
    """Headquarters and duty each get it once; who is served by two channels gets it by both."""
    add(state, ["headquarters", "duty"])

    async with Robots() as a, Robots() as b:
        async with courier(state, {"hq": wecom(a, "headquarters", "duty"), "duty": wecom(b, "duty")}):
            await until(lambda: notices.counts(state.db).get("duty", {}).get("delivered") == 1)
            await until(lambda: notices.counts(state.db).get("hq", {}).get("delivered") == 1)

        assert (len(a.taken), len(b.taken)) == (1, 1)


async def test_residents_read_their_own_words(state: StateFile) -> None:
    """Neither title nor numbers of the order reach them."""
    add(state, ["residents", "duty"])

    async with Robots() as robots:
        async with courier(state, {"lobby": wecom(robots, "residents")}):
            await until(lambda: len(robots.taken) == 1)

        assert robots.texts("wecom") == ["物业通知\n已接单"]


async def test_what_nobody_receives_is_counted(state: StateFile) -> None:
    """No channel serves the role: visible, not silent."""
    add(state, ["project_manager"])

    async with Robots() as robots, courier(state, {"hq": wecom(robots, "headquarters")}):
        await until(lambda: "-" in notices.counts(state.db))

    assert notices.counts(state.db) == {"-": {"nobody": 1}}


async def test_a_burst_is_one_digest_and_level_i_goes_first(state: StateFile) -> None:
    """Thirty general notices and one urgent: the urgent alone, then the thirty as one message."""
    for n in range(30):
        add(state, ["duty"], level=Level.II, title=f"水泵 {n}")
    add(state, ["duty"], level=Level.I, title="困人")

    async with Robots() as robots:
        async with courier(state, {"duty": wecom(robots, "duty")}):
            await until(lambda: notices.counts(state.db).get("duty", {}).get("delivered") == 31)

        first, digest = robots.texts("wecom")
        assert first.startswith("困人")
        assert digest.startswith("30 条通知\n· 水泵 0\n· 水泵 1\n")


async def test_a_digest_holds_what_its_peer_takes(state: StateFile) -> None:
    """WeCom takes 2 048 bytes: what does not fit comes in a further message, and nothing is cut off."""
    for n in range(30):
        add(state, ["duty"], title=f"水泵房二次供水设备异常停机 {n:02} 号泵，出口压力低于下限，高区住户可能停水")

    async with Robots() as robots:
        async with courier(state, {"duty": wecom(robots, "duty")}):
            await until(lambda: notices.counts(state.db).get("duty", {}).get("delivered") == 30)

        lines = [line for text in robots.texts("wecom") for line in text.splitlines() if "水泵房" in line]
        assert [line.partition(" 号泵")[0][-2:] for line in lines] == [f"{n:02}" for n in range(30)]
        assert all(line.endswith("停水") for line in lines)


async def test_a_digest_for_residents_says_what_happened(state: StateFile) -> None:
    """Their notices all have the same title: what tells them apart is the text."""
    for _ in range(4):
        add(state, ["residents"])

    async with Robots() as robots:
        async with courier(state, {"lobby": wecom(robots, "residents")}):
            await until(lambda: notices.counts(state.db).get("lobby", {}).get("delivered") == 4)

        assert robots.texts("wecom") == ["4 条通知\n· 已接单\n· 已接单\n· 已接单\n· 已接单"]


async def test_a_dead_channel_holds_up_no_other(state: StateFile, quiet: None) -> None:
    """One peer is away; the other's people are told, and the first's once it is back."""
    add(state, ["duty", "headquarters"])
    async with Robots() as gone:
        port = gone.port

    async with Robots() as alive:
        there = {"duty": wecom(gone, "duty"), "hq": wecom(alive, "headquarters")}
        async with courier(state, there):
            await until(lambda: len(alive.taken) == 1)
            async with Robots(port=port) as back:
                await until(lambda: len(back.taken) == 1)


async def test_a_refusal_is_parked_and_told(state: StateFile) -> None:
    """A wrong key: given up at once, counted, and the log says who was not told."""
    add(state, ["duty"])

    async with Robots(key="another") as robots:
        with structlog.testing.capture_logs() as logs:
            channels = {"duty": wecom(Robots(port=robots.port), "duty")}
            async with courier(state, channels):
                await until(lambda: notices.counts(state.db).get("duty", {}).get("parked") == 1)

    assert [line["event"] for line in logs] == ["notices_parked"]
    assert logs[0]["to"] == ("duty",)


async def test_retries_have_an_end(state: StateFile) -> None:
    """A peer that cannot be reached is given up after a day."""
    add(state, ["duty"])
    state._transaction(lambda db: notices.address(db, {"duty": ["duty"]}))
    state._transaction(lambda db: db.execute("UPDATE notice_delivery SET attempts = 298"))

    async with Robots() as robots:
        pass
    with structlog.testing.capture_logs() as logs:
        async with courier(state, {"duty": wecom(robots, "duty")}):
            await until(lambda: notices.counts(state.db).get("duty", {}).get("parked") == 1)

    assert "(300 tries)" in logs[-1]["error"]


async def test_what_may_have_arrived_is_not_sent_for_ever(state: StateFile) -> None:
    """A peer that hangs up without an answer: after twelve tries it is parked."""
    add(state, ["duty"])
    asked = 0

    async def hang_up(reading: asyncio.StreamReader, writing: asyncio.StreamWriter) -> None:
        nonlocal asked
        await reading.readuntil(b"\r\n\r\n")
        asked += 1
        writing.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        channel = {"roles": ["duty"], "wecom": {"secret": "k", "url": f"http://127.0.0.1:{port}"}}
        with structlog.testing.capture_logs() as logs:
            async with courier(state, {"duty": channel}):
                await until(lambda: notices.counts(state.db).get("duty", {}).get("parked") == 1)

    assert "(12 tries)" in logs[-1]["error"]


async def test_what_is_new_is_not_given_up_with_the_old(state: StateFile) -> None:
    """One that was tried often enough shares a message with new ones: it alone is parked."""
    for n in range(5):
        add(state, ["duty"], title=f"{n}")
    state._transaction(lambda db: notices.address(db, {"duty": ["duty"]}))
    state._transaction(lambda db: db.execute("UPDATE notice_delivery SET attempts = 299 WHERE id = 1"))

    async with Robots() as robots:
        pass
    with structlog.testing.capture_logs():
        async with courier(state, {"duty": wecom(robots, "duty")}):
            await until(lambda: notices.counts(state.db).get("duty", {}).get("parked") == 1)
            async with Robots(port=robots.port) as back:
                await until(lambda: len(back.taken) == 1)

    assert notices.counts(state.db)["duty"] == {"delivered": 4, "parked": 1}


async def test_who_is_shut_out_stays_still(state: StateFile, quiet: None) -> None:
    """The peer refuses for a minute: what else waits is not thrown at it meanwhile."""
    for n in range(3):
        add(state, ["duty"], title=f"{n}")

    async with Robots(per_minute=1) as robots, courier(state, {"duty": wecom(robots, "duty")}):
        await until(lambda: len(robots.refused) == 1)
        await until(lambda: state.db.execute("SELECT max(attempts) FROM notice_delivery").fetchone() == (1,))
        for _ in range(50):
            await asyncio.sleep(0)

    assert (len(robots.taken), len(robots.refused)) == (1, 1)


async def test_a_restart_sends_what_was_not_sent(state: StateFile) -> None:
    """Addressed before the stop, delivered after it, once."""
    add(state, ["duty"])
    async with Robots() as robots:
        channels = {"duty": wecom(robots, "duty")}
        state._transaction(lambda db: notices.address(db, {"duty": ["duty"]}))
        async with courier(state, channels):
            await until(lambda: state.db.execute("SELECT state FROM notice_delivery").fetchone() == ("delivered",))
        async with courier(state, channels) as again:
            add(state, ["duty"], title="另一条")
            again.wake()
            await until(lambda: len(robots.taken) == 2)

        assert [text.split("\n")[0] for text in robots.texts("wecom")] == ["电梯", "另一条"]


async def test_the_rate_is_kept(state: StateFile) -> None:
    """Two a minute: the third waits, the peer never has to refuse."""
    for n in range(3):
        add(state, ["duty"], title=f"{n}")

    async with Robots(per_minute=2) as robots:
        async with courier(state, {"duty": wecom(robots, "duty", per_minute=2)}):
            await until(lambda: len(robots.taken) == 2)
            await asyncio.sleep(timedelta(milliseconds=60).total_seconds())

        assert robots.refused == []
        assert notices.counts(state.db)["duty"] == {"delivered": 2, "pending": 1}


async def test_mail_goes_through_apprise(state: StateFile) -> None:
    """A mail server takes the notice: title as subject, text as body."""
    add(state, ["headquarters"])
    mails: list[bytes] = []

    async def smtp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 here\r\n")
        while line := await reader.readline():
            word = line[:4].upper()
            if word == b"DATA":
                writer.write(b"354 go on\r\n")
                mails.append(await reader.readuntil(b"\r\n.\r\n"))
            writer.write(b"221 bye\r\n" if word == b"QUIT" else b"250 fine\r\n")
        writer.close()

    server = await asyncio.start_server(smtp, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    address = f"mailto://127.0.0.1:{port}?from=gateway@hy.cn&to=hq@hy.cn&mode=insecure"
    async with server, courier(state, {"hq": {"roles": ["headquarters"], "apprise": {"secret": address}}}):
        await until(lambda: notices.counts(state.db).get("hq", {}).get("delivered") == 1)

    (mail,) = mails
    message = email.message_from_bytes(mail)
    assert email.header.make_header(email.header.decode_header(message["Subject"])) == "电梯"
    parts = [part.get_payload(decode=True) for part in message.walk() if not part.is_multipart()]
    assert any(isinstance(part, bytes) and "详情" in part.decode() for part in parts)
