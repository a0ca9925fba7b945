"""Complaints over HTTP: taken in one by one, and given out as JSON and CSV."""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import Depends, FastAPI, Header, Query, Request
from fastapi.responses import JSONResponse, Response

from simulators.ticketing.bodies import Complaint
from simulators.ticketing.complaints import as_csv, exported, ticket_of, told
from simulators.ticketing.store import Kept, KeyTaken

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from simulators.ticketing.db import Record
    from simulators.ticketing.store import Store


def take(store: Store, complaint: Complaint, key: str) -> Kept:
    """Keep a complaint, once for its key: whoever sends a form twice has complained once.

    Raises:
        KeyTaken: the key was used before, for another complaint.
    """
    before = next(iter(store.find(key=key, kind="complaint", limit=1)), None)
    if before is None:
        return store.create(ticket_of(complaint, key, store.assets(), datetime.now(UTC)), "complaint")
    if before["said"] != complaint.model_dump():
        raise KeyTaken(key)
    return Kept(new=False, record=before)


def add_complaints(app: FastAPI, store: Store, authorize: Callable[[Request], Awaitable[None]]) -> None:
    """Give the application its paths for complaints; only what a gateway asks for is part of its contract."""
    ours: dict[str, Any] = {"include_in_schema": False}
    guarded: dict[str, Any] = {"dependencies": [Depends(authorize)], **ours}

    @app.post("/v1/complaints", **guarded)
    async def complain(
        complaint: Complaint, key: Annotated[str | None, Header(alias="Idempotency-Key", max_length=256)] = None
    ) -> JSONResponse:
        kept = take(store, complaint, key or secrets.token_urlsafe(12))
        return JSONResponse(kept.record, 201 if kept.new else 200)

    @app.get("/v1/complaints", dependencies=[Depends(authorize)])
    async def list_complaints(
        request: Request,
        since: Annotated[int, Query(ge=0, lt=2**63)] = 0,
        site: Annotated[str | None, Query()] = None,
    ) -> Response:
        form = request.query_params.get("format")  # all of them, for a person: no part of the contract
        if form in {"json", "csv"}:
            return _given(store, form)
        cursor, found = store.complaints_after(since, site)
        return JSONResponse({"cursor": str(cursor), "complaints": [told(complaint) for complaint in found]})

    # the page's own links: like the page, they ask nobody for a token
    @app.get("/complaints.{form}", **ours)
    async def export(form: Literal["json", "csv"]) -> Response:
        return _given(store, form)


def _given(store: Store, form: str) -> Response:
    rows: list[Record] = exported(store.find(kind="complaint"), store.assets())
    headers = {"Content-Disposition": f'attachment; filename="complaints.{form}"', "X-Content-Type-Options": "nosniff"}
    if form == "csv":
        return Response(as_csv(rows), headers=headers, media_type="text/csv; charset=utf-8")
    text = json.dumps({"complaints": rows}, ensure_ascii=False, indent=1)
    return Response(text, headers=headers, media_type="application/json")
