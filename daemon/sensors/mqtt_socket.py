"""A socket with two readers: we take all that has arrived, paho gets the packets that we hand on."""

from __future__ import annotations

import ssl
from typing import Any

READ_BYTES = 64 * 1024


class BufferedSocket:
    """Between paho and its socket: paho reads only what it is fed."""

    def __init__(self, real: Any) -> None:  # noqa: ANN401  socket, SSLSocket or paho's own
        self.real = real
        #: TLS gives one record at a time, be it small, and may have more.
        self.by_records = isinstance(real, ssl.SSLSocket)
        self.fed = b""
        self.ended: OSError | None = None

    def recv(self, length: int) -> bytes:
        """What we handed on; BlockingIOError when it is used up, the connection's error once it is gone."""
        found, self.fed = self.fed[:length], self.fed[length:]
        if not found:
            raise self.ended or BlockingIOError
        return found

    def read(self) -> bytes:
        """What has arrived; empty when nothing has.

        Raises:
            OSError: the connection is gone, ConnectionResetError also when it was closed in good order.
        """
        try:
            data: bytes = self.real.recv(READ_BYTES)
        except (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return b""
        if not data:
            raise ConnectionResetError("the broker closed the connection")
        return data

    def pending(self) -> int:
        """Bytes already taken from the socket and decrypted, of which the event loop cannot know."""
        return int(self.real.pending()) if self.by_records else 0

    def send(self, data: bytes) -> int:
        """As the socket does."""
        return int(self.real.send(data))

    def send_some(self, data: bytes) -> int:
        """Send what fits at once; how much that was. A broken connection takes nothing, and shows when read."""
        try:
            return int(self.real.send(data))
        except (OSError, ValueError):
            return 0

    def setblocking(self, flag: bool) -> None:  # noqa: FBT001  the socket's own signature
        """As the socket does."""
        self.real.setblocking(flag)

    def fileno(self) -> int:
        """As the socket does."""
        return int(self.real.fileno())

    def close(self) -> None:
        """As the socket does."""
        self.real.close()
