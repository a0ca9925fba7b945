"""Group robots of WeCom, DingTalk and Feishu as they answer: HTTP 200 to everything, success or refusal in the body.

Checked is what the real ones check: key or token, DingTalk's and Feishu's signature, its age, a keyword, and the rate.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web

from simulators.sockets import listen

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Of a WeCom image, before base64.
_MOST_IMAGE = 2 * 1024 * 1024
_HOUR_MS = 3_600_000


@dataclass
class Robots:
    """The three services on one port; use as `async with Robots() as robots`.

    Args:
        key: what every robot's key or token must be.
        secret: what DingTalk and Feishu messages must be signed with; empty: no signature is asked for.
        keyword: what messages to DingTalk and Feishu must contain.
        per_minute: more than that is refused as too fast.
    """

    key: str = "robot-key"
    secret: str = ""
    keyword: str = ""
    per_minute: int = 20
    port: int = 0
    #: What was taken: (service, text, body).
    taken: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    #: What was refused: (service, code).
    refused: list[tuple[str, int]] = field(default_factory=list)
    #: Answers to give first, whatever comes: HTTP status and body.
    script: list[tuple[int, str]] = field(default_factory=list)
    _times: list[float] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=4 * 1024 * 1024)
        app.router.add_post("/cgi-bin/webhook/send", self._wecom)
        app.router.add_post("/robot/send", self._dingtalk)
        app.router.add_post("/open-apis/bot/v2/hook/{token}", self._feishu)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        listener = listen(self.port)
        self.port = listener.getsockname()[1]
        await web.SockSite(self._runner, listener).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        """What stands in `url` of a channel."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        """Connections that are open now."""
        server = self._runner.server
        return 0 if server is None else len(server.connections)

    def texts(self, service: str) -> list[str]:
        """What a service's group has read."""
        return [text for name, text, _ in self.taken if name == service]

    async def _wecom(self, request: web.Request) -> web.Response:
        body = await request.json()
        image = base64.b64decode(body["image"]["base64"]) if body["msgtype"] == "image" else b""
        text = "<image>" if image else body["text"]["content"]
        code = 0
        if request.query.get("key") != self.key:
            code = 93000
        elif len(text.encode()) > 2048:
            code = 40058
        elif image and body["image"]["md5"] != hashlib.md5(image, usedforsecurity=False).hexdigest():
            code = 301019
        elif image and (len(image) > _MOST_IMAGE or not image.startswith((b"\x89PNG\r\n", b"\xff\xd8\xff"))):
            code = 40009
        return self._answer("wecom", text, body, code, too_fast=45009)

    async def _dingtalk(self, request: web.Request) -> web.Response:
        body = await request.json()
        text = body["text"]["content"]
        stamp = request.query.get("timestamp", "")
        code = 0
        if request.query.get("access_token") != self.key:
            code = 300001
        elif (
            (self.secret and not self._signed(self.secret, f"{stamp}\n{self.secret}", request.query.get("sign", "")))
            or (self.secret and abs(time.time() * 1000 - int(stamp or 0)) > _HOUR_MS)
            or self.keyword not in text
        ):
            code = 310000
        return self._answer("dingtalk", text, body, code, too_fast=130101)

    async def _feishu(self, request: web.Request) -> web.Response:
        body = await request.json()
        text = body["content"]["text"]
        stamp = str(body.get("timestamp", ""))
        code = 0
        if request.match_info["token"] != self.key:
            code = 19001
        elif self.secret and not self._signed(f"{stamp}\n{self.secret}", "", str(body.get("sign", ""))):
            code = 19021
        elif self.keyword not in text:
            code = 19024
        return self._answer("feishu", text, body, code, too_fast=11232)

    @staticmethod
    def _signed(key: str, text: str, sign: str) -> bool:
        digest = hmac.new(key.encode(), text.encode(), hashlib.sha256).digest()
        return hmac.compare_digest(base64.b64encode(digest).decode(), sign)

    def _answer(self, service: str, text: str, body: Mapping[str, Any], code: int, *, too_fast: int) -> web.Response:
        if self.script:
            status, said = self.script.pop(0)
            return web.Response(status=status, text=said, content_type="application/json")
        now = time.monotonic()
        self._times = [at for at in self._times if now - at < 60]
        if code == 0 and len(self._times) >= self.per_minute:
            code = too_fast
        if code == 0:
            self._times.append(now)
            self.taken.append((service, text, dict(body)))
        else:
            self.refused.append((service, code))
        name, words = ("code", "msg") if service == "feishu" else ("errcode", "errmsg")
        return web.json_response({name: code, words: "ok" if code == 0 else "refused"})
