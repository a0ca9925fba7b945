"""Group robots of WeCom (企业微信), DingTalk (钉钉) and Feishu (飞书).

They answer HTTP 200 to everything and say in the body whether the message was taken: a wrong key, a missing keyword and
a rate limit all look like success to whoever reads the status alone.

                  taken           throttled                     refused for good
WeCom             errcode 0       45009, 45033                  93000 and others
DingTalk          errcode 0       130101 (10 min), 410100, -1   300001, 310000 (keyword, sign, address)
Feishu            code 0          11232, 9499                   19021, 19022, 19024 and others
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import timedelta
from importlib.util import find_spec
from typing import Annotated, Any, ClassVar
from urllib.parse import quote

import aiohttp
import orjson
from pydantic import Field, SecretStr, field_validator

from daemon.clock import Clock
from daemon.documents import Strict
from daemon.model import Level, Reject, Retry, to_ms
from daemon.outputs.notify.channel import Message, cut
from daemon.outputs.sink import PeerUrl, why_unreachable

_TIMEOUT = aiohttp.ClientTimeout(total=15)
#: DingTalk shuts a robot out for ten minutes after more than 20 messages a minute.
_DINGTALK_PAUSE = timedelta(minutes=10)
_PAUSE = timedelta(minutes=1)
Mobile = Annotated[str, Field(pattern=r"^\+?\d{5,15}$")]


class WeComConfig(Strict):
    """A group robot of 企业微信."""

    #: The `key` of its webhook address.
    secret: SecretStr
    #: Telephone numbers of members who are mentioned at Level I; `@all` for everybody.
    mention: tuple[Mobile | Annotated[str, Field(pattern="^@all$")], ...] = ()
    #: After the words about a new Level-I order its chart, as an image; needs the extra `precomplaint[png]`.
    pictures: bool = False
    url: PeerUrl = "https://qyapi.weixin.qq.com"

    @field_validator("pictures")
    @classmethod
    def _can_draw(cls, pictures: bool) -> bool:  # noqa: FBT001  a field
        if pictures and find_spec("resvg_py") is None:
            raise ValueError("pictures need an extra; install precomplaint[png], or remove it")
        return pictures


class DingTalkConfig(Strict):
    """A group robot of 钉钉."""

    #: The `access_token` of its webhook address.
    token: SecretStr
    #: The secret (加签), when the robot is secured by signature.
    secret: SecretStr | None = None
    #: A word that each message must contain, when the robot is secured by keywords.
    keyword: str = ""
    mention: tuple[Mobile | Annotated[str, Field(pattern="^@all$")], ...] = ()
    url: PeerUrl = "https://oapi.dingtalk.com"


class FeishuConfig(Strict):
    """A group robot of 飞书."""

    #: The last part of its webhook address.
    token: SecretStr
    secret: SecretStr | None = None
    keyword: str = ""
    #: `open_id`s of members, or `all`.
    mention: tuple[Annotated[str, Field(pattern=r"^(all|ou_[0-9a-zA-Z]+)$")], ...] = ()
    url: PeerUrl = "https://open.feishu.cn"


class _Robot:
    """One request and the reading of its answer."""

    most_bytes: int
    _name: ClassVar[str]
    _taken_by: ClassVar[tuple[str, ...]]
    #: Codes that say "later", with how long later.
    _later: ClassVar[Mapping[int, timedelta]]

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self.address = f"{self._name} {url}"

    async def _post(self, url: str, body: Mapping[str, Any]) -> None:
        headers = {"Content-Type": "application/json"}
        try:
            async with self._http.post(
                url, data=orjson.dumps(body), headers=headers, timeout=_TIMEOUT, allow_redirects=False
            ) as answer:
                raw = await answer.read()
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise Retry(f"{self.address}: {why_unreachable(error)}") from None  # its text holds the address, the secret
        except TimeoutError:
            raise Retry(f"{self.address}: no answer within {_TIMEOUT.total:g} s", ambiguous=True) from None
        except aiohttp.ClientError as error:
            raise Retry(f"{self.address}: the connection broke ({type(error).__name__})", ambiguous=True) from None
        if answer.status == 429 or answer.status >= 500:
            raise Retry(f"{self.address}: answered {answer.status}", after=_PAUSE, ambiguous=answer.status >= 500)
        if answer.status != 200:
            raise Reject(f"{self.address}: answered {answer.status}; check the address")
        self._judge(raw)

    def _judge(self, raw: bytes) -> None:
        try:
            said = orjson.loads(raw)
        except orjson.JSONDecodeError:
            said = None
        if not isinstance(said, dict):
            raise Reject(f"{self.address}: answers, but not as a robot does; check the address")
        code: int | None = next((said[name] for name in self._taken_by if isinstance(said.get(name), int)), None)
        if code == 0:
            return
        words = str(said.get("errmsg") or said.get("msg") or said.get("StatusMessage") or "")[:200]
        if code is not None and code in self._later:
            raise Retry(f"{self.address}: throttled ({code}): {words}", after=self._later[code])
        raise Reject(f"{self.address}: refused ({code}): {words}; check key, keyword, signature and allowed addresses")


class WeCom(_Robot):
    """See `Channel`. Text of at most 2 048 bytes; 20 messages a minute."""

    most_bytes = 2048
    _name = "wecom"
    _taken_by = ("errcode",)
    _later: ClassVar[Mapping[int, timedelta]] = {45009: _PAUSE, 45033: _PAUSE, -1: _PAUSE}

    def __init__(self, config: WeComConfig, http: aiohttp.ClientSession, _clock: Clock) -> None:
        super().__init__(http, config.url)
        self._config = config
        self.pictures = config.pictures

    async def send(self, message: Message) -> None:
        """See `Channel`."""
        mention = list(self._config.mention) if message.level is Level.I else []
        text: dict[str, Any] = {"content": cut(f"{message.title}\n{message.text}", self.most_bytes)}
        if mention:
            text["mentioned_mobile_list"] = mention
        await self._post(self._webhook, {"msgtype": "text", "text": text})

    async def send_picture(self, image: bytes) -> None:
        """See `PictureChannel`."""
        digest = hashlib.md5(image, usedforsecurity=False).hexdigest()  # as the service asks for it
        body = {"msgtype": "image", "image": {"base64": base64.b64encode(image).decode(), "md5": digest}}
        await self._post(self._webhook, body)

    @property
    def _webhook(self) -> str:
        key = quote(self._config.secret.get_secret_value(), safe="")
        return f"{self._config.url.rstrip('/')}/cgi-bin/webhook/send?key={key}"


class DingTalk(_Robot):
    """See `Channel`. At most 20 messages a minute, or it is shut out for ten."""

    most_bytes = 17_000  # and room for a keyword
    _name = "dingtalk"
    _taken_by = ("errcode",)
    _later: ClassVar[Mapping[int, timedelta]] = {130101: _DINGTALK_PAUSE, 410100: _DINGTALK_PAUSE, -1: _PAUSE}

    def __init__(self, config: DingTalkConfig, http: aiohttp.ClientSession, clock: Clock) -> None:
        super().__init__(http, config.url)
        self._config = config
        self._clock = clock

    async def send(self, message: Message) -> None:
        """See `Channel`."""
        config = self._config
        mention = list(config.mention) if message.level is Level.I else []
        everybody = "@all" in mention
        mobiles = [mobile for mobile in mention if mobile != "@all"]
        called = "".join(f" @{mobile}" for mobile in mobiles)  # only who is named in the text is called
        body = f"{message.title}\n{message.text}"
        content = cut(_with_keyword(config.keyword, body), 18_000) + called
        query = f"access_token={quote(config.token.get_secret_value(), safe='')}"
        if config.secret is not None:
            stamp = str(to_ms(self._clock.now()))
            secret = config.secret.get_secret_value()
            signed = _signature(secret, f"{stamp}\n{secret}")
            query += f"&timestamp={stamp}&sign={quote(signed, safe='')}"
        at = {"atMobiles": mobiles, "isAtAll": everybody}
        url = f"{config.url.rstrip('/')}/robot/send?{query}"
        await self._post(url, {"msgtype": "text", "text": {"content": content}, "at": at})


class Feishu(_Robot):
    """See `Channel`. Bodies of at most 20 kB."""

    most_bytes = 17_000  # and room for a keyword
    _name = "feishu"
    _taken_by = ("code", "StatusCode")
    _later: ClassVar[Mapping[int, timedelta]] = {11232: _PAUSE, 9499: _PAUSE}

    def __init__(self, config: FeishuConfig, http: aiohttp.ClientSession, clock: Clock) -> None:
        super().__init__(http, config.url)
        self._config = config
        self._clock = clock

    async def send(self, message: Message) -> None:
        """See `Channel`."""
        config = self._config
        called = config.mention if message.level is Level.I else ()
        mention = "".join(f'<at user_id="{who}"></at>' for who in called)
        text = cut(_with_keyword(config.keyword, f"{message.title}\n{message.text}"), 18_000) + mention
        body: dict[str, Any] = {"msg_type": "text", "content": {"text": text}}
        if config.secret is not None:
            stamp = str(to_ms(self._clock.now()) // 1000)
            body |= {"timestamp": stamp, "sign": _signature(f"{stamp}\n{config.secret.get_secret_value()}", "")}
        token = quote(config.token.get_secret_value(), safe="")
        await self._post(f"{config.url.rstrip('/')}/open-apis/bot/v2/hook/{token}", body)


def _with_keyword(keyword: str, text: str) -> str:
    return text if keyword in text else f"{keyword} {text}"


def _signature(key: str, text: str) -> str:
    """HMAC-SHA256 in base64: DingTalk signs the text with the secret, Feishu nothing with text and secret as key."""
    return base64.b64encode(hmac.new(key.encode(), text.encode(), hashlib.sha256).digest()).decode()
