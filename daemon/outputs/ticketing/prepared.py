"""A request as it is told in YAML, filled for one order: where it goes, what it says, and who says it."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

import orjson
from yarl import URL

from daemon.model import Reject
from daemon.outputs.ticketing.shape import Basic, DeclaredConfig, Step
from daemon.outputs.ticketing.template import Placeholder, Words, fill, flat, named, parse, text


class Prepared(NamedTuple):
    """A request as it is sent."""

    method: str
    url: URL
    headers: Mapping[str, str]
    body: bytes | None


def prepare(step: Step, config: DeclaredConfig, words: Words, *, masked: bool = False) -> Prepared:
    """Fill a request.

    Raises:
        Reject: it cannot be filled for this order.
    """
    headers = flat({"Accept": "application/json", **_common(config, words), **step.headers}, words)
    query = flat(step.query, words)
    body = None
    if step.tree is not None:
        headers.setdefault("Content-Type", "application/json")
        try:
            body = orjson.dumps(fill(step.tree, words))
        except TypeError as error:
            raise Reject(f"the body of {step.method} {step.path} is no JSON: {error}") from error
    elif step.form is not None:
        headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
        body = URL.build(query=flat(step.form, words)).raw_query_string.encode()
    _identify(config, headers, query, masked=masked)
    url = URL(config.url.rstrip("/") + _path(step.path, words), encoded=True)
    safe = {name: _one_line(value) for name, value in headers.items()}
    return Prepared(step.method, url.update_query(query) if query else url, safe, body)


def _common(config: DeclaredConfig, words: Words) -> Mapping[str, str]:
    """Headers of every request; on the login itself none that it is to give."""
    if "login" in words.values:
        return config.headers
    asks = {header for header, told in config.headers.items() if any(p.path.startswith("login.") for p in named(told))}
    return {header: told for header, told in config.headers.items() if header not in asks}


def _one_line(value: str) -> str:
    """No line break or other control character gets into a header."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in value).split())


def _path(template: str, words: Words) -> str:
    """A path with each value in it quoted: no value can lead elsewhere."""
    pieces = parse(template)
    filled = (
        _segment(piece, words) if isinstance(piece, Placeholder) else quote(piece, "/?&=:@%+,;~") for piece in pieces
    )
    return "".join(filled)


def _segment(piece: Placeholder, words: Words) -> str:
    filters = "".join(f"|{step.name}" + (f":{step.argument}" if step.argument else "") for step in piece.filters)
    value = quote(text(f"{{{piece.path}{filters}}}", words), safe="")
    return value.replace(".", "%2E") if value.strip(".") == "" else value


def _identify(config: DeclaredConfig, headers: dict[str, str], query: dict[str, str], *, masked: bool) -> None:
    auth = config.auth
    if auth is None:
        return

    def shown(secret: Any) -> str:  # noqa: ANN401  SecretStr
        return "***" if masked else str(secret.get_secret_value())

    if auth.bearer is not None:
        headers["Authorization"] = f"Bearer {shown(auth.bearer.token)}"
    elif auth.basic is not None:
        headers["Authorization"] = "Basic ***" if masked else f"Basic {_basic(auth.basic)}"
    elif auth.header is not None:
        headers[auth.header.name] = shown(auth.header.token)
    elif auth.query is not None:
        query[auth.query.name] = shown(auth.query.token)


def _basic(who: Basic) -> str:
    return base64.b64encode(f"{who.username}:{who.password.get_secret_value()}".encode()).decode()


def secrets_of(config: DeclaredConfig, given: Iterable[str] = ()) -> tuple[str, ...]:
    """Every secret, and those `given` by a login, in each form in which it may come back, the longest first."""
    auth = config.auth
    plain_ones = [secret.get_secret_value() for secret in config.secrets.values()]
    plain_ones += given
    if auth is not None:
        plain_ones += [
            way.token.get_secret_value() for way in (auth.bearer, auth.header, auth.query) if way is not None
        ]
        if auth.basic is not None:
            plain_ones += [auth.basic.password.get_secret_value(), _basic(auth.basic)]
    forms = {form for secret in plain_ones if secret for form in _forms(secret)}
    return tuple(sorted(forms, key=len, reverse=True))


def _forms(secret: str) -> tuple[str, ...]:
    """As it is, in an address, and in JSON, of which some escape the slash."""
    in_json = orjson.dumps(secret).decode()[1:-1]
    return secret, quote(secret), quote(secret, safe=""), in_json, in_json.replace("/", "\\/")
