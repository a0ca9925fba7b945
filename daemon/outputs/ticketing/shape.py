"""A ticketing service told in YAML: where it is, what is asked of it, and how its answers read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, ByteSize, ConfigDict, Field, SecretStr, model_validator

from daemon.documents import Span, Strict
from daemon.outputs.sink import Capability, OnAmbiguous, PeerUrl, some_time
from daemon.outputs.ticketing.answers import AnswerConfig, Scalar
from daemon.outputs.ticketing.webhook import WebhookConfig

OurStatus = Literal["sent", "accepted", "arrived", "done", "verified", "rejected", "cancelled"]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")]
Header = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$")]
Template = Annotated[str, Field(max_length=20_000, description="text with {placeholders}")]
Pathway = Annotated[str, Field(max_length=200, description="dotted path in the answer, such as data.id")]


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"there is no zone {name!r}; write one such as Asia/Shanghai") from error
    return name


Zone = Annotated[str, AfterValidator(_zone)]


class Token(Strict):
    """A token in the header Authorization."""

    token: SecretStr


class Basic(Strict):
    """User and password of HTTP."""

    username: Annotated[str, Field(pattern=r"^[^:\r\n]{1,200}$")]
    password: SecretStr


class Named(Strict):
    """A token under a name of the service's own."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,100}$")]
    token: SecretStr


class AuthConfig(Strict):
    """Who we are; exactly one way."""

    bearer: Token | None = None
    basic: Basic | None = None
    header: Named | None = None
    query: Named | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(way is not None for way in (self.bearer, self.basic, self.header, self.query)) != 1:
            raise ValueError("auth has exactly one of bearer, basic, header and query")
        return self


class MapConfig(Strict):
    """Our words in the service's."""

    values: dict[str, Scalar]
    default: Annotated[Scalar | None, Field(description="for what is not listed; without it every value must be")] = (
        None
    )


class StatusMap(Strict):
    """The service's states in ours."""

    values: Annotated[dict[str, OurStatus], Field(min_length=1)]
    default: Annotated[OurStatus | Literal["ignore"], Field(description="for a state that is not listed")]


class Step(Strict):
    """One HTTP request."""

    model_config = ConfigDict(serialize_by_alias=True)

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: Annotated[Template, Field(pattern=r"^/")]
    headers: dict[Header, Template] = Field(default_factory=dict)
    query: dict[str, Template] = Field(default_factory=dict)
    tree: Annotated[dict[str, Any] | list[Any] | None, Field(alias="json", description="the body, as JSON")] = None
    form: Annotated[dict[str, Template] | None, Field(description="the body, as a form")] = None
    keep: Annotated[dict[Name, Pathway], Field(description="values of the answer for {kept.…} in what follows")] = (
        Field(default_factory=dict)
    )
    answers: AnswerConfig | None = None

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        if self.tree is not None and self.form is not None:
            raise ValueError("a request has a body of one kind: json or form")
        return self


class Request(Step):
    """A request, and what must be asked before it."""

    before: Annotated[tuple[Step, ...], Field(max_length=5, description="requests that prepare this one")] = ()

    @property
    def steps(self) -> tuple[Step, ...]:
        """All of it, in order."""
        return (*self.before, self)


class RefConfig(Strict):
    """Where the ticket's reference is, in the answer to the create."""

    path: Pathway | None = None
    header: Annotated[str | None, Field(description="a header, such as Location")] = None
    after: Annotated[str, Field(description="only what follows the last of these, such as /")] = ""
    absent: Annotated[
        Literal["key", "marker", "code", "search"] | None,
        Field(description="what stands for it where the service names none; search: it is searched for"),
    ] = None

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if self.path is not None and self.header is not None:
            raise ValueError("the reference is in the body (path) or in a header, not in both")
        if self.path is None and self.header is None and self.absent is None:
            raise ValueError("say where the reference is (path or header), or what stands for it (absent)")
        return self


class CreateRequest(Request):
    """Makes a ticket. What stands in `before` only prepares it."""

    ref: RefConfig


class ListRequest(Request):
    """Gives a list."""

    entries: Annotated[Pathway, Field(alias="list", description="where the list is; empty: the body itself")]
    most_pages: Annotated[
        int, Field(ge=1, le=100, description="with {page} in the request: asked until one is empty")
    ] = 20
    first_page: Annotated[int, Field(ge=0, le=1)] = 1


class SearchRequest(ListRequest):
    """Finds our ticket again."""

    ref: Pathway
    match: Annotated[Pathway, Field(description="where in an entry our mark stands")]
    contains: Annotated[Template | None, Field(description="the mark, somewhere in that text")] = None
    equals: Annotated[Template | None, Field(description="the mark, and nothing else")] = None

    @model_validator(mode="after")
    def _mark(self) -> Self:
        if (self.contains is None) == (self.equals is None):
            raise ValueError("say what the entry must say at `match`: exactly one of contains and equals")
        return self


class OpenRequest(ListRequest):
    """Every open ticket that came from here."""

    ref: Pathway
    match: Annotated[Pathway, Field(description="where the order's key stands, or a text with our marker in it")]
    level: Annotated[dict[str, Literal["I", "II", "III"]], Field(description="their words for levels")] = Field(
        default_factory=dict
    )
    level_at: Pathway | None = None


class Reading(Strict):
    """Where in an entry what stands."""

    status: Pathway
    changed_at: Pathway | None = None
    time: Annotated[str, Field(description="iso, ms, seconds, or a pattern such as %Y-%m-%d %H:%M:%S")] = "iso"
    by: Pathway | None = None
    note: Pathway | None = None
    team: Pathway | None = None


class ChangesRequest(ListRequest):
    """Tickets that changed after {since}."""

    ref: Pathway
    entry: Reading
    overlap: Annotated[Span, Field(description="asked for again each time, so that nothing slips through")] = timedelta(
        minutes=10
    )


class TellingConfig(Strict):
    """How the body of a webhook's request reads."""

    entries: Annotated[
        Pathway, Field(alias="list", description="where the list is; empty: the body itself, or one entry")
    ]
    ref: Pathway
    entry: Reading


class TicketRequest(Request):
    """One ticket by its reference."""

    entry: Reading
    batch: Annotated[int, Field(ge=1, le=200, description="tickets asked for in one round of polling")] = 20


class Requests(Strict):
    """What is asked of the service."""

    create: CreateRequest
    note: Request | None = None
    #: A kind of note that is written another way.
    update: Request | None = None
    recovery: Request | None = None
    reopen: Request | None = None
    verified: Request | None = None
    #: A note that shows a chart; without it `note` writes what the chart says, and without both nothing does.
    chart: Request | None = None
    #: On the younger of two tickets of one order: it can be closed as well.
    duplicate: Request | None = None
    search: SearchRequest | None = None
    changes: ChangesRequest | None = None
    ticket: TicketRequest | None = None
    open: OpenRequest | None = None

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.changes is not None and self.ticket is not None:
            raise ValueError("states are polled one way: by `changes` (a list) or by `ticket` (one by one)")
        return self

    def given(self) -> Mapping[str, Request]:
        """Those that are told, by name."""
        found = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: request for name, request in found.items() if request is not None}


class DeclaredConfig(Strict):
    """A service that is told in YAML."""

    preset: Annotated[
        str | None, Field(description="a shipped one, or a file beside gateway.yaml; what stands here changes it")
    ] = None
    url: Annotated[PeerUrl, Field(description="what stands before every path")]
    auth: AuthConfig | None = None
    login: Annotated[
        Step | None, Field(description="gives what {login.…} names by its `keep`; asked again when that has expired")
    ] = None
    secrets: Annotated[dict[Name, SecretStr], Field(description="for {secret.…} in requests")] = Field(
        default_factory=dict
    )
    capability: Annotated[Capability, Field(description="what it promises about a create that is sent again")]
    on_ambiguous: Annotated[OnAmbiguous | None, Field(description="required with `neither`")] = None
    on_ambiguous_safety: Annotated[
        OnAmbiguous, Field(description="the same for what nothing may suppress (entrapment, safety chain, fire main)")
    ] = OnAmbiguous.REPEAT
    settle: Annotated[Span, Field(description="so long after a create a search finds its ticket")] = timedelta(
        seconds=5
    )
    look_again: Annotated[
        Span, Field(description="so long after a search settled a doubt, a second ticket is looked for")
    ] = timedelta(minutes=10)
    timeout: Annotated[Span, AfterValidator(some_time)] = timedelta(seconds=10)
    poll_interval: Annotated[Span, AfterValidator(some_time)] = timedelta(seconds=30)
    most_bytes: Annotated[ByteSize, Field(ge=1024, le=64 * 1024**2, description="of an answer; more is no answer")] = (
        ByteSize(1024**2)
    )
    zone: Annotated[Zone | None, Field(description="of moments that are written without one; default: the site's")] = (
        None
    )
    headers: Annotated[dict[Header, Template], Field(description="of every request")] = Field(default_factory=dict)
    maps: dict[Name, MapConfig] = Field(default_factory=dict)
    statuses: StatusMap | None = None
    answers: AnswerConfig = AnswerConfig()
    requests: Requests
    webhook: Annotated[WebhookConfig | None, Field(description="where the service tells changes at once")] = None
    told: Annotated[TellingConfig | None, Field(description="how that reads; required with `webhook`")] = None
