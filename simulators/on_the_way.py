"""What becomes of a device's messages before its broker has them: repeated, swapped, held up, spoilt."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from simulators.message_shape import Message


class OnTheWay:
    """The way of one device's messages; what goes wrong there is drawn from the device's own chance."""

    def __init__(self, device: str) -> None:
        self._chance = random.Random(device)
        #: The first of a pair that is to be swapped.
        self._first: Message | None = None
        #: (simulated second at which it comes out, message)
        self._late: deque[tuple[float, Message]] = deque()

    def passed(self, messages: Iterable[Message], faults: Mapping[str, float | str], now: float) -> Iterator[Message]:
        """What comes out now of what goes in now, and of what went in before."""
        hold = float(faults.get("message_late", 0.0))
        for message in messages:
            each = self._spoilt(message) if "message_garbage" in faults else message
            copies = 1 + int(faults.get("message_flood", "message_duplicate" in faults))
            self._late.extend((now + hold, copy) for copy in self._swapped(each, "message_reorder" in faults) * copies)
        while self._late and (self._late[0][0] <= now or not hold):
            yield self._late.popleft()[1]

    def _swapped(self, message: Message, swapping: bool) -> list[Message]:  # noqa: FBT001  whether it is in force
        if swapping and self._first is None:
            self._first = message
            return []
        first, self._first = self._first, None
        return [message] if first is None else [message, first]

    def _spoilt(self, message: Message) -> Message:
        """Cut short, or bytes that mean nothing."""
        payload = message.payload
        if self._chance.random() < 0.5:
            return replace(message, payload=payload[: self._chance.randrange(len(payload))])
        return replace(message, payload=self._chance.randbytes(len(payload)))
