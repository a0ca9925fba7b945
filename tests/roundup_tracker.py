"""A real tracker for tests: Roundup, set up anew in a folder and served on a loopback port, with two users."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.mqtt_peers import free_port

_BIN = Path(sys.executable).parent
#: Who works there, and with which password.
PEOPLE = {"gateway": "gateway-password", "zhang": "zhang-password"}


@dataclass(frozen=True, slots=True)
class Tracker:
    """A running tracker."""

    port: int

    @property
    def url(self) -> str:
        """Where it is, without a final slash."""
        return f"http://127.0.0.1:{self.port}/repairs"

    async def ask(self, method: str, path: str, body: object = None, *, who: str = "zhang", etag: str = "") -> Any:  # noqa: ANN401  JSON
        """One request over its REST interface, as `who`; the `data` of the answer."""
        headers = {"X-Requested-With": "rest", "Origin": f"http://127.0.0.1:{self.port}"}
        if etag:
            headers["If-Match"] = etag
        headers["Authorization"] = aiohttp.encode_basic_auth(who, PEOPLE[who])
        async with (
            aiohttp.ClientSession(headers=headers) as http,
            http.request(method, f"{self.url}/rest/data/{path}", json=body) as answer,
        ):
            told = await answer.json(content_type=None)
            assert answer.status in (200, 201), told
            return told["data"]

    async def issues(self) -> list[dict[str, Any]]:
        """Every issue: id, title, status, priority, messages."""
        fields = "title,status,priority,messages,actor.username"
        found = await self.ask("GET", f"issue?@verbose=2&@fields={fields}&@sort=id")
        return list(found["collection"])

    async def said(self, issue: dict[str, Any]) -> list[str]:
        """The texts of an issue's messages."""
        numbers = [message["id"] for message in issue["messages"]]
        return [(await self.ask("GET", f"msg/{n}?@verbose=3"))["attributes"]["content"] for n in numbers]

    async def set(self, number: str, **changes: str) -> None:
        """A person changes an issue."""
        for _ in range(20):  # whoever is told that it has changed meanwhile looks again
            issue = await self.ask("GET", f"issue/{number}")
            try:
                await self.ask("PUT", f"issue/{number}", changes, etag=issue["@etag"])
            except AssertionError as error:
                if "If-Match" not in str(error):
                    raise
            else:
                return
        raise AssertionError(f"issue {number} changes all the time")


@contextlib.asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Tracker]:
    """Set a tracker up in `folder` and serve it while the context is open."""
    tracker, home = Tracker(free_port()), folder / "repairs"
    settings = {
        "admin_email": "admin@example.com",
        "mail_domain": "example.com",
        "mailhost": "127.0.0.1",
        "tracker_web": f"{tracker.url}/",
        "rdbms_backend": "sqlite",
        "password_pbkdf2_default_rounds": "1000",  # each request proves its password anew
    }
    await _administer(home, "install", "classic", "sqlite", ",".join(f"{k}={v}" for k, v in settings.items()))
    await _administer(home, "initialise", "admin-password")
    for name, password in PEOPLE.items():
        person = (f"username={name}", f"password={password}", "roles=User", f"address={name}@example.com")
        await _administer(home, "create", "user", *person)
    as_root = ("-u", "root") if os.geteuid() == 0 else ()
    server = await asyncio.create_subprocess_exec(
        *(str(_BIN / "roundup-server"), *as_root, "-t", "thread", "-n", "127.0.0.1", "-p", str(tracker.port)),
        *("-l", str(folder / "roundup.log"), f"repairs={home}"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await _answers(tracker, server)
        yield tracker
    finally:
        if server.returncode is None:
            server.kill()
            await server.wait()


async def _administer(home: Path, *arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(str(_BIN / "roundup-admin"), "-i", str(home), *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    told, _ = await process.communicate()
    assert process.returncode == 0, told.decode()


async def _answers(tracker: Tracker, server: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(20), aiohttp.ClientSession() as http:
        while True:
            assert server.returncode is None, "roundup-server has ended"
            with contextlib.suppress(aiohttp.ClientError):
                async with http.get(f"{tracker.url}/rest/"):
                    return
            await asyncio.sleep(0.05)
