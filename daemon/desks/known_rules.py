"""The rules in force, and where to look up what they are about."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from daemon.complaint import Complaint
from daemon.model import Asset, Text, Transition
from daemon.rules.arrangements import Maintenance
from daemon.rules.engine import Engine
from daemon.rules.explain import explain
from daemon.rules.schema import Ruleset, RuleSpec
from daemon.rules.subjects import Subject, subjects
from daemon.workorders import evidence, instrument
from daemon.workorders.complaints import locate


class KnownRules:
    """An engine and the ruleset it goes by; none before the first Reload."""

    def __init__(self) -> None:
        self.engine = Engine()
        self.ruleset: Ruleset | None = None
        self.rules: dict[str, RuleSpec] = {}
        #: What alarms may be about, by (per, id): assets, devices and sources.
        self._subjects: dict[tuple[str, str], Subject] = {}
        self._templates: dict[str, evidence.Template] = {}
        self._assets: dict[str, Asset] = {}
        self._maintenance: list[Maintenance] = []

    def take(self, ruleset: Ruleset) -> None:
        """Look things up in `ruleset` from here on; the engine is reloaded by whoever calls this."""
        self.ruleset = ruleset
        self._subjects = {("asset", asset.id): Subject(asset, asset.id, {}, ()) for asset in ruleset.catalogue.assets}
        self._subjects |= {
            (rule.per, subject.asset.id): subject
            for rule in ruleset.rules
            for subject in subjects(rule, ruleset.catalogue)
        }
        self._assets = {asset.id: asset for asset in ruleset.catalogue.assets}
        self._maintenance = [Maintenance(spec, self.timezone) for spec in ruleset.arrangements.maintenance]
        self.rules = {rule.id: rule for rule in ruleset.rules}
        self._templates = {rule.id: _template(rule) for rule in ruleset.rules}

    @property
    def site(self) -> str:
        """The site's id; empty before the first Reload."""
        return self.ruleset.catalogue.site.id if self.ruleset is not None else ""

    @property
    def timezone(self) -> str:
        """The zone of the site's clocks."""
        return self.ruleset.catalogue.site.timezone if self.ruleset is not None else "UTC"

    def rule(self, alarm_rule: str) -> RuleSpec | None:
        """The rule that an alarm is about: `<rule>!faulted` is about the same things as `<rule>`."""
        return self.rules.get(alarm_rule.partition("!")[0])

    def never_suppressed(self, alarm_rule: str) -> bool:
        """Whether nothing holds back its orders: what is about safety, or about the gateway itself."""
        spec = self.rules.get(alarm_rule)
        return alarm_rule in instrument.GATEWAY if spec is None else spec.never_suppress

    def subject(self, alarm_rule: str, subject: str) -> Subject | None:
        """What an alarm of that rule is about."""
        spec = self.rule(alarm_rule)
        return self._subjects.get((spec.per if spec is not None else "asset", subject))

    def asset(self, alarm_rule: str, subject: str) -> Asset:
        """The asset, device or source that an alarm is about; one of no known kind when it is gone."""
        about = self.subject(alarm_rule, subject)
        return about.asset if about is not None else Asset(subject, "unknown", Text(subject, subject))

    def place(self, said: Complaint) -> str:
        """The asset that a complaint is about; empty when nobody can tell."""
        return locate(self.ruleset.catalogue, said) if self.ruleset is not None else ""

    def subjects_of(self, asset: str) -> tuple[str, ...]:
        """What alarms about an asset may be about: itself, and its devices."""
        devices = self.ruleset.catalogue.devices if self.ruleset is not None else ()
        return (asset, *(device.id for device in devices if device.asset == asset))

    def about_instrument(self, alarm_rule: str) -> bool:
        """Whether alarms of that rule are about a sensor, a rule or the gateway."""
        return self.template(alarm_rule).type == "instrument"

    def day(self, moment: datetime) -> tuple[datetime, datetime]:
        """The day of a moment by the site's clocks; it has 23 or 25 hours when they are changed."""
        zone = ZoneInfo(self.timezone)
        midnight = moment.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        return midnight.astimezone(UTC), (midnight + timedelta(days=1)).astimezone(UTC)

    def maintained_until(self, alarm_rule: str, subject: str, at: datetime) -> datetime | None:
        """When planned maintenance ends, or is looked at again; None: there is none for that alarm then."""
        about = self.subject(alarm_rule, subject)
        asset = self._assets.get(about.owner if about is not None else subject)
        if asset is None:
            return None
        ends = (one.until(alarm_rule, asset, at) for one in self._maintenance)
        return max((end for end in ends if end is not None), default=None)

    def parents(self, alarm_rule: str, subject: str) -> Iterator[tuple[str, str]]:
        """What explains an alarm when it is there: rules with what they are about, the nearest first."""
        spec, about = self.rules.get(alarm_rule), self.subject(alarm_rule, subject)
        if spec is None or about is None or self.ruleset is None:
            return
        above = list(self.ruleset.arrangements.above(about.owner))
        for name in spec.parents:
            if (parent := self.rules.get(name)) is None:
                continue
            if parent.per == "asset":
                yield from ((name, asset) for asset in (about.owner, *(link.asset for link in above)))
            elif len(sources := sorted({device.source for device in about.devices})) == 1:
                yield name, sources[0]
        for link in above:
            yield from ((name, link.asset) for name in link.rules)

    def template(self, alarm_rule: str) -> evidence.Template:
        """What an order about that alarm says."""
        return self._templates.get(alarm_rule) or instrument.template(alarm_rule)

    def explain(self, transition: Transition) -> Text:
        """Why a transition happened."""
        rule = self.ruleset.rule_for(transition.rule, transition.asset) if self.ruleset is not None else None
        return explain(transition, rule) if rule is not None else instrument.explanation(transition)


def _template(rule: RuleSpec) -> evidence.Template:
    order = rule.work_order
    return evidence.Template(
        title=order.title or rule.title,
        category=order.category,
        type=order.type,
        cause=rule.cause,
        consequence=rule.consequence,
        steps=order.steps,
        basis=rule.basis,
        impact=order.impact,
        procedure=order.procedure or "",
    )
