"""What all pages share: the frame, clocks, moments. Everything that came over the wire is escaped."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from fastapi.responses import HTMLResponse

from simulators.ticketing.states import due
from simulators.ticketing.style import SCRIPT, STYLE
from simulators.ticketing.words import LEVELS, WORDS, Words

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from simulators.ticketing.db import Record


@dataclass(frozen=True, slots=True)
class View:
    """For whom a page is written."""

    lang: str
    now: datetime
    zone: ZoneInfo
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(16))

    @property
    def words(self) -> Words:
        """The page's language."""
        return WORDS[self.lang]

    def moment(self, text: str | None) -> str:
        """Month, day and time in the site's zone."""
        if text is None:
            return "—"
        return datetime.fromisoformat(text).astimezone(self.zone).strftime("%m-%d %H:%M:%S")

    def moment_of(self, text: str) -> datetime:
        """To sort by."""
        return datetime.fromisoformat(text)

    def link(self, path: str, **query: str) -> str:
        """An address on this service, in this language, ready to stand in an attribute."""
        return escape(f"{path}?{urlencode({'lang': self.lang, **{k: v for k, v in query.items() if v}})}")


def answer(view: View, here: str, main: str, *, title: str = "", head: str = "", narrow: bool = False) -> HTMLResponse:
    """The whole page.

    Args:
        view: for whom.
        here: this page's path, for the other language's link.
        main: its content.
        title: what stands before the service's name in the browser's tab.
        head: what stands below the service's name.
        narrow: a page of reading width, not the board's; it does not load itself anew.
    """
    say = view.words.say
    other = "en" if view.lang == "zh" else "zh"
    swap = escape(f"{here}{'&' if '?' in here else '?'}lang={other}")
    width = ' class="narrow"' if narrow else ""
    live = "" if narrow else ' data-live="1"'
    brand = f"<h1>{say['heading']}</h1>" if head else f'<p class="brand">{say["heading"]}</p>'
    links = [("/", say["board"]), ("/complaints/new", say["complain"]), ("/complaints.csv", say["export"])]
    nav = "".join(f'<a href="{view.link(path)}">{name}</a>' for path, name in links)
    html = (
        f'<!doctype html><html lang="{view.words.tag}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)}{say["heading"]}</title><link rel="icon" href="data:,">'
        f'<style nonce="{view.nonce}">{STYLE}</style></head>'
        f'<body{live} data-days="{say["days"]}"><header{width}><div>{brand}{head}</div>'
        f'<nav>{nav}<a href="{swap}" lang="{WORDS[other].tag}">{WORDS[other].name}</a></nav></header>'
        f"<main{width}>{main}</main><footer{width}>{say['footer']}</footer>"
        f'<script nonce="{view.nonce}">{SCRIPT}</script></body></html>'
    )
    policy = (
        f"default-src 'none'; img-src 'self' data:; style-src 'nonce-{view.nonce}'; script-src 'nonce-{view.nonce}';"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    headers = {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-store",
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
    }
    return HTMLResponse(html, headers=headers)


def is_overdue(order: Record, now: datetime) -> bool:
    """Whether the order waits for something that should have been done."""
    wanted = due(order)
    return wanted is not None and wanted.at < now


def clock(order: Record, view: View) -> str:
    """The time left for what the order waits for, running; nothing when it waits for nothing."""
    wanted = due(order)
    if wanted is None:
        return ""
    left, over = view.words.due[wanted.what]
    seconds = int((wanted.at - view.now).total_seconds())
    shown = (left if seconds >= 0 else over).format(_span(abs(seconds), view.words))
    return (
        f'<span class="due{"" if seconds >= 0 else " over"}" data-due="{int(wanted.at.timestamp() * 1000)}"'
        f' data-left="{left}" data-over="{over}">{shown}</span>'
    )


def _span(seconds: int, words: Words) -> str:
    """As the page's script writes it."""
    hours, rest = divmod(seconds, 3600)
    if hours >= 24:
        return words.say["days"].format(d=hours // 24, h=hours % 24)
    minutes, rest = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def badges(order: Record, view: View) -> str:
    """Level, kind and what else is to be seen at once."""
    words, level = view.words, order["level"]
    kind = words.types.get(order["type"]) or str(order["type"])
    if order["type"] == "complaint":
        kind = f"{kind} · {words.channels[order['channel']]}"
    again = words.say["rounds"].format(n=order["rounds"])
    return (
        f'<span class="badge">{LEVELS[level]} {words.levels[level]}</span><span class="chip">{escape(kind)}</span>'
        + (f'<span class="chip again">{again}</span>' if order["rounds"] else "")
        + (f'<span class="chip">{escape(order["team"])}</span>' if order["team"] else "")
    )


def place(order: Record, view: View) -> str:
    """Where it is, as text that is escaped already."""
    name = order["asset_name"][view.lang]
    return escape(" · ".join(filter(None, [order["site"], order["building"], order.get("room", ""), name])))


def options(choices: Mapping[str, str], chosen: str, empty: str | None = None) -> str:
    """The choices of a list, one of them chosen; `empty` names the choice of nothing."""
    full = {**({} if empty is None else {"": empty}), **choices}
    return "".join(
        f'<option value="{escape(value)}"{" selected" if value == chosen else ""}>{escape(name)}</option>'
        for value, name in full.items()
    )
