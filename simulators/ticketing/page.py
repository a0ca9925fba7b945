"""The pages on which persons see orders and say what was done, in Chinese or (`?lang=en`) in English."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile

from simulators.ticketing.board import Filter, board, head
from simulators.ticketing.bodies import Complaint, Progress
from simulators.ticketing.complaint_form import complaint_form
from simulators.ticketing.html import View, answer
from simulators.ticketing.intake import take
from simulators.ticketing.order_page import order_page
from simulators.ticketing.photos import MOST_BYTES, MOST_PHOTOS, NoPhoto
from simulators.ticketing.states import ACTIONS
from simulators.ticketing.store import NotNow, Said, Store
from simulators.ticketing.words import WORDS

if TYPE_CHECKING:
    from collections.abc import Callable

#: Orders looked at for the board; closed ones make room first.
_SHOWN = 1000
#: Bytes of a form with its photographs.
_MOST_FORM = MOST_PHOTOS * MOST_BYTES + 64 * 1024
#: What the desk most often chooses.
_USUAL = {"channel": "hotline", "urgency": "normal"}
_OURS: dict[str, Any] = {"include_in_schema": False}
#: Of a picture that somebody sent: it is shown, and does nothing, wherever it is opened.
_STILL = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, max-age=86400, immutable",
}


def add_page(app: FastAPI, store: Store, timezone: str) -> None:
    """Give the application its pages and the form posts behind their buttons."""
    zone = ZoneInfo(timezone)

    def view(lang: str) -> View:
        return View(lang if lang in WORDS else "zh", datetime.now(UTC), zone)

    _add_board(app, store, view)
    _add_order(app, store, view)
    _add_complaint(app, store, view)


def _add_board(app: FastAPI, store: Store, view: Callable[[str], View]) -> None:
    @app.get("/", **_OURS)
    async def show(lang: str = "zh", building: str = "", level: str = "", kind: str = "") -> HTMLResponse:
        seen, orders = view(lang), store.board(_SHOWN)
        return answer(seen, "/", board(orders, Filter(building, level, kind), seen), head=head(orders, seen))

    @app.get("/photos/{name}", **_OURS)
    async def photo(name: str) -> Response:
        try:
            content, media_type = store.photos.find(name)
        except KeyError as error:
            raise HTTPException(404, "there is no such photograph") from error
        return Response(content, headers=_STILL, media_type=media_type)


def _add_order(app: FastAPI, store: Store, view: Callable[[str], View]) -> None:
    @app.get("/orders/{order_id}", **_OURS)
    async def show(order_id: str, lang: str = "zh", problem: str = "") -> HTMLResponse:
        seen, order = view(lang), store.get(order_id)
        linked = [(key, found[0]["id"] if (found := store.find(key=key)) else "") for key in order.get("previous", [])]
        told = seen.words.problems.get(problem)
        warning = f'<p class="alarm" role="alert">{escape(told)}</p>' if told else ""
        main = warning + order_page(order, store.history(order_id), linked, seen)
        return answer(seen, f"/orders/{order_id}", main, title=f"{order_id} ")

    @app.get("/orders/{order_id}/charts/{number}.svg", **_OURS)
    async def chart(order_id: str, number: int) -> Response:
        notes = store.get(order_id)["notes"]
        found = notes[number].get("chart") if 0 <= number < len(notes) else None
        if found is None:
            raise HTTPException(404, "there is no such chart")
        return Response(found["data"], headers=_STILL, media_type=found["media_type"])

    @app.post("/orders/{order_id}/{action}", **_OURS)
    async def act(order_id: str, action: str, request: Request, lang: str = "zh", back: str = "") -> RedirectResponse:
        if action not in {*ACTIONS, "progress"}:
            raise HTTPException(404, f"there is no action {action}")
        seen = view(lang)
        store.get(order_id)
        _look_at_size(request)
        async with request.form(max_files=MOST_PHOTOS + 1, max_fields=20) as form:
            problem = await _do(store, order_id, action, form, seen.words.say["somebody"])
        query = {"problem": problem} if problem else {}
        target = f"/?lang={seen.lang}#{order_id}" if back == "board" and not problem else ""
        path = target or f"/orders/{order_id}?lang={seen.lang}{''.join(f'&{k}={v}' for k, v in query.items())}"
        return RedirectResponse(path, status_code=303)


def _look_at_size(request: Request) -> None:
    """Refuse a form too large to hold, before it is read."""
    length = request.headers.get("content-length", "")
    if not length.isdigit():
        raise HTTPException(411, "say how long the form is")
    if int(length) > _MOST_FORM:
        raise HTTPException(413, "the form is too large")


async def _do(store: Store, order_id: str, action: str, form: FormData, somebody: str) -> str:
    """Keep what the form says, then move the order; returns what is wrong, empty when nothing is."""
    texts = {name: value for name, value in form.items() if isinstance(value, str)}
    given = {name: texts.get(name, "").strip() for name in ("by", "note", "stamp", "team")}
    try:
        said = Progress(**{**given, "by": given["by"] or somebody})
        names = await _photos(store, form)
        more = bool(said.stamp or said.team or names)
        if action == "progress" and not (more or said.note):
            return "empty"
        if action != "progress":
            store.act(order_id, action, said.by, said.note)
        if more or action == "progress":
            note = said.note if action == "progress" else ""
            store.say(order_id, Said(said.by, note, said.stamp, said.team, names))
    except ValidationError:
        return "field"
    except NoPhoto as error:
        return str(error)
    except NotNow:
        return "not_now"
    return ""


async def _photos(store: Store, form: FormData) -> list[str]:
    """All or none: each is looked at before the first is kept."""
    files = [file for file in form.getlist("photo") if isinstance(file, UploadFile) and file.size]
    if len(files) > MOST_PHOTOS:
        raise NoPhoto("number")
    if any((file.size or 0) > MOST_BYTES for file in files):
        raise NoPhoto("size")
    return [store.photos.keep(await file.read()) for file in files]


def _add_complaint(app: FastAPI, store: Store, view: Callable[[str], View]) -> None:
    @app.get("/complaints/new", **_OURS)
    async def show(lang: str = "zh") -> HTMLResponse:
        seen = view(lang)
        return answer(seen, "/complaints/new", complaint_form(store.assets(), _USUAL, seen), narrow=True)

    @app.post("/complaints", **_OURS)
    async def complain(request: Request, lang: str = "zh") -> Response:
        seen = view(lang)
        _look_at_size(request)
        async with request.form(max_files=0, max_fields=20) as form:
            given = {name: value for name, value in form.items() if isinstance(value, str)}
        said = {name: value for name, value in given.items() if value.strip() and name != "key"}
        try:
            if "at" in said:
                said["at"] = datetime.fromisoformat(said["at"]).replace(tzinfo=seen.zone).isoformat()
            complaint = Complaint.model_validate(said)
        except ValueError as error:  # pydantic's too
            names = [str(fault["loc"][0]) for fault in error.errors()] if isinstance(error, ValidationError) else ["at"]
            wrong = ", ".join(seen.words.say.get(name, name) for name in dict.fromkeys(names))
            told = escape(seen.words.problems["field"].format(wrong))
            form_again = complaint_form(store.assets(), given, seen)
            page = answer(seen, "/complaints/new", f'<p class="alarm" role="alert">{told}</p>{form_again}', narrow=True)
            page.status_code = 422
            return page
        kept = take(store, complaint, given.get("key", "")[:256] or secrets.token_urlsafe(12))
        return RedirectResponse(f"/orders/{kept.record['id']}?lang={seen.lang}", status_code=303)
