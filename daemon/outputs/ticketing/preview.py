"""The requests that would be sent for a made-up order, with the secrets hidden: to fit a service without asking it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from zoneinfo import ZoneInfo

from daemon.model import Site
from daemon.outputs.ticketing import names
from daemon.outputs.ticketing.prepared import prepare
from daemon.outputs.ticketing.shape import DeclaredConfig, Step
from daemon.outputs.ticketing.template import Words

#: The kinds of note, each written by its own request or by `note`.
KINDS = ("update", "recovery", "reopen", "verified", "duplicate", "chart")


class Shown(NamedTuple):
    """One request."""

    #: Its name in YAML; `create (1)` where it only prepares.
    name: str
    method: str
    url: str
    headers: dict[str, str]
    body: str


def preview(config: DeclaredConfig, site: Site) -> Iterator[Shown]:
    """Every request, those that prepare another before it. Values of answers are shown as `‹name›`.

    Raises:
        Reject: one cannot be filled for the made-up order.
    """
    if config.login is not None:
        yield _shown("login", config.login, config, site, "login", {})
    given = config.requests.given()
    for name in ("create", "search", *KINDS, "changes", "ticket", "open"):
        request = given.get(name) or (config.requests.note if name in KINDS else None)
        if request is None:
            continue
        kept: dict[str, str] = {}
        for number, step in enumerate(request.before, 1):
            yield _shown(f"{name} ({number})", step, config, site, name, kept)
            kept |= {word: f"‹{word}›" for word in step.keep}
        yield _shown(name, request, config, site, name, kept)


def _shown(label: str, step: Step, config: DeclaredConfig, site: Site, name: str, kept: dict[str, str]) -> Shown:
    maps = {map_name: (given.values, given.default) for map_name, given in config.maps.items()}
    words = Words(names.sample(name, config, site, kept), maps, ZoneInfo(config.zone or site.timezone))
    made = prepare(step, config, words, masked=True)
    return Shown(label, made.method, made.url.human_repr(), dict(made.headers), (made.body or b"").decode())
