"""The port to people: one channel is one group, mailbox or service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from daemon.model import Level


@dataclass(frozen=True, slots=True)
class Message:
    """What one sending says."""

    title: str
    #: Plain text, lines separated by line feeds.
    text: str
    #: The most urgent level in it: channels mention persons at Level I only.
    level: Level


class Channel(Protocol):
    """Sends messages. Peers have no idempotency keys: what timed out may have arrived all the same."""

    #: For messages to a person; never holds a secret.
    address: str
    #: What the peer takes in one message, title, line feed and text in UTF-8: more is cut off.
    most_bytes: int

    async def send(self, message: Message) -> None:
        """Send one message, cut to what the peer takes.

        A peer that answers success in HTTP and refusal in the body has refused.

        Raises:
            Retry: not now (`after` when the peer throttles); `ambiguous` when it may have arrived.
            Reject: this channel will never take it as it is set up: a person must look.
        """
        ...


def cut(text: str, most_bytes: int) -> str:
    """The beginning of a text that is at most so many bytes in UTF-8, marked when something is missing."""
    if len(text.encode()) <= most_bytes:
        return text
    mark = "…"
    return text.encode()[: most_bytes - len(mark.encode())].decode(errors="ignore") + mark
