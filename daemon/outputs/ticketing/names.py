"""What placeholders may name, by request; and a made-up order, on which templates are looked at before any is sent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import orjson

from daemon.model import Level, Observed, Quality, Site, Text, WorkOrder, from_ms
from daemon.outputs.ticketing.marker import code, marker
from daemon.outputs.ticketing.shape import DeclaredConfig
from daemon.workorders.evidence import document, numbers, stamp, words

_AT = from_ms(1_795_300_000_000)
_MASKED = "***"
_SOME_REF = "T000001"


def service(config: DeclaredConfig, *, masked: bool = False) -> dict[str, Any]:
    """What is the same for every request; `masked`: with the secrets hidden."""
    parts = urlsplit(config.url)
    secrets = {name: _MASKED if masked else secret.get_secret_value() for name, secret in config.secrets.items()}
    user = config.auth.basic.username if config.auth is not None and config.auth.basic is not None else ""
    return {
        "url": config.url.rstrip("/"),
        "origin": f"{parts.scheme}://{parts.netloc}",
        "user": user,
        "secret": secrets,
    }


def order(key: str) -> dict[str, Any]:
    """What an order's key alone tells: `site|asset|rule|ledger-id|alarm-no`."""
    parts = [*key.split("|"), "", "", ""]
    return {"key": key, "marker": marker(key), "code": code(key), "site": parts[0], "asset": parts[1], "rule": parts[2]}


def body(raw: bytes) -> dict[str, Any]:
    """A document as it stands in the outbox."""
    told = orjson.loads(raw)
    return told if isinstance(told, dict) else {}


def note(ref: str, note_key: str, raw: bytes) -> dict[str, Any]:
    """For a note on the ticket `ref`; its key is the order's, `#`, and a digest."""
    return order(note_key.rpartition("#")[0] or note_key) | body(raw) | {"ref": ref, "note_key": note_key}


# --- a made-up order ---------------------------------------------------------------------------------------


def sample_order(site: Site) -> WorkOrder:
    """An order such as any site may have, every field of it filled."""
    return WorkOrder(
        key=f"{site.id}|LIFT-1|lift-entrapment|0123abcd|7",
        alarm_no=7,
        site=site.id,
        building="3号楼",
        asset="LIFT-1",
        asset_name=Text("3号楼1号电梯", "Building 3, lift 1"),
        asset_kind="lift",
        rule="lift-entrapment",
        rules_hash="0123456789abcdef",
        level=Level.I,
        category="safety",
        type="incident",
        title=Text("电梯困人", "People trapped in the lift"),
        explanation=Text("轿厢停在非门区，有人", "The car stands between floors with people in it"),
        cause=Text("门锁回路断开", "The door lock circuit is open"),
        consequence=Text("人员被困", "People are trapped"),
        steps=(
            Text("通过对讲安抚被困人员", "Calm those trapped over the intercom"),
            Text("通知维保单位", "Call the maintainer"),
        ),
        basis="TSG T5002-2017",
        households=96,
        active_at=_AT,
        created_at=_AT + timedelta(seconds=1),
        respond_by=_AT + timedelta(minutes=15),
        observed=(Observed("people", 1.0, "", _AT, Quality.GOOD, "= 1"),),
        impact="trading",
        procedure="entrapment",
        priority=288,
        arithmetic=Text("3（紧急）× 96 户 × 1", "3 (urgent) × 96 households × 1"),
        previous=(f"{site.id}|LIFT-1|lift-entrapment|0123abcd|3",),
    )


def sample_body(site: Site) -> bytes:
    """Its document."""
    return orjson.dumps(document(sample_order(site)))


def sample_note(site: Site, kind: str) -> bytes:
    """A note on it."""
    made = sample_order(site)
    said = Text("传感器显示已自行恢复，请确认原因", "Recovered by itself; please find the cause")
    told = {"kind": kind, "at": stamp(_AT), "text": words(said), "level": "I", "observed": numbers(made.observed)}
    if kind == "chart":
        drawn = {"occasion": "created", "media_type": "image/svg+xml", "data": "<svg/>", "alt": words(said)}
        told |= {"kind": "update", "chart": drawn}
    return orjson.dumps(told)


def sample(request: str, config: DeclaredConfig, site: Site, kept: Mapping[str, Any]) -> dict[str, Any]:
    """What the placeholders of one request may name, on the made-up order; secrets are hidden.

    Args:
        request: its name, as in `Requests`.
        config: the service.
        site: whose gateway this is.
        kept: values of earlier answers.
    """
    values = service(config, masked=True) | {"kept": dict(kept), "site": site.id, "site_name": words(site.name)}
    key = sample_order(site).key
    if config.login is not None and request != "login":
        values["login"] = dict.fromkeys(config.login.keep, _MASKED)
    made = order(key)
    own: dict[str, dict[str, Any]] = {
        "create": made | body(sample_body(site)),
        "search": made | {"page": 1},
        "ticket": made | {"ref": _SOME_REF},
        "changes": {"since": stamp(_AT), "page": 1},
        "open": {"page": 1},
        "login": {},
    }
    if request in own:
        return values | own[request]
    return values | note(_SOME_REF, f"{key}#0123456789abcdef", sample_note(site, request))
