"""What the service accepts, as `config/ticketing/openapi.yaml` describes it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _moment(text: str) -> str:
    """An ISO 8601 moment with its offset, kept as it was written."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("a moment needs its offset from UTC, as in 2026-11-21T08:00:00.000Z")
    if not 1970 <= at.year <= 9000:
        raise ValueError("no moment of our time")
    return text


Moment = Annotated[str, AfterValidator(_moment), Field(json_schema_extra={"format": "date-time"})]
Word = Annotated[str, Field(min_length=1, max_length=256)]
Level = Literal["I", "II", "III"]
#: How a complaint came in.
Channel = Literal["app", "wechat", "hotline", "desk", "notice_box", "community_office"]


class _Body(BaseModel):
    # Unknown members are kept: a later gateway may say more than this service understands.
    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)


class Text(_Body):
    """The same words in Chinese and in English."""

    zh: str
    en: str


class Observed(_Body):
    """One number the alarm stood on."""

    point: Word
    value: float | str | None
    unit: str
    at: Moment | None
    quality: Literal["good", "suspect", "bad"]
    limit: str


class Priority(_Body):
    """A number to sort by, and how it came about."""

    score: int
    arithmetic: Text


class Order(_Body):
    """预投诉工单: a work order opened before anybody complained."""

    key: Word
    site: Word
    building: str
    asset: Word
    asset_name: Text
    rule: Word
    level: Level
    category: Literal["facility", "service", "safety"]
    type: Literal["pre_complaint", "incident", "instrument", "root_cause"]
    title: Text
    explanation: Text | None = None
    cause: Text
    consequence: Text
    steps: list[Text]
    basis: str
    households: Annotated[int, Field(ge=0)]
    active_at: Moment
    created_at: Moment
    respond_by: Moment
    late: bool
    observed: list[Observed]
    rules_hash: str
    asset_kind: str = ""
    impact: Literal["", "trading", "equipment", "outside"] = ""
    procedure: str = ""
    priority: Priority | None = None
    previous: list[str] = []


class Chart(_Body):
    """What points did, as a picture."""

    occasion: Literal["opened", "recovered", "reopened", "verified"]
    media_type: Literal["image/svg+xml"]
    data: Annotated[str, Field(max_length=40_000)]
    alt: Text


class Note(_Body):
    """News of an order: of its alarm, of a deadline, or the sensor's judgement, which moves the order."""

    kind: Literal["update", "recovery", "reopen", "verified"]
    at: Moment
    text: Text
    level: Level | None = None
    observed: list[Observed] = []
    chart: Chart | None = None


class Action(_Body):
    """What a person did."""

    by: Word
    note: Annotated[str, Field(max_length=2000)] = ""


class Progress(_Body):
    """What a person says besides: a remark, a thing done, the team that it goes to."""

    by: Word
    note: Annotated[str, Field(max_length=2000)] = ""
    stamp: Annotated[str, Field(max_length=64, pattern="^([a-z][a-z0-9_]*)?$")] = ""
    team: Annotated[str, Field(max_length=64)] = ""


class Complaint(BaseModel):
    """投诉: what a resident says is wrong. No name and no number of a person is kept."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    text: Annotated[str, Field(min_length=1, max_length=2000)]
    channel: Channel = "desk"
    category: Literal["facility", "service", "safety"] = "facility"
    urgency: Literal["urgent", "normal", "suggestion"] = "normal"
    customer: Literal["owner", "tenant", "merchant", "other"] = "owner"
    #: Where the resident lives, as in `3-1-1202`; tells the building when nobody does.
    room: Annotated[str, Field(max_length=64)] = ""
    building: Annotated[str, Field(max_length=64)] = ""
    #: As in the gateway's assets, as far as the resident could tell.
    asset_kind: Annotated[str, Field(max_length=64, pattern="^([a-z][a-z0-9_]*)?$")] = ""
    asset: Annotated[str, Field(max_length=256)] = ""
    site: Annotated[str, Field(max_length=256)] = ""
    #: When it was noticed; now when nobody tells.
    at: Moment | None = None
