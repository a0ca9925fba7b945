"""The form on which the desk writes down what a resident says is wrong."""

from __future__ import annotations

import secrets
from html import escape
from typing import TYPE_CHECKING

from simulators.ticketing.html import View, options

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simulators.ticketing.db import Record


def complaint_form(known: Sequence[Record], given: Mapping[str, str], view: View) -> str:
    """The form, filled with what was `given` before; `known` are the gateways' assets, offered by name."""
    words, say = view.words, view.words.say
    kinds = {asset["asset_kind"]: asset["asset_kind"] for asset in known if asset["asset_kind"]} | words.kinds

    def chosen(name: str, choices: Mapping[str, str], empty: str | None = None) -> str:
        return (
            f'<label>{say[name]}<select name="{name}">{options(choices, given.get(name, ""), empty)}</select></label>'
        )

    def line(name: str, more: str = "") -> str:
        value = escape(given.get(name, ""))
        return f'<label>{say[name]}<input name="{name}" value="{value}" autocomplete="off" {more}></label>'

    key = escape(given.get("key") or secrets.token_urlsafe(12))
    assets = "".join(
        f'<option value="{escape(a["asset"])}">{escape(a["asset_name"][view.lang])}</option>' for a in known
    )
    buildings = "".join(f'<option value="{escape(b)}">' for b in sorted({a["building"] for a in known} - {""}))
    return (
        f'<form class="sheet" method="post" action="{view.link("/complaints")}"><h1>{say["complain"]}</h1>'
        f'<input type="hidden" name="key" value="{key}">'
        f'<label>{say["text"]}<textarea name="text" rows="4" maxlength="2000" required>{escape(given.get("text", ""))}'
        f'</textarea></label><p class="fine">{say["privacy"]}</p><div class="pair">'
        f"{chosen('channel', words.channels)}{chosen('urgency', words.urgencies)}"
        f"{chosen('category', words.categories)}{chosen('customer', words.customers)}"
        f"{line('room', 'maxlength=64')}{line('building', 'maxlength=64 list=buildings')}"
        f"{chosen('asset_kind', kinds, say['unknown'])}{line('asset', 'maxlength=256 list=assets')}"
        f'{line("at", "type=datetime-local")}</div><datalist id="buildings">{buildings}</datalist>'
        f'<datalist id="assets">{assets}</datalist>'
        f'<div class="buttons"><button class="send">{say["send"]}</button></div></form>'
    )
