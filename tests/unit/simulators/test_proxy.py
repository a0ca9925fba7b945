import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from simulators.proxy import FaultProxy

Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def echo_behind_proxy() -> AsyncIterator[FaultProxy]:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(65_536):
                writer.write(chunk.upper())
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server, FaultProxy(server.sockets[0].getsockname()[1]) as proxy:
        yield proxy


@asynccontextmanager
async def connected(proxy: FaultProxy) -> AsyncIterator[Pair]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def ask(pair: Pair, words: bytes) -> bytes:
    reader, writer = pair
    writer.write(words)
    async with asyncio.timeout(5):
        return await reader.readexactly(len(words))


async def is_mute(pair: Pair) -> bool:
    """Nothing is heard for a while; the only way to see silence is to wait for it."""
    try:
        async with asyncio.timeout(0.1):
            await pair[0].read(1)
    except TimeoutError:
        return True
    return False


async def test_it_forwards() -> None:
    """Both directions, counted; an end is passed on."""
    async with echo_behind_proxy() as proxy, connected(proxy) as pair:
        assert await ask(pair, b"lift") == b"LIFT"
        assert (proxy.bytes_up, proxy.bytes_down, proxy.connections) == (4, 4, 1)
        pair[1].write_eof()
        assert await pair[0].read() == b""


async def test_a_reset_breaks_what_is_connected() -> None:
    """Live connections end with a RST, new ones work."""
    async with echo_behind_proxy() as proxy:
        async with connected(proxy) as pair:
            await ask(pair, b"a")
            proxy.reset()
            with pytest.raises(ConnectionResetError):
                await pair[0].read()
        async with connected(proxy) as pair:
            assert await ask(pair, b"b") == b"B"


async def test_refused_until_healed() -> None:
    """The port is closed and opens again where it was."""
    async with echo_behind_proxy() as proxy:
        port = proxy.port
        async with connected(proxy) as pair:
            await ask(pair, b"a")
            await proxy.refuse()
            with pytest.raises(ConnectionResetError):
                await pair[0].read()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        await proxy.heal()

        assert proxy.port == port
        async with connected(proxy) as pair:
            assert await ask(pair, b"b") == b"B"


async def test_half_open_is_silence() -> None:
    """Old and new connections stand and say nothing; healed, what was held back goes on."""
    async with echo_behind_proxy() as proxy, connected(proxy) as old:
        await ask(old, b"a")
        proxy.half_open()
        async with connected(proxy) as new:
            for pair in (old, new):
                pair[1].write(b"b")
                assert await is_mute(pair)
            await proxy.heal()

            for pair in (old, new):
                async with asyncio.timeout(5):
                    assert await pair[0].readexactly(1) == b"B"


async def test_bytes_run_out() -> None:
    """Exactly so many bytes pass, then the connection is reset."""
    async with echo_behind_proxy() as proxy, connected(proxy) as pair:
        proxy.drop_after(12)
        assert await ask(pair, b"abcd") == b"ABCD"
        pair[1].write(b"efghij")
        with pytest.raises(ConnectionResetError):
            await pair[0].readexactly(6)

        assert proxy.bytes_up + proxy.bytes_down == 8
        async with connected(proxy) as again:
            assert await ask(again, b"x" * 100) == b"X" * 100


async def test_a_reply_comes_late() -> None:
    """Only the next replies are held; the one after is prompt again."""
    async with echo_behind_proxy() as proxy, connected(proxy) as pair:
        loop = asyncio.get_running_loop()
        proxy.late_reply(0.2)
        begun = loop.time()

        assert await ask(pair, b"a") == b"A"
        assert loop.time() - begun >= 0.19
        assert await ask(pair, b"b") == b"B"


async def test_a_link_is_slow() -> None:
    """Each way takes its time."""
    async with echo_behind_proxy() as proxy, connected(proxy) as pair:
        loop = asyncio.get_running_loop()
        proxy.delay(0.1)
        begun = loop.time()

        assert await ask(pair, b"a") == b"A"
        assert loop.time() - begun >= 0.19


async def test_a_dead_target_is_a_reset() -> None:
    """Nobody behind the proxy: the client is cut off, the proxy lives."""
    async with FaultProxy(1) as proxy:
        for _ in range(2):
            async with connected(proxy) as pair:
                with pytest.raises(ConnectionResetError):
                    await pair[0].readexactly(1)


async def test_orders_come_as_objects() -> None:
    """The words of the command line do what the methods do; anything else is refused by name."""
    async with echo_behind_proxy() as proxy, connected(proxy) as pair:
        for order in (
            {"do": "delay", "seconds": 0},
            {"do": "drop_after", "bytes": 9},
            {"do": "late_reply", "seconds": 0, "count": 2},
            {"do": "half_open"},
            {"do": "reset"},
            {"do": "refuse"},
            {"do": "heal"},
        ):
            await proxy.play(order)
        with pytest.raises(ValueError, match="explode"):
            await proxy.play({"do": "explode"})
        with pytest.raises(ConnectionResetError):
            await pair[0].readexactly(1)
        async with connected(proxy) as again:
            assert await ask(again, b"a") == b"A"
