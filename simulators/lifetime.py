"""How a stand-in lives as somebody's child: it says once that it is ready and dies with its parent.

parent ── starts ──> child ── {"ready": true, "port": …} ──> parent's pipe
parent ── SIGTERM, SIGINT, or the end of the child's stdin ──> child leaves in good order
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable


def announce(**facts: object) -> None:
    """Print the one line a parent waits for: a JSON object with `ready` and whatever else it needs to know."""
    print(json.dumps({"ready": True, **facts}, ensure_ascii=False), flush=True)


def heed_cancellation() -> None:
    """Be cancelled now, if a library was told so and did not pass it on.

    Up to Python 3.11 `asyncio.wait_for` drops a cancellation that arrives together with the result.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


@asynccontextmanager
async def told_to_stop(
    on_line: Callable[[bytes], Awaitable[None]] | None = None,
) -> AsyncIterator[asyncio.Event]:
    """Give an event that is set by SIGTERM, SIGINT or the end of stdin; enter before announcing.

    Args:
        on_line: awaited with every line that arrives on stdin.
    """
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    follower = asyncio.create_task(_follow_stdin(over, on_line), name="stdin") if _stdin_is_a_pipe() else None
    try:
        yield over
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
        if follower is not None:
            follower.cancel()
            await asyncio.gather(follower, return_exceptions=True)


def _stdin_is_a_pipe() -> bool:
    """Only a pipe or socket has another end that can die; /dev/null is at its end from the start."""
    mode = os.fstat(sys.stdin.fileno()).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


async def _follow_stdin(over: asyncio.Event, on_line: Callable[[bytes], Awaitable[None]] | None) -> None:
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    try:
        while line := await reader.readline():
            if on_line is not None:
                await on_line(line)
    finally:
        over.set()
        transport.close()
