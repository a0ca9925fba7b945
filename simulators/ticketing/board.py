"""The board: a column for each state, the most pressing order on top, clocks running, what is overdue in red."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from simulators.ticketing.html import View, badges, clock, is_overdue, options, place
from simulators.ticketing.states import COLUMNS, due, possible
from simulators.ticketing.words import LEVELS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulators.ticketing.db import Record

#: Closed orders shown, the newest; overdue orders named in the warning.
_CLOSED, _NAMED = 20, 5
#: The one button of a card, by status; all others stand on the order's own page.
_NEXT = {"open": "accept"}


@dataclass(frozen=True, slots=True)
class Filter:
    """What of the board is wanted; empty: all."""

    building: str = ""
    level: str = ""
    kind: str = ""

    def fits(self, order: Record) -> bool:
        """Whether the order is wanted."""
        return (
            self.building in {"", order["building"]}
            and self.level in {"", order["level"]}
            and self.kind in {"", order["type"]}
        )


def head(orders: Sequence[Record], view: View) -> str:
    """How things stand, in one line below the heading."""
    unclosed = [order for order in orders if order["status"] not in COLUMNS["closed"]]
    text = view.words.say["summary"].format(
        open=len(unclosed),
        waiting=sum(order["status"] == "open" for order in unclosed),
        overdue=sum(is_overdue(order, view.now) for order in unclosed),
    )
    return f'<p role="status">{text}</p>'


def board(orders: Sequence[Record], wanted: Filter, view: View) -> str:
    """Warning, filters and columns."""
    shown = [order for order in orders if wanted.fits(order)]
    columns = "".join(_column(name, [o for o in shown if o["status"] in COLUMNS[name]], view) for name in COLUMNS)
    return f'{_warning(orders, view)}{_filters(orders, wanted, view)}<div class="board">{columns}</div>'


def _warning(orders: Sequence[Record], view: View) -> str:
    late = sorted(
        (wanted.at, order["id"]) for order in orders if (wanted := due(order)) is not None and wanted.at < view.now
    )
    if not late:
        return ""
    links = "".join(f'<a href="{view.link(f"/orders/{no}")}">{no}</a>' for _, no in late[:_NAMED])
    more = " …" if len(late) > _NAMED else ""
    return f'<p class="alarm" role="alert">⚠ {view.words.say["overdue"].format(n=len(late))}{links}{more}</p>'


def _filters(orders: Sequence[Record], wanted: Filter, view: View) -> str:
    words, say = view.words, view.words.say
    buildings = sorted({order["building"] for order in orders} | {wanted.building} - {""})
    levels = {level: f"{sign} {words.levels[level]}" for level, sign in LEVELS.items()}
    lists = (
        ("building", {name: name for name in buildings if name}, wanted.building),
        ("level", levels, wanted.level),
        ("kind", words.types, wanted.kind),
    )
    selects = "".join(
        f'<label>{say[name]}<select name="{name}">{options(choices, chosen, say["all"])}</select></label>'
        for name, choices, chosen in lists
    )
    return (
        f'<form class="filters" action="/"><input type="hidden" name="lang" value="{view.lang}">{selects}'
        f"<button>{say['filter']}</button></form>"
    )


def _column(name: str, orders: list[Record], view: View) -> str:
    if name in {"done", "closed"}:
        orders.sort(key=lambda order: order["changed_at"], reverse=True)
    else:
        orders.sort(key=lambda order: wanted.at if (wanted := due(order)) else view.now)
    cards = "".join(_card(order, view) for order in (orders[:_CLOSED] if name == "closed" else orders))
    empty = "" if orders else " empty"
    none = f'<p class="none">{view.words.say["none"]}</p>'
    return (
        f'<section class="column{empty}" aria-labelledby="column-{name}"><h2 id="column-{name}">'
        f"{view.words.columns[name]} <span>{len(orders)}</span></h2>"
        f"{cards or none}</section>"
    )


def _card(order: Record, view: View) -> str:
    words, no, status = view.words, escape(order["id"]), order["status"]
    closed = " closed" if status in COLUMNS["closed"] else ""
    late = " late-card" if is_overdue(order, view.now) else ""
    state = f'<span class="chip">{words.statuses[status]}</span>' if closed else ""
    return (
        f'<article id="{no}" class="card level{order["level"]}{closed}{late}"><div class="top">'
        f"{badges(order, view)}{state}</div>"
        f'<h3><a href="{view.link(f"/orders/{no}")}">{escape(order["title"][view.lang])}</a></h3>'
        f'<p class="place">{place(order, view)}</p>{clock(order, view)}{_button(order, view)}</article>'
    )


def _button(order: Record, view: View) -> str:
    action = _NEXT.get(order["status"])
    if action not in possible(order["status"]):
        return ""
    target = view.link(f"/orders/{order['id']}/{action}", back="board")
    name = view.words.actions[action]
    return (
        f'<form method="post" action="{target}"><input type="hidden" name="by" value="">'
        f'<button class="{action}" aria-label="{name} {escape(order["id"])}">{name}</button></form>'
    )
