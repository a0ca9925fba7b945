"""A service of the shape of PagerDuty's Events API v2, as small as can be: it looks at each event, and keeps incidents.

    POST /v2/enqueue -> 202 {"status": "success", "message": "Event processed", "dedup_key": "…"}
                        400 {"status": "invalid event", "message": "Event object is invalid", "errors": ["…"]}

A trigger with the dedup_key of an open incident adds to it; a resolve closes it; after that the same key opens another.
"""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_ACTIONS = ("trigger", "acknowledge", "resolve")
_SEVERITIES = ("critical", "error", "warning", "info")
_MEMBERS = {"routing_key", "event_action", "dedup_key", "payload", "images", "links", "client", "client_url"}
_PAYLOAD = {"summary", "source", "severity", "timestamp", "component", "group", "class", "custom_details"}
_LONGEST_KEY, _LONGEST_SUMMARY, _MOST_BYTES = 255, 1024, 512 * 1024


@dataclass
class Incident:
    """What came under one dedup_key while it was open."""

    dedup_key: str
    triggers: list[dict[str, Any]] = field(default_factory=list)
    is_open: bool = True


@dataclass
class Events:
    """A running service."""

    routing_key: str
    port: int = 0
    incidents: list[Incident] = field(default_factory=list)
    #: Every event that was taken.
    taken: list[dict[str, Any]] = field(default_factory=list)
    #: Statuses with which the next requests are answered, instead of looking at them.
    refusals: list[int] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where it is, without a final slash."""
        return f"http://127.0.0.1:{self.port}"

    async def enqueue(self, request: web.Request) -> web.Response:
        """Answer an event."""
        if self.refusals:
            return web.json_response({"status": "throttled"}, status=self.refusals.pop(0))
        try:
            event = json.loads(await request.read())
        except ValueError:
            event = None
        errors = _errors(event, self.routing_key)
        if errors:
            refusal = {"status": "invalid event", "message": "Event object is invalid", "errors": errors}
            return web.json_response(refusal, status=400)
        self.taken.append(event)
        self._keep(event)
        told = {"status": "success", "message": "Event processed", "dedup_key": event["dedup_key"]}
        return web.json_response(told, status=202)

    def _keep(self, event: dict[str, Any]) -> None:
        key = event["dedup_key"]
        incident = next((one for one in self.incidents if one.is_open and one.dedup_key == key), None)
        if event["event_action"] == "trigger":
            if incident is None:
                incident = Incident(key)
                self.incidents.append(incident)
            incident.triggers.append(event)
        elif event["event_action"] == "resolve" and incident is not None:
            incident.is_open = False


def _errors(event: Any, routing_key: str) -> list[str]:  # noqa: ANN401  JSON
    if not isinstance(event, dict):
        return ["the event is no JSON object"]
    key = event.get("dedup_key")
    rules = {
        f"unknown members: {sorted(set(event) - _MEMBERS)}": set(event) <= _MEMBERS,
        "'routing_key' is invalid": event.get("routing_key") == routing_key,
        "'event_action' is missing or invalid": event.get("event_action") in _ACTIONS,
        "'dedup_key' is invalid": isinstance(key, str) and 0 < len(key) <= _LONGEST_KEY,
        "the event is too large": len(json.dumps(event)) <= _MOST_BYTES,
    }
    found = [error for error, holds in rules.items() if not holds]
    return found + (_payload_errors(event.get("payload")) if event.get("event_action") == "trigger" else [])


def _payload_errors(payload: Any) -> list[str]:  # noqa: ANN401  JSON
    if not isinstance(payload, dict):
        return ["'payload' is missing or blank"]
    summary, source = payload.get("summary"), payload.get("source")
    words = [payload.get(name, "") for name in ("component", "group", "class")]
    rules = {
        f"unknown members of 'payload': {sorted(set(payload) - _PAYLOAD)}": set(payload) <= _PAYLOAD,
        "'payload.summary' is invalid": isinstance(summary, str) and 0 < len(summary) <= _LONGEST_SUMMARY,
        "'payload.source' is missing or blank": isinstance(source, str) and bool(source),
        "'payload.severity' is missing or blank": payload.get("severity") in _SEVERITIES,
        "'payload.timestamp' is no moment": _is_moment(payload.get("timestamp", "2026-01-01T00:00:00Z")),
        "'payload.component', 'group' or 'class' is no text": all(isinstance(word, str) for word in words),
    }
    return [error for error, holds in rules.items() if not holds]


def _is_moment(text: object) -> bool:
    try:
        return isinstance(text, str) and datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


@asynccontextmanager
async def serving(routing_key: str) -> AsyncIterator[Events]:
    """Serve on 127.0.0.1 while the context is open."""
    events = Events(routing_key)
    app = web.Application()
    app.router.add_post("/v2/enqueue", events.enqueue)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        events.port = runner.addresses[0][1]
        yield events
    finally:
        await runner.cleanup()
