"""The contract's paths as a FastAPI application; pages and test controls stand beside them."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import Depends, FastAPI, Header, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from simulators.ticketing.bodies import Action, Note, Order, Progress
from simulators.ticketing.db import Record
from simulators.ticketing.guard import guard
from simulators.ticketing.intake import add_complaints
from simulators.ticketing.page import add_page
from simulators.ticketing.store import KeyTaken, NotFound, NotNow, Said, Store

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from simulators.failures import Script

IdempotencyKey = Annotated[str, Header(alias="Idempotency-Key", min_length=1, max_length=512)]


def build(store: Store, script: Script, *, token: str | None, timezone: str) -> FastAPI:
    """Put the application together.

    Args:
        store: where orders are kept.
        script: the failures to play, replaceable at `/_script`.
        token: what `Authorization: Bearer` must carry; None: nobody is asked.
        timezone: IANA zone in which the page shows moments.
    """
    app = FastAPI(
        title="precomplaint ticketing", docs_url=None, redoc_url=None, openapi_url=None, dependencies=[Depends(guard)]
    )
    authorize = _bearer(token)
    _add_errors(app)
    _add_contract(app, store, authorize)
    _add_actions(app, store, authorize)
    _add_controls(app, store, script)
    add_complaints(app, store, authorize)
    add_page(app, store, timezone)
    return app


def _bearer(token: str | None) -> Callable[[Request], Awaitable[None]]:
    async def authorize(request: Request) -> None:
        given = request.headers.get("authorization", "")
        if token is not None and not secrets.compare_digest(given.encode(), f"Bearer {token}".encode()):
            raise HTTPException(401, "the bearer token is missing or wrong", {"WWW-Authenticate": "Bearer"})

    return authorize


def _add_contract(app: FastAPI, store: Store, authorize: Callable[[Request], Awaitable[None]]) -> None:
    guarded: dict[str, Any] = {"dependencies": [Depends(authorize)]}

    @app.post("/v1/orders", status_code=201, **guarded)
    async def create_order(order: Order, key: IdempotencyKey, request: Request) -> JSONResponse:
        if order.key != key:
            return _refused("key: must equal the header Idempotency-Key", "key")
        kept = store.create(json.loads(await request.body()))
        return JSONResponse(_receipt(kept.record, request), 201 if kept.new else 200)

    @app.get("/v1/orders", **guarded)
    async def list_orders(
        request: Request,
        key: Annotated[str | None, Query()] = None,
        site: Annotated[str | None, Query()] = None,
        is_open: Annotated[bool | None, Query(alias="open")] = None,
    ) -> JSONResponse:
        found = store.find(key=key, site=site, is_open=is_open)
        return JSONResponse({"orders": [_with_url(record, request) for record in found]})

    @app.get("/v1/orders/{order_id}", **guarded)
    async def get_order(order_id: str, request: Request) -> JSONResponse:
        return JSONResponse(_with_url(store.get(order_id), request))

    @app.post("/v1/orders/{order_id}/notes", status_code=201, **guarded)
    async def add_note(order_id: str, note: Note, key: IdempotencyKey, request: Request) -> JSONResponse:
        del note  # checked; kept as it was sent
        kept = store.annotate(order_id, key, json.loads(await request.body()))
        return JSONResponse(kept.record, 201 if kept.new else 200)


def _add_actions(app: FastAPI, store: Store, authorize: Callable[[Request], Awaitable[None]]) -> None:
    guarded: dict[str, Any] = {"dependencies": [Depends(authorize)]}

    @app.post("/v1/orders/{order_id}/progress", **guarded)
    async def say(order_id: str, body: Progress, request: Request) -> JSONResponse:
        return JSONResponse(_with_url(store.say(order_id, Said(body.by, body.note, body.stamp, body.team)), request))

    @app.post("/v1/orders/{order_id}/{action}", **guarded)
    async def act(
        order_id: str,
        action: Literal["accept", "arrive", "finish", "confirm", "reopen", "reject", "cancel"],
        body: Action,
        request: Request,
    ) -> JSONResponse:
        return JSONResponse(_with_url(store.act(order_id, action, body.by, body.note), request))

    @app.get("/v1/changes", **guarded)
    async def list_changes(
        since: Annotated[int, Query(ge=0, lt=2**63)] = 0, site: Annotated[str | None, Query()] = None
    ) -> JSONResponse:
        cursor, changes = store.changes(since, site)
        return JSONResponse({"cursor": str(cursor), "changes": changes})


def _add_controls(app: FastAPI, store: Store, script: Script) -> None:
    @app.get("/_tally", include_in_schema=False)
    async def tally() -> JSONResponse:
        return JSONResponse({**store.tally(), "failures_played": script.played})

    @app.post("/_script", include_in_schema=False)
    async def replace_script(request: Request) -> JSONResponse:
        try:
            script.replace(json.loads(await request.body()))
        except ValueError as error:
            return _refused(str(error), "script")
        return JSONResponse({"ok": True})


def _add_errors(app: FastAPI) -> None:
    """Answer every error as the contract says: an object with `error`, and `field` for a bad body."""

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        fault = error.errors()[0]
        place, *path = fault["loc"]
        field = ".".join(map(str, path)) if path and fault["type"] != "json_invalid" else str(place)
        return _refused(f"{field}: {fault['msg']}", field)

    @app.exception_handler(StarletteHTTPException)
    async def refused(_: Request, error: StarletteHTTPException) -> JSONResponse:
        return JSONResponse({"error": str(error.detail)}, error.status_code, error.headers)

    @app.exception_handler(KeyTaken)
    async def key_taken(_: Request, error: KeyTaken) -> JSONResponse:
        return JSONResponse({"error": f"the key {error} was used before, with another body"}, 409)

    @app.exception_handler(NotNow)
    async def not_now(_: Request, error: NotNow) -> JSONResponse:
        return JSONResponse({"error": str(error)}, 409)

    @app.exception_handler(NotFound)
    async def not_found(_: Request, error: NotFound) -> JSONResponse:
        return JSONResponse({"error": f"there is no order {error}"}, 404)


def _refused(message: str, field: str) -> JSONResponse:
    return JSONResponse({"error": message, "field": field}, 422)


def _receipt(record: Record, request: Request) -> Record:
    return {name: value for name, value in _with_url(record, request).items() if name in _RECEIPT}


_RECEIPT = ("id", "key", "status", "url")


def _with_url(record: Record, request: Request) -> Record:
    return {**record, "url": f"{request.base_url}orders/{record['id']}"}
