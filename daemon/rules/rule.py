"""One rule as engineers write it."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    create_model,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo

from daemon.documents import Span, Strict
from daemon.model import Asset, Level, Text
from daemon.rules.calendars import CalendarUse
from daemon.rules.predicates import Condition, Leaf, Stale, TimeIs, leaves
from daemon.rules.vocabulary import Quality


def _level(given: object) -> object:
    if isinstance(given, Level):
        return given
    if isinstance(given, str) and given in Level.__members__:
        return Level[given]
    raise ValueError(f"{given!r} is no level; write I, II or III")


LevelName = Annotated[
    Level,
    BeforeValidator(_level),
    PlainSerializer(lambda level: level.name),
    WithJsonSchema({"enum": list(Level.__members__)}),
]


class Clear(Strict):
    """When a level ends: the opposite of `when`, or the condition written here; and for how long."""

    model_config = ConfigDict(populate_by_name=False)

    when: Condition | None = None
    hold: Annotated[Span | None, Field(alias="for")] = None


class LevelSpec(Strict):
    """One rung of the ladder."""

    model_config = ConfigDict(populate_by_name=False)

    level: LevelName
    when: Condition
    #: An unbroken stretch of good data in which `when` is true.
    hold: Annotated[Span | None, Field(alias="for")] = None
    clear: Clear | None = None


class AppliesTo(Strict):
    """Which assets: every given field must fit."""

    #: An asset kind, or `*` for any.
    kind: str | None = None
    kinds: tuple[str, ...] | None = None
    #: All of these tags.
    tags: tuple[str, ...] = ()
    #: Any of these ids.
    assets: tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.kind is not None and self.kinds is not None:
            raise ValueError("write kind or kinds, not both")
        if self.kind is None and self.kinds is None and not self.tags and self.assets is None:
            raise ValueError("name at least one of kind, kinds, tags, assets (kind: '*' means any)")
        return self

    def matches(self, asset: Asset) -> bool:
        """Whether the rule is meant for this asset."""
        kinds = (self.kind,) if self.kind is not None else self.kinds
        return (
            (kinds is None or "*" in kinds or asset.kind in kinds)
            and all(tag in asset.tags for tag in self.tags)
            and (self.assets is None or asset.id in self.assets)
        )


class WorkOrderSpec(Strict):
    """The work order that an alarm asks for."""

    #: The rule's title when absent.
    title: Text | None = None
    steps: tuple[Text, ...] = ()
    #: 设施 / 服务 / 安全
    category: Literal["facility", "service", "safety"] = "facility"
    #: An incident (an entrapment and its like) and what a sensor has (it is silent, or wrong) are counted apart from a
    #: pre-complaint; who is told differs too, see docs/response-mechanism.md.
    type: Literal["pre_complaint", "incident", "instrument"] = "pre_complaint"
    #: What the response mechanism goes by where it tells them apart: trade is affected, equipment, a cause outside.
    impact: Literal["trading", "equipment", "outside"] = "equipment"
    #: A procedure of the response mechanism, with timed steps.
    procedure: Annotated[str | None, Field(pattern=r"^[a-z][a-z_]{1,30}$")] = None
    #: When residents are told: once a person has accepted, at once, or never.
    residents: Literal["accepted", "at_once", "never"] = "accepted"


class RuleSpec(Strict):
    """A test configured by an engineer, for every asset it applies to."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)*$", max_length=80)]
    title: Text
    applies_to: AppliesTo
    #: What one alarm is about: an asset, each device of it, or each source with all the devices that speak over it.
    per: Literal["asset", "device", "source"] = "asset"
    #: Rules that explain it: while one has an order for the source of its devices, for its own asset, or for one that
    #: this depends on, its alarm is a child of that order.
    child_of: str | tuple[str, ...] | None = None
    levels: tuple[LevelSpec, ...]
    #: While this is true no alarm opens; alarms that are open go on.
    unless: Condition | None = None
    #: Outside of it no alarm opens; alarms that are open go on.
    calendar: CalendarUse | None = None
    #: What missing data counts as: nothing known, the condition being true, or the condition being false.
    no_data: Literal["unknown", "alarm", "normal"] = "unknown"
    #: `good`: suspect readings do not count, no more than bad ones; conditions may say it for themselves.
    quality: Quality = "suspect"
    mode: Literal["active", "shadow", "off"] = "active"
    #: Standard and edition, or whose judgement it is: shown on every order.
    basis: Annotated[str, Field(min_length=1)]
    cause: Text
    consequence: Text
    work_order: WorkOrderSpec = WorkOrderSpec()
    #: After a repair it must stay clear for so long on good data; the response mechanism's span when absent.
    verify_for: Span | None = None
    #: So many orders at most for one asset on one day of the site; further alarms are withheld.
    cap: Annotated[int | None, Field(ge=1, le=1000)] = None
    #: What has ended stays open until a person has reset it. (None and not False: so rules without it are as before.)
    latch: bool | None = None
    #: Kept out of storm folding, caps and shelving.
    never_suppress: bool = False
    #: What a state point's late news does: an alarm whose order is withheld, or an order marked late.
    late: Literal["withhold", "open"] = "withhold"

    @field_validator("levels")
    @classmethod
    def _each_level_once(cls, levels: tuple[LevelSpec, ...]) -> tuple[LevelSpec, ...]:
        names = [rung.level.name for rung in levels]
        if not names:
            raise ValueError("no level stands here; write at least one")
        if len(set(names)) != len(names):
            raise ValueError(f"a level stands here twice ({', '.join(names)}); keep one of each")
        return levels

    @model_validator(mode="after")
    def _capped_or_never_suppressed(self) -> Self:
        if self.cap is not None and self.never_suppress:
            raise ValueError("a rule that is never suppressed has no cap; remove one of the two")
        return self

    @model_validator(mode="after")
    def _of_sources(self) -> Self:
        if self.per == "source" and any(not isinstance(leaf, Stale | TimeIs) or leaf.point for leaf in self._leaves()):
            raise ValueError("a source has no points: a rule per source asks `stale: {after: …, devices: all}` only")
        if self.per == "source" and self.child_of is not None:
            raise ValueError("a rule per source is the parent of others, and nobody's child; remove child_of")
        return self

    def _leaves(self) -> Iterator[Leaf]:
        conditions = [self.unless]
        for rung in self.levels:
            conditions += [rung.when, rung.clear.when if rung.clear else None]
        return (leaf for condition in conditions if condition is not None for leaf, _ in leaves(condition))

    @property
    def parents(self) -> tuple[str, ...]:
        """The rules that it may be a child of."""
        return (self.child_of,) if isinstance(self.child_of, str) else self.child_of or ()

    def rung(self, level: Level) -> LevelSpec:
        """The level's part of the ladder; the nearest one when the rule has changed since.

        Args:
            level: as a transition or alarm has it.
        """
        return min(self.levels, key=lambda rung: abs(rung.level - level))


#: As they stand in YAML.
RULE_KEYS = tuple(field.alias or name for name, field in RuleSpec.model_fields.items())


def _lenient(field: FieldInfo) -> tuple[Any, FieldInfo]:
    """The same field, that need not be there."""
    field = copy(field)
    field.default, field.default_factory = None, None
    return (field.annotation, field)


_EXTENDING: dict[str, Any] = {
    **{name: _lenient(field) for name, field in RuleSpec.model_fields.items() if name != "id"},
    "id": (RuleSpec.model_fields["id"].annotation, RuleSpec.model_fields["id"]),
    "extends": (str, ...),
    "arguments": (dict[str, Any], Field(default={}, alias="with")),
}
#: For the JSON Schema only: templates are resolved before a rule is built (see `templates`).
ExtendingRule = create_model(
    "ExtendingRule",
    __base__=Strict,
    __doc__="A rule that has from a template what it does not say itself.",
    **_EXTENDING,
)


class RuleFile(Strict):
    """One file of rules; its templates and calendars, known in every file, are resolved before it is built."""

    version: Literal[1]
    #: By name; such a name may stand wherever a calendar does.
    calendars: dict[str, CalendarUse] = Field(default_factory=dict)
    #: By name: the keys of a rule, with $parameters.
    templates: dict[str, dict[str, Any]] = Field(default_factory=dict)
    rules: Annotated[
        tuple[RuleSpec, ...],
        BeforeValidator(lambda given: given, json_schema_input_type=tuple[RuleSpec | ExtendingRule, ...]),
    ]
