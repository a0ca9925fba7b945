"""The control socket: one JSON line asks, one JSON line answers; and the lock that keeps a second start out."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from daemon.model import ConfigError

#: A command by name: its arguments in, its answer out; a ValueError becomes `{"error": …}`.
Command = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]

_MOST_BYTES = 64 * 1024


@contextlib.contextmanager
def exclusive(directory: Path) -> Iterator[None]:
    """Hold the state directory alone.

    Raises:
        ConfigError: another process holds it, or it cannot be written; nothing was touched.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o750)
        file = (directory / "lock").open("a+")
    except OSError as error:
        raise ConfigError(
            [f"{directory}: cannot be used as state_dir: {error.strerror}; correct its rights"]
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise ConfigError(
                [f"{directory}: another precomplaint runs here (pid {holder}); stop it, or set another state_dir"]
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


@contextlib.contextmanager
def _address(path: Path) -> Iterator[None]:
    """The socket's path, free and, while it is bound, with the rights it is to have."""
    path.unlink(missing_ok=True)  # left behind by a kill; the state lock says that nobody lives there
    before = os.umask(0o117)
    try:
        yield
    finally:
        os.umask(before)


@contextlib.asynccontextmanager
async def serving(path: Path, commands: Mapping[str, Command]) -> AsyncIterator[None]:
    """Answer on a Unix socket (mode 0660) while the block runs.

    Raises:
        ConfigError: there can be no socket at that place.
    """

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await reader.readline()
            writer.write(orjson.dumps(await _execute(commands, line)) + b"\n")
            await writer.drain()
        except (ConnectionError, ValueError):
            pass  # whoever asked went away, or asked more than the limit: there is nobody to tell
        finally:
            writer.close()

    try:
        with _address(path):
            server = await asyncio.start_unix_server(answer, path, limit=_MOST_BYTES)
    except OSError as error:
        what = error.strerror or str(error)  # a path of more than 107 bytes has no errno of its own
        raise ConfigError(
            [f"{path}: no control socket can be made here: {what}; make its directory, or correct control_socket"]
        ) from error
    async with server:
        try:
            yield
        finally:
            os.unlink(path)  # noqa: PTH108  Python does it from 3.13 on; it waits for nothing


async def _execute(commands: Mapping[str, Command], line: bytes) -> dict[str, Any]:
    try:
        request = orjson.loads(line)
        name = request.pop("command")
        command = commands[name]
    except (orjson.JSONDecodeError, AttributeError, TypeError):
        return {"error": 'write one JSON object a line: {"command": "status"}'}
    except KeyError:
        return {"error": f"unknown command; known: {', '.join(sorted(commands))}"}
    try:
        return await command(request)
    except ConfigError as error:
        return {"error": "the configuration has faults; what ran before goes on", "faults": error.faults}
    except ValueError as error:
        return {"error": str(error)}


async def ask(path: Path, command: str, **arguments: object) -> dict[str, Any]:
    """Send one command to a running daemon.

    Raises:
        ConfigError: nobody answers on that socket.
    """
    try:
        reader, writer = await asyncio.open_unix_connection(path, limit=16 * 1024 * 1024)
    except OSError as error:
        raise ConfigError([f"{path}: no daemon answers here ({error.strerror}); is precomplaint running?"]) from error
    try:
        writer.write(orjson.dumps({"command": command, **arguments}) + b"\n")
        await writer.drain()
        line = await reader.readline()
    finally:
        writer.close()
    if not line:
        raise ConfigError([f"{path}: the daemon went away before it answered; read its log"])
    answer: dict[str, Any] = orjson.loads(line)
    return answer
