"""The preset pagerduty-v2 against a stand-in that looks at each event as the real service does, over real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator

import orjson
import pytest

from daemon import settings
from daemon.clock import SiteClock
from daemon.documents import build, parse
from daemon.model import Reject, Retry, Site, Text
from daemon.outputs.sink import Capability
from daemon.outputs.ticketing.declared import DeclaredSink
from daemon.outputs.ticketing.names import sample_body, sample_note, sample_order
from daemon.outputs.ticketing.presets import lay_under
from daemon.outputs.ticketing.shape import DeclaredConfig
from simulators import pagerduty

SITE = Site("hy", Text("鸿源小区", "Hongyuan"))
KEY = sample_order(SITE).key


def config(events: pagerduty.Events, routing_key: str = "r0uting") -> DeclaredConfig:
    """The few lines that a site writes."""
    told = f"ticketing: {{preset: pagerduty-v2, url: '{events.url}', secrets: {{routing_key: {routing_key}}}}}"
    laid = lay_under(parse(told, "gateway.yaml"), settings.shipped() / "ticketing" / "presets")
    return build(DeclaredConfig, parse(orjson.dumps(laid.data["ticketing"]).decode(), "ticketing"))


@pytest.fixture
async def events() -> AsyncIterator[pagerduty.Events]:
    async with pagerduty.serving("r0uting") as service:
        yield service


async def test_an_order_is_an_incident_until_it_has_recovered(events: pagerduty.Events) -> None:
    """Create and update trigger under one key, recovery resolves, a second handling opens it again."""
    async with DeclaredSink(config(events), SITE, SiteClock()) as sink:
        ref = await sink.create(KEY, sample_body(SITE))
        again = await sink.create(KEY, sample_body(SITE))
        for kind in ("update", "recovery", "reopen", "verified"):
            await sink.note(ref, f"{KEY}#{kind}", sample_note(SITE, kind))
            await sink.note(ref, f"{KEY}#chart", sample_note(SITE, "chart"))  # pages nobody

    assert sink.capability is Capability.KEY
    assert ref == again == KEY
    assert [len(incident.triggers) for incident in events.incidents] == [3, 1]
    assert not any(incident.is_open for incident in events.incidents)
    actions = [event["event_action"] for event in events.taken]
    assert actions == ["trigger", "trigger", "trigger", "resolve", "trigger", "resolve"]
    assert {event["dedup_key"] for event in events.taken} == {KEY}


async def test_an_event_says_what_is_wrong_and_where(events: pagerduty.Events) -> None:
    """In the members that the service knows, and in no others."""
    async with DeclaredSink(config(events), SITE, SiteClock()) as sink:
        await sink.create(KEY, sample_body(SITE))

    payload = events.taken[0]["payload"]
    details = payload.pop("custom_details")
    assert payload == {
        "summary": "3号楼1号电梯：电梯困人 People trapped in the lift",
        "source": "hy/LIFT-1",
        "severity": "critical",
        "timestamp": "2026-11-21T22:26:40.000Z",
        "component": "LIFT-1",
        "group": "3号楼",
        "class": "lift-entrapment",
    }
    assert details["steps"] == ["通过对讲安抚被困人员", "通知维保单位"]
    assert details["priority"]["score"] == 288


async def test_an_order_with_everything_too_long_is_taken(events: pagerduty.Events) -> None:
    """Key and summary are cut to what the service takes, and the key stays one of its own."""
    keys = [f"hy|{'a' * 400}|rule|led|{n}" for n in (1, 2)]
    order = orjson.loads(sample_body(SITE))
    order["title"] = {"zh": "漏" * 5000, "en": "leak " * 5000}
    async with DeclaredSink(config(events), SITE, SiteClock()) as sink:
        for key in keys:
            await sink.create(key, orjson.dumps({**order, "key": key}))

    assert len({event["dedup_key"] for event in events.taken}) == 2
    assert all(len(event["dedup_key"]) == 255 for event in events.taken)


@pytest.mark.parametrize("level", ["I", "II", "III"])
async def test_levels_are_severities(events: pagerduty.Events, level: str) -> None:
    """All three have one that the service knows."""
    body = orjson.dumps({**orjson.loads(sample_body(SITE)), "level": level})
    async with DeclaredSink(config(events), SITE, SiteClock()) as sink:
        await sink.create(KEY, body)

    assert events.taken[0]["payload"]["severity"] == {"I": "critical", "II": "error", "III": "warning"}[level]


async def test_a_wrong_routing_key_is_told_and_not_shown(events: pagerduty.Events) -> None:
    """The service refuses the event for good; the key is in no message."""
    async with DeclaredSink(config(events, "wr0ng"), SITE, SiteClock()) as sink:
        with pytest.raises(Reject, match="Event object is invalid") as caught:
            await sink.create(KEY, sample_body(SITE))

    assert "wr0ng" not in str(caught.value)


async def test_too_many_events_wait(events: pagerduty.Events) -> None:
    """429 is no refusal."""
    events.refusals.append(429)
    async with DeclaredSink(config(events), SITE, SiteClock()) as sink:
        with pytest.raises(Retry, match="throttled") as caught:
            await sink.create(KEY, sample_body(SITE))

    assert not caught.value.ambiguous


async def test_it_tells_nothing_back(events: pagerduty.Events) -> None:
    """Who took an order on enters by `orders stamp` or by a webhook."""
    async with DeclaredSink(config(events), SITE, SiteClock()) as sink:
        page = await sink.changes("", ())
        with pytest.raises(Reject, match="no request for open tickets"):
            await sink.open_tickets()

    assert (page.cursor, page.changes) == ("", ())
