"""Telling a gateway at once what persons did: signed requests, repeated until they are answered with success."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import aiohttp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

_LOOK_EVERY = 0.05
_TRY_AGAIN_AFTER = 0.5


class Hook(NamedTuple):
    """A gateway's webhook."""

    url: str
    #: What requests are signed with.
    secret: str


def signed(secret: str, body: bytes, at: float | None = None) -> dict[str, str]:
    """The headers of a request with that body; `at` in seconds since 1970, now when absent."""
    stamp = str(int(time.time() if at is None else at))
    digest = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"Content-Type": "application/json", "X-Timestamp": stamp, "X-Signature": f"sha256={digest}"}


@asynccontextmanager
async def telling(hook: Hook | None, news: Callable[[int], tuple[int, list[dict[str, Any]]]]) -> AsyncIterator[None]:
    """Tell while the context is open.

    Args:
        hook: where to; None: nobody is told.
        news: given a cursor (0 at first), the next one and what there is after it.
    """
    if hook is None:
        yield
        return
    task = asyncio.create_task(_tell(hook, news), name="hook")
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _tell(hook: Hook, news: Callable[[int], tuple[int, list[dict[str, Any]]]]) -> None:
    cursor = 0
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as http:
        while True:
            after, changes = news(cursor)
            if not changes:
                await asyncio.sleep(_LOOK_EVERY)
                continue
            body = json.dumps({"changes": changes}, ensure_ascii=False).encode()
            try:
                async with http.post(hook.url, data=body, headers=signed(hook.secret, body)) as answer:
                    taken = answer.status < 300
            except (aiohttp.ClientError, TimeoutError):
                taken = False
            if taken:
                cursor = after
            else:
                await asyncio.sleep(_TRY_AGAIN_AFTER)
