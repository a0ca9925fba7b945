"""A TCP proxy that breaks on demand: the bad network between the gateway and whatever it talks to.

    client ── 127.0.0.1:port ──> FaultProxy ── pump up ──> target
           <──────────────────────────────── pump down ──

Faults are switched at run time, by methods or, on the command line, by one JSON object a line on stdin:
`{"do": "refuse"}`, `{"do": "delay", "seconds": 0.5}`, …
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Self

from simulators.sockets import listen, reset_connection

if TYPE_CHECKING:
    from collections.abc import Mapping

_CHUNK = 65_536


class FaultProxy:
    """Forwards TCP connections, until told otherwise.

    Args:
        target_port: where to forward to.
        target_host: its host.
        port: where to listen on 127.0.0.1; 0 takes a free one.
    """

    def __init__(self, target_port: int, *, target_host: str = "127.0.0.1", port: int = 0) -> None:
        self._target = (target_host, target_port)
        #: Where it listens, known once it has started.
        self.port = port
        self.connections_total = 0
        self.bytes_up = 0
        self.bytes_down = 0
        self._server: asyncio.Server | None = None
        self._live: dict[asyncio.Task[None], list[asyncio.StreamWriter]] = {}
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._delay = 0.0
        self._drop_after: int | None = None
        self._late: list[float] = []

    async def __aenter__(self) -> Self:
        await self._open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()
        for task in (tasks := list(self._live)):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def connections(self) -> int:
        """Connections alive now."""
        return len(self._live)

    async def refuse(self) -> None:
        """Reset what is connected and refuse whoever comes: the target's host is up, its program is not."""
        await self._close()
        self.reset()

    def reset(self) -> None:
        """Reset every live connection (TCP RST on both sides); new ones are forwarded as before."""
        for writers in self._live.values():
            for writer in writers:
                reset_connection(writer.transport)

    def half_open(self) -> None:
        """Accept, and say nothing more, on old connections and new ones: a cable was cut."""
        self._flowing.clear()

    def delay(self, seconds: float) -> None:
        """Hold every chunk of bytes, in both directions, for so long: a slow link."""
        self._delay = seconds

    def drop_after(self, count: int) -> None:
        """Let so many more bytes through, both directions together, then reset the connection that carried them."""
        self._drop_after = count

    def late_reply(self, seconds: float, count: int = 1) -> None:
        """Hold each of the next `count` chunks from the target for so long; requests pass at once."""
        self._late += [seconds] * count

    async def heal(self) -> None:
        """End every fault; what a half-open connection held back goes on its way."""
        self._delay, self._drop_after = 0.0, None
        self._late.clear()
        self._flowing.set()
        if self._server is None:
            await self._open()

    async def play(self, order: Mapping[str, object]) -> None:
        """Do what a decoded JSON object says.

        Raises:
            ValueError: it says nothing known.
        """
        match order:
            case {"do": "refuse"}:
                await self.refuse()
            case {"do": "reset"}:
                self.reset()
            case {"do": "half_open"}:
                self.half_open()
            case {"do": "delay", "seconds": int() | float() as seconds}:
                self.delay(seconds)
            case {"do": "drop_after", "bytes": int() as count}:
                self.drop_after(count)
            case {"do": "late_reply", "seconds": int() | float() as seconds, **rest}:
                times = rest.get("count", 1)
                self.late_reply(seconds, times if isinstance(times, int) else 1)
            case {"do": "heal"}:
                await self.heal()
            case _:
                raise ValueError(f"unknown order {json.dumps(order)}")

    async def _open(self) -> None:
        listener = listen(self.port)
        self.port = listener.getsockname()[1]
        self._server = await asyncio.start_server(self._serve, sock=listener)

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Only leaving cancels it. Up to Python 3.11 asyncio calls that a fault of ours, loudly.
        with contextlib.suppress(asyncio.CancelledError):
            await self._serve_one(reader, writer)

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  a connection's callback always runs in one
        writers = self._live[task] = [writer]
        self.connections_total += 1
        try:
            await self._flowing.wait()
            target_reader, target_writer = await asyncio.open_connection(*self._target)
            writers.append(target_writer)
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump_up(reader, target_writer), name="pump up")
                pumps.create_task(self._pump_down(target_reader, writer), name="pump down")
        except* OSError:
            self._reset(writers)
        finally:
            del self._live[task]
            for each in writers:
                each.close()

    async def _pump_up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(_CHUNK):
            self.bytes_up += await self._forward(chunk, writer, self._delay)
        await self._end(writer)

    async def _pump_down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(_CHUNK):
            late = self._late.pop(0) if self._late else 0.0
            self.bytes_down += await self._forward(chunk, writer, self._delay + late)
        await self._end(writer)

    async def _forward(self, chunk: bytes, writer: asyncio.StreamWriter, hold: float) -> int:
        if hold:
            await asyncio.sleep(hold)
        await self._flowing.wait()
        if self._drop_after is not None:
            chunk, cut = chunk[: self._drop_after], len(chunk) >= self._drop_after
            self._drop_after -= len(chunk)
            writer.write(chunk)
            await writer.drain()
            if cut:
                self._drop_after = None
                raise ConnectionResetError("dropped on demand")
            return len(chunk)
        writer.write(chunk)
        await writer.drain()
        return len(chunk)

    async def _end(self, writer: asyncio.StreamWriter) -> None:
        """Pass on that one side has nothing more to say."""
        await self._flowing.wait()
        with contextlib.suppress(OSError):
            writer.write_eof()

    @staticmethod
    def _reset(writers: list[asyncio.StreamWriter]) -> None:
        for writer in writers:
            reset_connection(writer.transport)
