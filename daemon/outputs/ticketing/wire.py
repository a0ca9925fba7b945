"""Requests to a service told in YAML: filled, sent once, and their answers judged. Waits and tries again for nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Any, NamedTuple, Self

import aiohttp

from daemon.model import Reject, Retry
from daemon.outputs.sink import ERRORS, UNTIL_MENDED, bounded, retry_after, why_unreachable
from daemon.outputs.ticketing.answers import MISSING, AnswerConfig, Meaning, look_up, meaning_of, plain, read_json
from daemon.outputs.ticketing.prepared import Prepared, prepare, secrets_of
from daemon.outputs.ticketing.shape import DeclaredConfig, Request, Step
from daemon.outputs.ticketing.template import Words

_MOST_SAID = 300


class Answer(NamedTuple):
    """What the service said to a request it took."""

    meaning: Meaning
    headers: Mapping[str, str]
    #: As JSON; `MISSING` when it is none.
    body: Any


class _Heard(NamedTuple):
    """An answer, not yet judged."""

    status: int
    headers: Mapping[str, str]
    body: Any
    raw: bytes

    def said(self, path: str | None) -> str:
        """The service's words for a person."""
        words = plain(look_up(self.body, path)) if path is not None else ""
        return words or self.raw.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Purpose:
    """What follows from a failure."""

    #: After a broken connection the service may have acted.
    acts: bool = False
    #: It is about a ticket that ought to be there.
    about_ticket: bool = False


class Wire:
    """The connection; use as `async with Wire(config, name) as wire`."""

    def __init__(self, config: DeclaredConfig, name: str) -> None:
        self._config = config
        self._name = name
        self._where = config.url.rstrip("/")
        self._secrets = secrets_of(config)
        #: What the login gave; None before it, and after it has expired.
        self._pass: Mapping[str, Any] | None = None
        self._logging_in = asyncio.Lock()

    async def __aenter__(self) -> Self:
        """Make the HTTP session; no connection yet, so the service need not be there."""
        # No proxy of the environment, no cookies of one request in another, nothing unpacked that could be a bomb;
        # idle connections are given up before the usual server gives them up (5 s).
        self._http = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=self._config.timeout.total_seconds()),
            connector=aiohttp.TCPConnector(keepalive_timeout=4),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self._http.close()

    async def ask(self, request: Request, words: Words, purpose: Purpose) -> Answer:
        """Send a request with what prepares it, and judge the last answer.

        Raises:
            Retry: not now.
            Reject: never.
        """
        kept: dict[str, Any] = {}
        words = words.knowing("kept", kept)
        for step in request.before:
            answer = await self._one(step, words, Purpose(about_ticket=purpose.about_ticket))
            kept |= self._keep(step, answer)
        return await self._one(request, words, purpose)

    def _keep(self, step: Step, answer: Answer) -> dict[str, Any]:
        kept = {name: look_up(answer.body, path) for name, path in step.keep.items()}
        for name, value in kept.items():
            if value is MISSING or value is None:
                raise self.strange(f"{step.method} {step.path} answers without {step.keep[name]}")
        return kept

    async def _one(self, step: Step, words: Words, purpose: Purpose) -> Answer:
        login = self._config.login
        if login is None:
            return self._judge(step, purpose, await self._heard(step, words, purpose))
        entry = await self._log_in(login, words)
        heard = await self._heard(step, words.knowing("login", entry), purpose)
        if self._has_expired(step, heard):  # refused before anything was done, so it may be asked for once more
            if self._pass is entry:
                self._pass = None
            entry = await self._log_in(login, words)
            heard = await self._heard(step, words.knowing("login", entry), purpose)
        return self._judge(step, purpose, heard)

    async def _log_in(self, login: Step, words: Words) -> Mapping[str, Any]:
        async with self._logging_in:
            if self._pass is None:
                self._pass = self._keep(login, await self._logged_in(login, words))
                self._secrets = secrets_of(self._config, map(plain, self._pass.values()))
            return self._pass

    async def _logged_in(self, login: Step, words: Words) -> Answer:
        """A refused login says nothing of the order, which waits until a person has mended it."""
        try:
            return self._judge(login, Purpose(), await self._heard(login, words, Purpose()))
        except Reject as reject:
            text = f"{reject}; the login is refused, set valid secrets for it"
            raise Retry(text, after=UNTIL_MENDED) from reject

    def _has_expired(self, step: Step, heard: _Heard) -> bool:
        config = step.answers or self._config.answers
        code = plain(look_up(heard.body, config.code)) if config.code is not None else ""
        return heard.status == 401 or (bool(code) and code in map(plain, config.expired))

    async def _heard(self, step: Step, words: Words, purpose: Purpose) -> _Heard:
        prepared = prepare(step, self._config, words)
        try:
            return await self._send(prepared)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise self._kept("connection", why_unreachable(error), None) from error
        except TimeoutError as error:
            seconds = self._config.timeout.total_seconds()
            raise self._kept("timeout", f"no answer within {seconds:g} s", None, ambiguous=purpose.acts) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:  # ValueError: headers that cannot be read
            text = f"the connection broke: {str(error) or type(error).__name__}"
            raise self._kept("connection", text, None, ambiguous=purpose.acts) from error

    async def _send(self, prepared: Prepared) -> _Heard:
        async with self._http.request(
            prepared.method,
            prepared.url,
            data=prepared.body,
            headers={**prepared.headers, "Accept-Encoding": "identity"},
            allow_redirects=False,
        ) as answer:
            raw = await bounded(answer, int(self._config.most_bytes))
            body = read_json(raw, _charset(answer.headers.get("Content-Type", "")))
            return _Heard(answer.status, answer.headers, body, raw)

    # --- what the answer means -----------------------------------------------------------------------------

    def _judge(self, step: Step, purpose: Purpose, heard: _Heard) -> Answer:
        config = step.answers or self._config.answers
        code = plain(look_up(heard.body, config.code)) if config.code is not None else ""
        if config.code is not None and not code and heard.status in config.status:
            raise self.strange(f"{step.method} {step.path} answers without {config.code}", ambiguous=purpose.acts)
        meaning = _by_code(code, heard.status, config) or _by_status(heard.status, config, purpose)
        if meaning in {Meaning.TAKEN, Meaning.DUPLICATE}:
            return Answer(meaning, heard.headers, heard.body)
        said = f"({heard.status}, code {code[:40]})" if code else f"({heard.status})"
        # masked before it is cut: half a secret is known by nobody here
        words = " ".join(self._masked(heard.said(config.message)).split())[:_MOST_SAID]
        said = f"{said}: {words}"
        if meaning is Meaning.PERMANENT:
            ERRORS.labels(self._name, "refused").inc()
            raise Reject(self._masked(f"{self._where}: refused {said}"))
        if meaning is Meaning.TRANSIENT:
            raise self._kept("unavailable", f"not now {said}", None)
        raise self._by_hand(step, purpose, heard.status, heard.headers)

    def _by_hand(self, step: Step, purpose: Purpose, status: int, headers: Mapping[str, str]) -> Retry:
        """A status that says something of the way there, not of the order."""
        if status in (401, 403):
            return self._kept("unauthorized", f"we are refused ({status}); set a valid secret under auth", UNTIL_MENDED)
        if status == 429 or status >= 500:
            kind = "throttled" if status == 429 else "unavailable"
            ambiguous = purpose.acts and status >= 500
            after = retry_after(headers.get("Retry-After"))
            return self._kept(kind, f"the service is {kind} ({status})", after, ambiguous=ambiguous)
        to = (
            f" to {self._masked(headers.get('Location', '?'))[:200]}, which is not followed"
            if 300 <= status < 400
            else ""
        )
        text = f"{step.method} {step.path} answered {status}{to}; check url and path"
        # a success that was not told in YAML is one all the same, as far as the service goes
        return self._kept("unexpected", text, UNTIL_MENDED, ambiguous=purpose.acts and 200 <= status < 300)

    def strange(self, message: str, *, ambiguous: bool = False) -> Retry:
        """An answer that is none of those told in YAML."""
        return self._kept("unexpected", f"{message}; check url, path and answers", UNTIL_MENDED, ambiguous=ambiguous)

    def _kept(self, kind: str, message: str, after: timedelta | None, *, ambiguous: bool = False) -> Retry:
        ERRORS.labels(self._name, kind).inc()
        return Retry(self._masked(f"{self._where}: {message}"), after=after, ambiguous=ambiguous)

    def _masked(self, message: str) -> str:
        """A service may repeat what it was sent: no secret of ours is told on."""
        for secret in self._secrets:
            message = message.replace(secret, "***")
        return "".join(letter if letter.isprintable() else " " for letter in message)


def _by_code(code: str, status: int, config: AnswerConfig) -> Meaning | None:
    """What a code in the body says of itself; None where the status must be asked."""
    meaning = meaning_of(code, config) if code else None
    if meaning is Meaning.TAKEN:
        return None  # a status of refusal is one all the same
    listed = code in map(plain, (*config.duplicate, *config.transient, *config.permanent))
    return meaning if listed or status in config.status else None


def _by_status(status: int, config: AnswerConfig, purpose: Purpose) -> Meaning | None:
    if status in config.status:
        return Meaning.TAKEN
    if status in config.duplicate_status:
        return Meaning.DUPLICATE
    if status in config.transient_status:
        return Meaning.TRANSIENT
    if status in config.permanent_status or (status == 404 and purpose.about_ticket):
        return Meaning.PERMANENT
    return None


def _charset(content_type: str) -> str | None:
    for part in content_type.split(";")[1:]:
        name, _, value = part.strip().partition("=")
        if name.lower() == "charset":
            return value.strip("\"' ")
    return None
