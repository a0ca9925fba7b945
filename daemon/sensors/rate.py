"""A limit on how fast the messages of one topic may come: a box that chatters costs its own messages, nobody else's."""

from __future__ import annotations

from datetime import datetime

#: Topics watched at once; beyond it, all begin anew with what they may send at once.
_MOST_TOPICS = 4096


class RateLimit:
    """A bucket of messages for each topic: so many at once, refilled at so many a second."""

    def __init__(self, per_second: float, at_once: int) -> None:
        self._per_second = per_second
        self._at_once = float(at_once)
        #: By topic: what may come yet, and when that was true.
        self._left: dict[str, tuple[float, datetime]] = {}

    def admit(self, topic: str, at: datetime) -> bool:
        """Whether a message that came at this moment is within the limit; one before the last counts as the last."""
        known = self._left.get(topic)
        if known is None:
            if len(self._left) >= _MOST_TOPICS:
                self._left.clear()
            left = self._at_once
        else:
            before, since = known
            at = max(at, since)
            left = min(self._at_once, before + max(0.0, (at - since).total_seconds()) * self._per_second)
        self._left[topic] = (left - 1.0 if left >= 1.0 else left, at)
        return left >= 1.0
