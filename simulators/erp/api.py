"""The stand-in ERP's interface: HTTP 200 whatever happens, the outcome in the body."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fastapi import Depends, FastAPI, Request, Response

from simulators.erp.tickets import Refused, Tickets
from simulators.ticketing.guard import guard

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulators.failures import Script

#: What a script's `match` may name, by the end of the path.
_NAMES = {
    "/api/auth/login": "login",
    "/api/workorder/create": "create",
    "/api/workorder/page": "search",
    "/api/workorder/detail": "detail",
    "/api/workorder/remark": "remark",
    "/api/workorder/cancel": "cancel",
}
REQUESTS = frozenset(_NAMES.values())


def request_name(_: str, path: str) -> str:
    """The name of a request for scripts."""
    return _NAMES.get(path, "")


def build(tickets: Tickets, script: Script) -> FastAPI:
    """Put the application together; `script` holds the failures to play, replaceable at `/_script`."""
    app = FastAPI(title="ERP", docs_url=None, redoc_url=None, openapi_url=None, dependencies=[Depends(guard)])
    _add_interface(app, tickets)
    _add_persons(app, tickets)

    @app.put("/_script")
    async def replace(request: Request) -> Response:
        try:
            script.replace(await request.json())
        except ValueError as error:
            return Response(str(error), status_code=422)
        return Response(status_code=204)

    return app


def _add_interface(app: FastAPI, tickets: Tickets) -> None:
    def serve(path: str, do: Callable[[dict[str, Any]], object], *, method: str = "POST", open_: bool = False) -> None:
        async def endpoint(request: Request) -> Response:
            try:
                if not open_:
                    tickets.admit(request.headers.get("x-access-token", ""))
                given = dict(request.query_params) if method == "GET" else await _json(request)
                return _say(tickets, "0", "操作成功", do(given))
            except Refused as refused:
                return _say(tickets, refused.code, refused.msg, None)

        app.add_api_route(path, endpoint, methods=[method])

    def cancel(body: dict[str, Any]) -> None:
        tickets.act(str(body.get("workNo", "")), "cancel", "接口", str(body.get("reason", "")))

    serve("/api/auth/login", tickets.login, open_=True)
    serve("/api/workorder/create", tickets.create)
    serve("/api/workorder/page", tickets.page)
    serve("/api/workorder/remark", tickets.remark)
    serve("/api/workorder/cancel", cancel)
    serve("/api/workorder/detail", lambda q: asdict(tickets.find(q.get("workNo", ""))), method="GET")


def _add_persons(app: FastAPI, tickets: Tickets) -> None:
    @app.post("/person/{number}")
    async def act(number: str, request: Request) -> Response:
        try:
            body = await _json(request)
            by, note = str(body.get("by", "")), str(body.get("note", ""))
            return _say(tickets, "0", "操作成功", asdict(tickets.act(number, str(body.get("do", "")), by, note)))
        except Refused as refused:
            return _say(tickets, refused.code, refused.msg, None)

    @app.get("/_tickets")
    async def everything() -> list[dict[str, Any]]:
        return [asdict(ticket) for ticket in tickets.all()]


async def _json(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body())
    except ValueError:
        raise Refused("1001", "请求体不是 JSON") from None
    if not isinstance(body, dict):
        raise Refused("1001", "请求体不是 JSON 对象")
    return body


def _say(tickets: Tickets, code: str, msg: str, data: object) -> Response:
    charset = tickets.habits.charset
    body = json.dumps({"code": code, "msg": msg, "data": data}, ensure_ascii=False)
    return Response(body.encode(charset, "replace"), media_type=f"application/json;charset={charset.upper()}")
