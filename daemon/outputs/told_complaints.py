"""A complaint as it crosses a wire, the ticketing service's or the control socket's, and as the inputs have it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from daemon.clock import to_whole_ms
from daemon.complaint import Complaint, tidy

_WORDS = ("asset", "building", "asset_kind", "category", "urgency", "channel", "text")


def heard(told: Mapping[str, Any], at: datetime) -> Complaint:
    """The complaint, within bounds; `at` is site time at which it is heard.

    Raises:
        ValueError: it has no id, or no moment with an offset; its text is never part of the message.
    """
    name, made = told.get("id"), told.get("at")
    if not isinstance(name, str) or not name.strip():
        raise ValueError("a complaint has no id")
    try:
        told_at = datetime.fromisoformat(str(made))
        made_at = to_whole_ms(told_at.astimezone(UTC))
    except (ValueError, OverflowError) as error:
        raise ValueError(f"complaint {name[:40]!r}: `at` is no moment: {error}") from error
    if told_at.tzinfo is None:
        raise ValueError(f"complaint {name[:40]!r}: `at` has no offset from UTC")
    words = {what: str(told.get(what) or "") for what in _WORDS}
    return tidy(Complaint(at, name, made_at, **words))


def as_told(said: Complaint) -> dict[str, str]:
    """The same as JSON; `heard` reads it."""
    return {"id": said.id, "at": said.made_at.isoformat(), **{what: getattr(said, what) for what in _WORDS}}
