"""One order's page: what is wrong and how it is known, what was done about it, and what can be done now."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from simulators.ticketing.html import View, badges, clock, options, place
from simulators.ticketing.photos import TYPES
from simulators.ticketing.states import possible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulators.ticketing.db import Record

_GOOD = {"verified", "recovery", "done"}
_BAD = {"reopen", "rejected", "cancelled"}


def order_page(order: Record, history: Sequence[Record], linked: Sequence[tuple[str, str]], view: View) -> str:
    """The page below its heading; `linked` are keys of earlier orders with their ids, empty when they are not here."""
    words, no = view.words, escape(order["id"])
    households = order.get("households")
    details = " · ".join(
        filter(
            None,
            [
                place(order, view),
                f"<code>{escape(order['asset'])}</code>" if order["asset"] else "",
                words.say["households"].format(n=households) if households else "",
                words.say["late"] if order.get("late") else "",
            ],
        )
    )
    return (
        f'<article id="{no}" class="sheet level{order["level"]}"><div class="top">'
        f'{badges(order, view)}<span class="chip" id="status">{words.statuses[order["status"]]}</span>'
        f"{clock(order, view)}</div><h1>{escape(order['title'][view.lang])}</h1>"
        f'<p class="place">{no} · {details}</p></article><div class="order"><div>'
        f'<section class="sheet" aria-labelledby="what"><h2 id="what">{words.say["evidence"]}</h2>'
        f"{_evidence(order, view)}{_reasons(order, linked, view)}</section>"
        f'<section class="sheet" aria-labelledby="how"><h2 id="how">{words.say["timeline"]}</h2>'
        f'<ol class="timeline">{_timeline(order, history, view)}</ol></section></div>'
        f"{_acts(order, history, view)}</div>"
    )


# --- what is wrong -----------------------------------------------------------------------------------------


def _evidence(order: Record, view: View) -> str:
    words = view.words
    items = "".join(
        f"<li><code>{_breakable(seen['point'].removeprefix(order['asset'] + '.'))}</code>"
        f"<b>{escape(_value(seen['value']))} {escape(seen['unit'])}"
        f"{'' if seen['quality'] == 'good' else ' <i>' + words.qualities[seen['quality']] + '</i>'}</b>"
        f"<small>{_limit(seen['limit'], view)}{view.moment(seen['at'])}</small></li>"
        for seen in order.get("observed", ())
    )
    shown = "".join(_chart(order, n, view) for n, note in _charts(order) if note["chart"]["occasion"] == "opened")
    return shown + (f'<ul class="evidence">{items}</ul>' if items else "")


def _charts(order: Record) -> list[tuple[int, Record]]:
    """Notes that bring a chart, with their place among the order's notes."""
    return [(n, note) for n, note in enumerate(order["notes"]) if note.get("chart")]


def _chart(order: Record, n: int, view: View) -> str:
    """A picture of its own, which can do nothing; it opens at its full size."""
    path = f"/orders/{order['id']}/charts/{n}.svg"
    alt = escape(order["notes"][n]["chart"]["alt"][view.lang])
    return f'<a class="chart" href="{path}"><img src="{path}" alt="{alt}" loading="lazy"></a>'


def _limit(limit: str, view: View) -> str:
    return f"{view.words.say['limit']} {escape(limit)} · " if limit else ""


def _breakable(name: str) -> str:
    """Let a long name break after its underscores and dots, and nowhere else."""
    return escape(name).replace("_", "_<wbr>").replace(".", ".<wbr>")


def _value(value: float | str | None) -> str:
    return "—" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def _reasons(order: Record, linked: Sequence[tuple[str, str]], view: View) -> str:
    say, lang = view.words.say, view.lang
    rows = [(say[name], escape(text[lang])) for name, text in _texts(order) if text and text[lang]]
    if order["type"] == "complaint":
        rows += _complaint(order, view)
    steps = "".join(f"<li>{escape(step[lang])}</li>" for step in order.get("steps", ()))
    rows += [(say["steps"], f"<ol>{steps}</ol>")] if steps else []
    links = "<br>".join(
        f'<a href="{view.link(f"/orders/{no}")}">{no}</a>' if no else f"<code>{escape(key)}</code>"
        for key, no in linked
    )
    rows += [(say["previous"], links)] if links else []
    rows += [(say[name], escape(order[name])) for name in ("basis", "rule") if order.get(name)]
    return f"<dl>{''.join(f'<dt>{name}</dt><dd>{text}</dd>' for name, text in rows)}</dl>"


def _texts(order: Record) -> list[tuple[str, Record | None]]:
    priority = order.get("priority")
    return [
        ("why", order.get("explanation")),
        ("cause", order.get("cause")),
        ("consequence", order.get("consequence")),
        ("priority", priority["arithmetic"] if priority else None),
    ]


def _complaint(order: Record, view: View) -> list[tuple[str, str]]:
    words = view.words
    return [
        (words.say["text"], f'<span class="said">{escape(order["said"]["text"])}</span>'),
        (words.say["channel"], words.channels[order["channel"]]),
        (words.say["category"], words.categories[order["category"]]),
        (words.say["urgency"], words.urgencies[order["urgency"]]),
        (words.say["customer"], words.customers[order["customer"]]),
    ]


# --- what was done -----------------------------------------------------------------------------------------


def _timeline(order: Record, history: Sequence[Record], view: View) -> str:
    words = view.words
    say = words.say
    complained = order["type"] == "complaint"
    begun = words.channels[order["channel"]] if complained else say["gateway"]
    items = [(order["created_at"], "", say["complained" if complained else "opened"], begun, "", "")]
    charts = dict(_charts(order))
    for n, note in enumerate(order["notes"]):
        kind, chart = note["kind"], note.get("chart")
        if chart and chart["occasion"] == "opened":
            continue  # it stands with the evidence
        name = say["chart"] if chart else words.notes.get(kind, kind)
        shown = _chart(order, n, view) if n in charts else ""
        items.append((note["at"], kind, name, say["gateway"], "" if chart else note["text"][view.lang], shown))
    for change in history:
        text = change["note"] if change["by"] != "gateway" else ""  # its note says it in both languages
        name = " · ".join(_done(change, view))
        items.append(
            (change["changed_at"], change["status"], name, change["by"], text, _photos(change["photos"], view))
        )
    items.sort(key=lambda item: view.moment_of(item[0]))
    return "".join(
        f'<li class="{"good" if mark in _GOOD else "bad" if mark in _BAD else ""}"><time>{view.moment(at)}</time>'
        f"<b>{escape(name)}</b> {escape(who)}{f'<p>{escape(text)}</p>' if text else ''}{pictures}</li>"
        for at, mark, name, who, text, pictures in items
    )


def _done(change: Record, view: View) -> list[str]:
    words = view.words
    stamp = change.get("stamp")
    if stamp is None:
        return [words.statuses[change["status"]]]
    done = [words.stamps.get(stamp) or str(stamp)] if stamp else []
    done += [words.say["dispatched"].format(team=change["team"])] if change.get("team") else []
    return done or [words.say["progress"]]


def _photos(names: Sequence[str], view: View) -> str:
    images = "".join(
        f'<a href="/photos/{escape(name)}"><img src="/photos/{escape(name)}" alt="{view.words.say["photo"]} {n}"></a>'
        for n, name in enumerate(names, 1)
    )
    return f'<div class="photos">{images}</div>' if images else ""


# --- what can be done --------------------------------------------------------------------------------------


def _acts(order: Record, history: Sequence[Record], view: View) -> str:
    words, say, no = view.words, view.words.say, order["id"]
    able = possible(order["status"])
    buttons = "".join(
        f'<button class="{action}" formaction="{view.link(f"/orders/{no}/{action}")}">{name}</button>'
        for action, name in words.actions.items()
        if action in able
    )
    done = {change.get("stamp") for change in history}
    stamps = {stamp: name for stamp, name in words.stamps.items() if stamp not in done}
    teams = f'<label>{say["team"]}<input name="team" maxlength="64" autocomplete="off"></label>'
    chosen = f'<label>{say["stamp"]}<select name="stamp">{options(stamps, "", "—")}</select></label>'
    photos = (
        f'<label>{say["photos"]}<input type="file" name="photo" multiple accept="{",".join(TYPES.values())}"></label>'
    )
    return (
        f'<section class="sheet acts" aria-labelledby="acts"><h2 id="acts">{say["actions"]}</h2>'
        f'<form method="post" enctype="multipart/form-data" action="{view.link(f"/orders/{no}/progress")}">'
        f'<label>{say["by"]}<input name="by" maxlength="256" autocomplete="name"></label>'
        f'<label>{say["remark"]}<input name="note" maxlength="2000" autocomplete="off"></label>'
        f"<details><summary>{say['more']}</summary>{teams}{chosen}{photos}</details>"
        f'<div class="buttons">{buttons}<button class="record">{say["record"]}</button></div></form></section>'
    )
