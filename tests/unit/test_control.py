from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from daemon import control
from daemon.model import ConfigError


async def hello(arguments: dict[str, Any]) -> dict[str, Any]:
    if "name" not in arguments:
        raise ValueError("hello needs `name`")
    return {"hello": arguments["name"]}


async def test_a_command_is_answered_in_one_line(tmp_path: Path) -> None:
    """A known command answers; an unknown one, a wrong one and no JSON at all say what to do."""
    path = tmp_path / "c.sock"
    async with control.serving(path, {"hello": hello}):
        assert await control.ask(path, "hello", name="you") == {"hello": "you"}
        assert await control.ask(path, "hello") == {"error": "hello needs `name`"}
        assert await control.ask(path, "sing") == {"error": "unknown command; known: hello"}
        assert stat.S_IMODE(path.stat().st_mode) == 0o660


@pytest.mark.parametrize("line", [b"not json\n", b"[]\n", b"7\n", b"\n"], ids=["text", "list", "number", "nothing"])
async def test_nonsense_is_answered_too(tmp_path: Path, line: bytes) -> None:
    """Whatever is sent, the answer says how to ask."""
    path = tmp_path / "c.sock"
    async with control.serving(path, {"hello": hello}):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(line)

        assert b"write one JSON object" in await reader.readline()
        writer.close()


@pytest.mark.parametrize("place", ["nowhere/c.sock", "x" * 200], ids=["no such directory", "too long"])
async def test_a_place_where_no_socket_can_be_is_named(tmp_path: Path, place: str) -> None:
    """A missing directory, and a path longer than an address may be."""
    with pytest.raises(ConfigError, match=f"{place}: no control socket can be made here"):
        async with control.serving(tmp_path / place, {}):
            pass


async def test_a_missing_daemon_is_said_plainly(tmp_path: Path) -> None:
    """Asking where nobody listens names the socket and asks the right question."""
    with pytest.raises(ConfigError, match="no daemon answers here"):
        await control.ask(tmp_path / "none.sock", "status")


def test_a_second_start_is_refused_with_the_holder(tmp_path: Path) -> None:
    """The state directory has one holder; the message names its pid."""
    with (
        control.exclusive(tmp_path),
        pytest.raises(ConfigError, match=f"another precomplaint runs here .pid {os.getpid()}."),
        control.exclusive(tmp_path),
    ):
        pass


def test_the_directory_is_free_again_afterwards(tmp_path: Path) -> None:
    """A lock left behind by a kill holds nobody out."""
    with control.exclusive(tmp_path):
        pass

    with control.exclusive(tmp_path):
        assert (tmp_path / "lock").read_text() == str(os.getpid())
