"""What is known of a peer that speaks HTTP: checks with a verdict each, in both languages. Nothing is left there."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import orjson

from daemon.clock import Clock
from daemon.model import Text
from daemon.outputs.sink import why_unreachable

#: The header tells whole seconds, and the way there and back takes some time.
_SAME_CLOCK = timedelta(seconds=2)
#: More than that is a clock that is not set.
_OTHER_CLOCK = timedelta(seconds=10)
_MOST_BYTES = 1024 * 1024


class Verdict(enum.StrEnum):
    """How a check ended."""

    OK = "ok"
    FAILED = "failed"
    #: It cannot be known without leaving something behind, or the peer does not say.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    verdict: Verdict
    text: Text

    def plain(self) -> dict[str, Any]:
        """For a program."""
        return {"check": self.name, "verdict": self.verdict, "zh": self.text.zh, "en": self.text.en}


def ok(name: str, zh: str, en: str) -> Check:
    """It is as it should be."""
    return Check(name, Verdict.OK, Text(zh, en))


def failed(name: str, zh: str, en: str) -> Check:
    """It is not."""
    return Check(name, Verdict.FAILED, Text(zh, en))


def unknown(name: str, zh: str, en: str) -> Check:
    """Nobody can tell."""
    return Check(name, Verdict.UNKNOWN, Text(zh, en))


class Unreachable(Exception):
    """The peer does not answer; what to do stands in the message."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a peer said, and when."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    sent_at: datetime
    received_at: datetime

    @property
    def json(self) -> Any:  # noqa: ANN401  JSON
        """The body, or None when it is no JSON."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None

    @property
    def said(self) -> str:
        """The beginning of the body, for a person."""
        return " ".join(self.body[:300].decode("utf-8", "replace").split())

    def clock(self) -> Check:
        """How the peer's clock stands to ours, by its header `Date`."""
        try:
            theirs = parsedate_to_datetime(self.headers.get("Date", ""))
        except ValueError:
            return unknown("clock", "对方没有报时（无 Date 头）", "it does not tell its time (no Date header)")
        if theirs.tzinfo is None:
            return unknown("clock", "对方报时无时区", "it tells its time without a zone")
        ahead = max(theirs - self.received_at, min(timedelta(), theirs + timedelta(seconds=1) - self.sent_at))
        seconds = f"{ahead.total_seconds():+.0f} s"
        if abs(ahead) <= _SAME_CLOCK:
            return ok("clock", "时钟一致（误差 2 秒内）", "its clock and ours agree within 2 s")
        if abs(ahead) <= _OTHER_CLOCK:
            return ok("clock", f"时钟相差 {seconds}", f"its clock differs from ours by {seconds}")
        return failed(
            "clock",
            f"时钟相差 {seconds}：两边都查 NTP",
            f"its clock differs from ours by {seconds}: check NTP on both machines",
        )


@dataclass(frozen=True, slots=True)
class Caller:
    """Asks one peer. No proxy of the environment, no redirects: as the daemon does."""

    http: aiohttp.ClientSession
    url: str
    clock: Clock
    timeout: timedelta

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request with an empty body.

        Raises:
            Unreachable: no answer came.
        """
        sent_at = self.clock.now()
        try:
            async with self.http.request(
                method,
                self.url.rstrip("/") + path,
                params=query,
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=self.timeout.total_seconds()),
            ) as answer:
                body = await answer.content.read(_MOST_BYTES)
        except TimeoutError as error:
            raise Unreachable(f"{self.url}: no answer within {self.timeout.total_seconds():g} s") from error
        except aiohttp.ClientError as error:
            raise Unreachable(f"{self.url}: {why_unreachable(error)}") from error
        return Answer(answer.status, answer.headers, body, sent_at, self.clock.now())


def common_fault(name: str, answer: Answer, path: str) -> Check | None:
    """What an answer says that is the same whatever was asked: a redirect, or a service that is not well."""
    status = answer.status
    if 300 <= status < 400:
        to = answer.headers.get("Location", "?")
        return failed(
            name,
            f"重定向到 {to}；本网关不跟随重定向，请直接写该地址",
            f"redirects to {to}; redirects are not followed, write that address",
        )
    if status == 429 or status >= 500:
        return failed(
            name,
            f"{path} 返回 {status}：服务此刻不可用，查其日志",
            f"{path} answers {status}: the service is not well, see its log",
        )
    return None
