"""What is wrong with a service told in YAML, as far as it can be known before anything is sent."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from daemon.documents import Document, Location
from daemon.model import Catalogue, Level, Site, Text
from daemon.outputs.sink import Capability
from daemon.outputs.ticketing import names
from daemon.outputs.ticketing.answers import AnswerConfig
from daemon.outputs.ticketing.filters import Omitted
from daemon.outputs.ticketing.shape import DeclaredConfig, Request, Step
from daemon.outputs.ticketing.template import MAP, Words, fill, named, parse, text

#: A place under `ticketing`, and what is wrong there.
Fault = tuple[Location, str]
#: What a placeholder can say, where that is known without the site.
_KNOWN: Mapping[str, frozenset[str]] = {
    "level": frozenset(level.name for level in Level),
    "category": frozenset({"facility", "service", "safety"}),
    "type": frozenset({"pre_complaint", "incident", "instrument", "root_cause"}),
    "kind": frozenset({"update", "recovery", "reopen", "verified", "duplicate"}),
}
_CHOOSE = (
    "with `capability: neither` a time-out leaves it unknown whether there is a ticket; choose "
    "`on_ambiguous: park` (a person looks) or `repeat` (perhaps two tickets)"
)
#: What stands for an order on its ticket.
_MARKS = frozenset({"key", "marker", "code"})
_SOME_SITE = Site("site", Text("项目", "Site"))


def faults_of(config: object, document: Document) -> list[str]:
    """Every fault of `ticketing` in a gateway.yaml, each with its place; none of the reference contract."""
    return _placed(document, review(config)) if isinstance(config, DeclaredConfig) else []


def faults_on_site(config: object, document: Document, catalogue: Catalogue) -> list[str]:
    """Likewise, of what does not fit the site."""
    return _placed(document, review_site(config, catalogue)) if isinstance(config, DeclaredConfig) else []


def _placed(document: Document, faults: list[Fault]) -> list[str]:
    return [f"{document.place(('ticketing', *at))}: {'.'.join(map(str, at))}: {what}" for at, what in faults]


def review(config: DeclaredConfig) -> list[Fault]:
    """Every fault that the service's YAML alone shows, with its place under `ticketing`."""
    templates = list(dict.fromkeys(_templates(config)))
    #: Requests whose placeholders are not sound: what they lack cannot be told.
    shaky = frozenset(str(place[1]) for place, _ in templates if place[0] == "requests")
    return [*templates, *_promises(config, shaky), *_answers(config), *_back(config, shaky), *_maps(config)]


def review_site(config: DeclaredConfig, catalogue: Catalogue) -> list[Fault]:
    """What maps say of assets and buildings that the site does not have."""
    known = {
        "asset": {asset.id for asset in catalogue.assets},
        "building": {asset.building for asset in catalogue.assets},
        "asset_kind": {asset.kind for asset in catalogue.assets},
        "site": {catalogue.site.id},
    }
    used = [(name, path) for name, path in sorted(set(_used(config))) if path in known and name in config.maps]
    return [fault for name, path in used for fault in _strangers(config, name, path, known[path])]


# --- placeholders ------------------------------------------------------------------------------------------


def _templates(config: DeclaredConfig) -> Iterator[Fault]:
    site = _SOME_SITE
    for name, request in config.requests.given().items():
        kinds = [name] if name != "note" else _kinds_by_note(config)
        for kind in kinds:
            kept: dict[str, Any] = {}
            for place, step in _steps(name, request):
                look = _Look(config, names.sample(kind, config, site, kept))
                yield from look.step(place, step)
                kept |= dict.fromkeys(step.keep, "1")
            mark = getattr(request, "contains", None) or getattr(request, "equals", None)
            if mark is not None:
                which = "contains" if getattr(request, "contains", None) else "equals"
                look = _Look(config, names.sample(kind, config, site, {}))
                yield from look.template(("requests", name, which), mark)
    if config.login is not None:
        yield from _Look(config, names.sample("login", config, site, {})).step(("login",), config.login)
    for header, template in config.headers.items():
        yield from _Look(config, names.sample("open", config, site, {})).template(("headers", header), template)


def _kinds_by_note(config: DeclaredConfig) -> list[str]:
    """The kinds of note that `note` writes; one stands for all when each has its own."""
    own = config.requests.given()
    return [kind for kind in sorted(_KNOWN["kind"]) if kind not in own] or ["update"]


def _steps(name: str, request: Request) -> Iterator[tuple[Location, Step]]:
    for n, step in enumerate(request.before):
        yield ("requests", name, "before", n), step
    yield ("requests", name), request


@dataclass(frozen=True, slots=True)
class _Look:
    """Looks at templates by filling them for a made-up order."""

    config: DeclaredConfig
    values: Mapping[str, Any]

    def step(self, place: Location, step: Step) -> Iterator[Fault]:
        yield from self.template((*place, "path"), step.path)
        for part in ("headers", "query", "form"):
            for name, template in (getattr(step, part) or {}).items():
                yield from self.template((*place, part, name), template, as_text=True)
        if step.tree is not None:
            yield from self.tree((*place, "json"), step.tree)

    def tree(self, place: Location, tree: Any) -> Iterator[Fault]:  # noqa: ANN401  JSON
        if isinstance(tree, str):
            yield from self.template(place, tree)
        elif isinstance(tree, Mapping):
            for name, inner in tree.items():
                yield from self.tree((*place, name), inner)
        elif isinstance(tree, list):
            for n, inner in enumerate(tree):
                yield from self.tree((*place, n), inner)
        else:
            try:
                orjson.dumps(tree)
            except TypeError:
                yield place, f"{tree!r} cannot stand in JSON; write it as a text, in quotes"

    def template(self, place: Location, template: str, *, as_text: bool = False) -> Iterator[Fault]:
        try:
            parse(template)
        except ValueError as error:
            yield place, str(error)
            return
        zone = ZoneInfo(self.config.zone or "Asia/Shanghai")
        maps = {name: (given.values, given.default) for name, given in self.config.maps.items()}
        words = Words(self.values, maps, zone, [])
        try:
            filled = text(template, words) if as_text else fill(template, words)
            orjson.dumps(filled)
        except Omitted:
            pass
        except TypeError:
            words.fault("gives a number that cannot stand in JSON; write it as a text, in quotes")
        for fault in dict.fromkeys(words.faults or ()):
            yield place, fault


# --- what it promises --------------------------------------------------------------------------------------


def _promises(config: DeclaredConfig, shaky: Collection[str]) -> Iterator[Fault]:
    requests = config.requests
    match config.capability:
        case Capability.KEY:
            if "create" not in shaky and not _mentions(requests.create, {"key"}):
                what = "the create sends no key, so `capability: key` cannot hold; put {key} where the service takes it"
                yield ("requests", "create"), what
        case Capability.SEARCH:
            yield from _findable(config, shaky)
        case Capability.NEITHER:
            if config.on_ambiguous is None:
                yield ("capability",), _CHOOSE
    if requests.create.ref.absent == "search" and config.capability is not Capability.SEARCH:
        yield ("requests", "create", "ref"), "`absent: search` needs `capability: search`, and requests.search"
    if config.on_ambiguous is not None and config.capability is not Capability.NEITHER:
        yield ("on_ambiguous",), f"`capability: {config.capability}` settles it; remove on_ambiguous"
    notes = {"update", "recovery", "reopen", "verified"} - set(requests.given())
    if notes and requests.note is None:
        missing = ", ".join(sorted(notes))
        yield ("requests",), f"nothing tells how {missing} is written on a ticket; add requests.note"


def _findable(config: DeclaredConfig, shaky: Collection[str]) -> Iterator[Fault]:
    search = config.requests.search
    if search is None:
        yield ("capability",), "`capability: search` needs requests.search; add it, or write `neither`"
    elif not any(place.path in _MARKS for place in named(search.contains or search.equals)):
        what = "the search must look for what the create wrote: {marker}, {code} or {key} in contains or equals"
        yield ("requests", "search"), what
    if "create" not in shaky and not _mentions(config.requests.create, _MARKS):
        what = "no ticket could be found again: put {marker} into its title or text, or {key} into a field"
        yield ("requests", "create"), what


def _mentions(request: Request, marks: Collection[str]) -> bool:
    return any(place.path in marks for step in request.steps for place in named(_all(step)))


def _all(step: Step) -> list[Any]:
    return [step.path, step.query, step.headers, step.tree, step.form]


def _answers(config: DeclaredConfig) -> Iterator[Fault]:
    given: list[tuple[Location, AnswerConfig]] = [(("answers",), config.answers)]
    for name, request in config.requests.given().items():
        given += [
            ((*place, "answers"), step.answers) for place, step in _steps(name, request) if step.answers is not None
        ]
    for place, answers in given:
        if answers.code is None and (answers.success or answers.otherwise):
            yield place, "codes are listed, and nothing says where the code stands; add `code`"
        if answers.code is not None and not answers.success:
            yield place, "nothing says which code means success; add `success: [0]`"
        if answers.code is not None and answers.otherwise is None:
            text = (
                "nothing says what an unlisted code means; add `otherwise: permanent` (a person looks) or `transient`"
            )
            yield place, text
    create = config.requests.create
    if (create.answers or config.answers).code is None and create.ref.path is None and create.ref.header is None:
        text = (
            "nothing in the answer tells that a ticket was made (a login page answers 200 too); add answers.code or ref"
        )
        yield ("requests", "create"), text


# --- what comes back ---------------------------------------------------------------------------------------


def _back(config: DeclaredConfig, shaky: Collection[str]) -> Iterator[Fault]:
    requests = config.requests
    polled = "changes" if requests.changes is not None else "ticket" if requests.ticket is not None else None
    if polled is not None and config.statuses is None:
        yield ("requests", polled), "states are polled, and nothing says what they mean; add `statuses`"
    ticket, changes = requests.ticket, requests.changes
    if ticket is not None and "ticket" not in shaky and not _mentions(ticket, {"ref", *_MARKS}):
        yield ("requests", "ticket"), "nothing says which ticket is asked for; put {ref} into path or query"
    if changes is not None and "changes" not in shaky and not _mentions(changes, {"since"}):
        what = (
            "the whole list would be fetched each time; put {since|time:…} where the service takes it, or use `ticket`"
        )
        yield ("requests", "changes"), what
    if config.webhook is not None and (config.told is None or config.statuses is None):
        yield ("webhook",), "nothing says how its requests read; add `told` and `statuses`"
    if config.statuses is not None and "done" not in {*config.statuses.values.values(), config.statuses.default}:
        yield ("statuses",), "no state means `done`, so no repair would ever be verified; map the one that does"


def _maps(config: DeclaredConfig) -> Iterator[Fault]:
    for name, path in sorted(set(_used(config))):
        given = config.maps.get(name)
        if given is None:
            continue
        if path in _KNOWN:
            yield from _strangers(config, name, path, _KNOWN[path])
            missing = sorted(_KNOWN[path] - set(given.values))
            if missing and given.default is None:
                yield ("maps", name), f"nothing is said for {path} {', '.join(missing)}; add it to values, or a default"
        elif given.default is None:
            what = f"{path} can be what is not listed, for instance in orders about the gateway itself; add a default"
            yield ("maps", name), what


def _strangers(config: DeclaredConfig, name: str, path: str, known: Collection[str]) -> Iterator[Fault]:
    for word in config.maps[name].values:
        if word not in known:
            near = difflib.get_close_matches(word, sorted(known), n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(known))}"
            yield ("maps", name, "values", word), f"there is no {path} {word!r}; {hint}"


def _used(config: DeclaredConfig) -> Iterator[tuple[str, str]]:
    """Which map is put on which placeholder; where something is done before it, nobody knows what comes."""
    for request in config.requests.given().values():
        for step in request.steps:
            for place in named(_all(step)):
                if place.filters and place.filters[0].name == MAP:
                    yield place.filters[0].argument, place.path
