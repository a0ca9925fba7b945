"""The page on which a person sees the orders and says what was done: /, in Chinese or (`?lang=en`) in English."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

from fastapi import HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from simulators.ticketing.store import ACTIONS, Record, Store, possible
from simulators.ticketing.words import LEVELS, SCRIPT, STYLE, WORDS, Words

if TYPE_CHECKING:
    from fastapi import FastAPI

_SHOWN = 200


def add_page(app: FastAPI, store: Store, timezone: str) -> None:
    """Give the application the page and the form posts behind its buttons."""
    zone = ZoneInfo(timezone)

    @app.get("/", include_in_schema=False)
    async def page(lang: str = "zh") -> HTMLResponse:
        nonce = secrets.token_urlsafe(16)
        policy = f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; form-action 'self'"
        html = render(store.find(limit=_SHOWN), lang if lang in WORDS else "zh", datetime.now(UTC), zone, nonce)
        return HTMLResponse(html, headers={"Content-Security-Policy": policy, "Cache-Control": "no-store"})

    @app.post("/orders/{order_id}/{action}", include_in_schema=False)
    async def act(order_id: str, action: str, request: Request, lang: str = "zh") -> RedirectResponse:
        origin = request.headers.get("origin")
        if origin not in (None, "null", str(request.base_url).rstrip("/")):
            raise HTTPException(403, "this form was sent by another page")
        if action not in ACTIONS:
            raise HTTPException(404, f"there is no action {action}")
        lang = lang if lang in WORDS else "zh"
        form = parse_qs((await request.body()).decode(errors="replace"))
        note = form.get("note", [""])[0][:2000]
        store.act(order_id, action, WORDS[lang].somebody, note)
        return RedirectResponse(f"/?lang={lang}#{order_id}", status_code=303)


def render(orders: list[Record], lang: str, now: datetime, zone: ZoneInfo, nonce: str) -> str:
    """The whole page as HTML; everything that came over the wire is escaped."""
    words = WORDS[lang]
    other = "en" if lang == "zh" else "zh"
    waiting = sum(order["status"] == "open" for order in orders)
    cards = "".join(_card(order, lang, now, zone) for order in orders) or f'<p class="none">{words.no_orders}</p>'
    return (
        f'<!doctype html><html lang="{words.tag}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{words.heading}</title><style nonce="{nonce}">{STYLE}</style></head><body>'
        f"<header><div><h1>{words.heading}</h1><p>{words.summary.format(all=len(orders), open=waiting)}</p></div>"
        f'<a href="/?lang={other}" lang="{WORDS[other].tag}">{WORDS[other].name}</a></header>'
        f"<main>{cards}</main><footer>{words.footer}</footer>"
        f'<script nonce="{nonce}">{SCRIPT}</script></body></html>'
    )


def _card(order: Record, lang: str, now: datetime, zone: ZoneInfo) -> str:
    words = WORDS[lang]
    level, status = order["level"], order["status"]
    place = " · ".join(filter(None, [order["site"], order["building"], order["asset_name"][lang]]))
    households = " · " + words.households.format(n=order["households"]) if order["households"] else ""
    late = f'<span class="late">{words.late}</span>' if order["late"] else ""
    return (
        f'<article id="{escape(order["id"])}" class="level{level} {status}">'
        f'<div class="top"><span class="badge">{LEVELS[level]} {words.levels[level]}</span>'
        f'<span class="status">{words.statuses[status]}</span>{_countdown(order, words, now)}</div>'
        f"<h2>{escape(order['title'][lang])}</h2>"
        f'<p class="place">{escape(place)} <code>{escape(order["asset"])}</code>{households} {late}</p>'
        f"{_evidence(order, words, zone)}"
        f"{_why(order, words, lang)}<dl><dt>{words.cause}</dt><dd>{escape(order['cause'][lang])}</dd>"
        f"<dt>{words.consequence}</dt><dd>{escape(order['consequence'][lang])}</dd></dl>"
        f"{_steps(order, words, lang)}{_notes(order, words, lang, zone)}{_done_by(order, words, zone)}"
        f"{_buttons(order, words, lang)}"
        f'<p class="fine">{escape(order["id"])} · {escape(order["rule"])} · {escape(order["basis"])}</p></article>'
    )


def _countdown(order: Record, words: Words, now: datetime) -> str:
    """Minutes left until somebody must have answered; nothing once somebody has."""
    if order["status"] != "open":
        return ""
    due = datetime.fromisoformat(order["respond_by"])
    seconds = int((due - now).total_seconds())
    text = words.left if seconds >= 0 else words.over
    minutes, rest = divmod(abs(seconds), 60)
    shown = text.format(f"{minutes}:{rest:02d}")
    kind = "due" if seconds >= 0 else "due over"
    return (
        f'<span class="{kind}" data-due="{int(due.timestamp() * 1000)}"'
        f' data-left="{words.left}" data-over="{words.over}">{shown}</span>'
    )


def _evidence(order: Record, words: Words, zone: ZoneInfo) -> str:
    items = "".join(
        f"<li><code>{_breakable(seen['point'].removeprefix(order['asset'] + '.'))}</code>"
        f"<b>{escape(_value(seen['value']))} {escape(seen['unit'])}"
        f"{'' if seen['quality'] == 'good' else ' <i>' + words.qualities[seen['quality']] + '</i>'}</b>"
        f"<small>{words.limit} {escape(seen['limit'])} · {_moment(seen['at'], zone)}</small></li>"
        for seen in order["observed"]
    )
    return f'<ul class="evidence">{items}</ul>' if items else ""


def _breakable(name: str) -> str:
    """Let a long name break after its underscores and dots, and nowhere else."""
    return escape(name).replace("_", "_<wbr>").replace(".", ".<wbr>")


def _why(order: Record, words: Words, lang: str) -> str:
    """Orders of other gateways may come without an explanation."""
    why = order.get("explanation")
    return f"<dl><dt>{words.why}</dt><dd>{escape(why[lang])}</dd></dl>" if why else ""


def _steps(order: Record, words: Words, lang: str) -> str:
    items = "".join(f"<li>{escape(step[lang])}</li>" for step in order["steps"])
    return f"<details><summary>{words.steps}</summary><ol>{items}</ol></details>" if items else ""


def _notes(order: Record, words: Words, lang: str, zone: ZoneInfo) -> str:
    items = "".join(
        f'<li class="{note["kind"]}"><b>{words.notes[note["kind"]]}</b> {_moment(note["at"], zone)}'
        f" {escape(note['text'][lang])}</li>"
        for note in order["notes"]
    )
    return f'<ul class="notes">{items}</ul>' if items else ""


def _done_by(order: Record, words: Words, zone: ZoneInfo) -> str:
    if not order["by"]:
        return ""
    note = f" — {escape(order['note'])}" if order["note"] else ""
    moment = _moment(order["changed_at"], zone)
    return f'<p class="by">{words.statuses[order["status"]]} · {escape(order["by"])} · {moment}{note}</p>'


def _buttons(order: Record, words: Words, lang: str) -> str:
    actions = [action for action in possible(order["status"]) if action in words.actions]
    if not actions:
        return ""
    buttons = "".join(
        f'<button class="{action}" formaction="/orders/{escape(order["id"])}/{action}?lang={lang}">'
        f"{words.actions[action]}</button>"
        for action in actions
    )
    field = f'<input name="note" maxlength="2000" placeholder="{words.remark}" aria-label="{words.remark}">'
    return f'<form method="post">{field}<div class="buttons">{buttons}</div></form>'


def _value(value: float | str | None) -> str:
    return "—" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def _moment(text: str | None, zone: ZoneInfo) -> str:
    if text is None:
        return "—"
    return datetime.fromisoformat(text).astimezone(zone).strftime("%m-%d %H:%M:%S")
