"""Loopback sockets: bound to a port, and broken on purpose."""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio


def listen(port: int) -> socket.socket:
    """Listen on 127.0.0.1.

    Args:
        port: 0 takes a free one.

    Raises:
        OSError: the port is taken.
    """
    listener = socket.create_server(("127.0.0.1", port), backlog=1024)
    # Accepted sockets inherit it. asyncio would set it only on sockets made with IPPROTO_TCP, which these are not,
    # and then an answer written in two parts waits 40 ms for the peer's delayed ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def free_port() -> int:
    """A port that is free now, for programs that cannot choose one themselves; somebody else may take it first."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def reset_connection(transport: asyncio.BaseTransport) -> None:
    """Close so that the peer gets a TCP RST (connection reset) instead of an orderly end."""
    sock = transport.get_extra_info("socket")
    with contextlib.suppress(OSError):  # it is closed already
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()  # type: ignore[attr-defined]
