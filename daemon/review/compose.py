"""The review of a month, put together: headline, tables and advice from rows. No clock and no file is looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from daemon.model import Asset, Catalogue, Level, Text
from daemon.review import alarms, groups
from daemon.review.advice import Evidence, Suggestion, suggestions
from daemon.review.complaints import Voice, Voices, complaint_table, voices
from daemon.review.groups import RuleCount
from daemon.review.month import Period
from daemon.review.orders import OF_RESIDENTS, Order
from daemon.review.orders import orders as read_orders
from daemon.review.promises import Indicator, Kept, Team, indicators, kept, teams
from daemon.review.record import (
    commands_table,
    escalation_table,
    incident_table,
    indicator_table,
    notice_tables,
    open_table,
    promise_table,
    stage_table,
    team_table,
    watch_table,
)
from daemon.review.stages import Stage, stages
from daemon.review.table import Ratio, Table
from daemon.store.mutes import Mute
from daemon.store.review import AlarmRow, OrderRow, Told


@dataclass(frozen=True, slots=True)
class Material:
    """What a review is made from."""

    period: Period
    catalogue: Catalogue
    #: Titles of rules, of those in force now.
    titles: Mapping[str, Text]
    #: Assets that a rule looks at.
    watched: Collection[str]
    orders: Sequence[OrderRow]
    alarms: Sequence[AlarmRow]
    mutes: Sequence[Mute]
    told: Told
    kpi: Mapping[str, object]
    #: None: no complaints were given and the ledger has none.
    complaints: Sequence[Voice] | None = None
    #: By rule: commands to try when it gives false alarms.
    commands: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: Scores the month against the complaints.
    score_command: str = ""


class Day(NamedTuple):
    """Orders of one day, by level."""

    day: date
    levels: Mapping[Level, int]


class Headline(NamedTuple):
    """What a manager reads first. pre_complaints + incidents + instruments + root_causes are all orders."""

    orders: int
    pre_complaints: int
    incidents: int
    instruments: int
    root_causes: int
    on_time: Ratio
    false: Ratio
    open: int
    #: Of the complaints that the rules could have known of; None: no complaints are known.
    preempted: Ratio | None


@dataclass(frozen=True, slots=True)
class Review:
    """The review of a month."""

    period: Period
    site: Text
    headline: Headline
    days: tuple[Day, ...]
    orders: tuple[Order, ...]
    indicators: tuple[Indicator, ...]
    stages: tuple[Stage, ...]
    kept: tuple[Kept, ...]
    teams: tuple[Team, ...]
    rules: tuple[RuleCount, ...]
    voices: Voices | None
    tables: tuple[Table, ...]
    suggestions: tuple[Suggestion, ...]

    def table(self, key: str) -> Table:
        """One of its tables."""
        return next(table for table in self.tables if table.key == key)


def review(found: Material) -> Review:
    """The review of what was found."""
    orders = read_orders(found.orders)
    titles = {**found.titles, **{order.rule: order.title for order in orders if order.type != "root_cause"}}
    names = {asset.id: _place(asset) for asset in found.catalogue.assets}
    heard = None
    if found.complaints is not None:
        heard = voices(found.complaints, orders, found.watched, names, found.score_command)
    rules = groups.rule_counts(orders)
    stage, promised, of_teams = stages(orders), kept(orders), teams(orders)
    evidence = Evidence(
        orders, promised, of_teams, rules, found.alarms, titles, found.told, found.kpi, heard, found.commands,
        len({asset.kind for asset in found.catalogue.assets}),
        len({asset.building for asset in found.catalogue.assets if asset.building}),
    )  # fmt: skip
    rates = indicators(orders)
    numbers = {order.key: order.no for order in orders}
    tables = [
        indicator_table(rates),
        *groups.group_tables(orders),
        stage_table(stage),
        promise_table(promised),
        team_table(of_teams),
        incident_table(orders),
        groups.recurrence_table(orders),
        watch_table(orders),
        open_table(orders),
        groups.rule_table(rules),
        commands_table(rules, found.commands),
        *([] if heard is None else [complaint_table(heard, found.watched, names, numbers)]),
        escalation_table(orders, found.told),
        *notice_tables(found.told, numbers),
        alarms.disposition_table(found.alarms, titles),
        alarms.folded_table(found.alarms),
        alarms.mute_table(found.mutes),
        alarms.kpi_table(found.kpi),
    ]
    return Review(
        found.period,
        found.catalogue.site.name,
        _headline(orders, rates, heard),
        tuple(_days(orders, found.period)),
        tuple(orders),
        tuple(rates),
        tuple(stage),
        tuple(promised),
        tuple(of_teams),
        tuple(rules),
        heard,
        tuple(tables),
        tuple(suggestions(evidence)),
    )


def _place(asset: Asset) -> Text:
    name = asset.name
    return Text(f"{asset.building} {name.zh}".strip(), f"{asset.building} {name.en}".strip())


def _headline(orders: Sequence[Order], rates: Sequence[Indicator], heard: Voices | None) -> Headline:
    types = Counter(order.type for order in orders)
    by_key = {rate.key: rate.ratio for rate in rates}
    return Headline(
        len(orders),
        types["pre_complaint"],
        types["incident"],
        types["instrument"],
        types["root_cause"],
        by_key["on_time"],
        by_key["false"],
        sum(order.in_hand for order in orders),
        None if heard is None else Ratio(heard.preempted, heard.scored),
    )


def _days(orders: Sequence[Order], period: Period) -> list[Day]:
    ours = [order for order in orders if order.type in OF_RESIDENTS]
    counted = Counter((period.month.day_of(order.created_at), order.level) for order in ours)
    return [Day(day, {level: counted[day, level] for level in Level}) for day in period.month.days]
