"""What rules share: templates with parameters, and calendars with names; resolved before a rule is looked at.

templates:                                   rules:
  too_hot:                                     - id: elv.machine.temp
    parameters: {point: ~, limit: 40 °C}         extends: too_hot
    levels:                                      with: {point: machine_room_temp}
      - level: II                                title: …
        when: {point: $point, above: $limit}

Both are known in every file that is loaded together. A key of the rule takes the place of the template's; what is
wrong in a template is told at its place there, what is wrong in an argument where the argument stands.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError
from typing_extensions import override

from daemon.documents import Document, Location, explain
from daemon.rules.calendars import HOURS, CalendarSpec

_PARAMETER = re.compile(r"\$(?:([a-z_]\w*)|\{([a-z_]\w*)\})")
_CALENDAR = TypeAdapter(CalendarSpec)
#: Stands for a calendar that there is not, so that it is complained of once.
_ALWAYS = {"hours": "00:00-24:00"}


class _Found(NamedTuple):
    """Something with a name, and where it stands."""

    document: Document
    at: Location
    value: Any


class _Value(NamedTuple):
    """A value with the places of all its parts, seen from itself."""

    value: Any
    places: Mapping[Location, str]
    #: Of the keys whose values are arguments, which stand elsewhere.
    keys: Mapping[Location, str] = {}


def _cut(document: Document, at: Location, value: Any) -> _Value:  # noqa: ANN401  YAML
    depth = len(at)
    here = {location[depth:] for location in document.places if location[:depth] == at}
    return _Value(value, {inner: document.place((*at, *inner)) for inner in here})


class Shared:
    """The templates and calendars of all rule files, and the faults in them."""

    def __init__(self, documents: Iterable[Document], rule_keys: Iterable[str]) -> None:
        self.faults: list[str] = []
        self._keys = {*rule_keys, "parameters", "extends", "with"} - {"id"}
        self._calendars: dict[str, Any] = {}
        self._templates: dict[str, _Found] = {}
        for document in documents:
            for name, found in self._named(document, "calendars"):
                self._calendars[name] = self._calendar(name, found)
            for name, found in self._named(document, "templates"):
                told = len(self.faults)
                self._check(found)
                # of one with a fault nothing more is said in the rules that extend it
                self._templates[name] = found if len(self.faults) == told else found._replace(value=None)

    def expand(self, document: Document) -> Document:
        """The document with its rules in full; what cannot be resolved is left out and stands in `faults`."""
        data = document.data
        if not isinstance(data, dict) or not isinstance(data.get("rules"), list):
            return document
        places = {key: document.place(key) for key in document.places if key[:1] != ("rules",)}
        places[("rules",)] = document.place(("rules",))
        keys: dict[Location, str] = {}
        rules: list[Any] = []
        for n, rule in enumerate(data["rules"]):
            whole = _cut(document, ("rules", n), rule)
            if isinstance(rule, dict):
                extended = self._whole(whole)
                if extended is None:
                    continue
                whole = extended
            at = ("rules", len(rules))
            places |= {(*at, *inner): place for inner, place in whole.places.items()}
            keys |= {(*at, *inner): place for inner, place in whole.keys.items()}
            rules.append(self._dated(whole, whole.value, ()))
        plain = {key: value for key, value in data.items() if key not in ("templates", "calendars")}
        return _Placed(document.name, {**plain, "rules": rules}, places, keys)

    # --- calendars -----------------------------------------------------------------------------------------

    def _calendar(self, name: str, found: _Found) -> Any:  # noqa: ANN401  YAML
        value = {"hours": found.value} if isinstance(found.value, str) else found.value
        try:
            _CALENDAR.validate_python({"name": name, **value} if isinstance(value, dict) else value)
        except ValidationError as error:
            inner = _Placed(found.document.name, value, _cut(found.document, found.at, value).places, {})
            known = CalendarSpec.model_fields
            self.faults += explain(error, inner, known)
            return _ALWAYS
        return {"name": name, **value}

    def _dated(self, whole: _Value, value: Any, at: Location) -> Any:  # noqa: ANN401  YAML
        """With the calendars that are asked for by name."""
        if isinstance(value, list):
            return [self._dated(whole, part, (*at, n)) for n, part in enumerate(value)]
        if not isinstance(value, dict):
            return value
        found = {}
        for key, part in value.items():
            asked = isinstance(part, str) and (
                (key == "calendar" and not at) or (key in ("time", "during") and bool(at))
            )
            found[key] = self._by_name(whole, part, (*at, key)) if asked else self._dated(whole, part, (*at, key))
        return found

    def _by_name(self, whole: _Value, name: str, at: Location) -> Any:  # noqa: ANN401  YAML
        if HOURS.fullmatch(name) or name in self._calendars:
            return deepcopy(self._calendars.get(name, name))
        hint = _hint(name, self._calendars) or "; define it under `calendars:`, or write hours as 08:00-18:00"
        self.faults.append(f"{whole.places[at]}: no calendar is called {name!r}{hint}")
        return _ALWAYS

    # --- templates -----------------------------------------------------------------------------------------

    def _named(self, document: Document, word: str) -> Iterator[tuple[str, _Found]]:
        given = document.data.get(word) if isinstance(document.data, dict) else None
        if given is None:
            return
        if not isinstance(given, dict):
            self.faults.append(f"{document.place((word,))}: {word}: write a name and what it means, one a line")
            return
        known = self._calendars if word == "calendars" else self._templates
        for name, value in given.items():
            if name in known:
                self.faults.append(
                    f"{document.place((word, name))}: {name!r} stands under `{word}` twice, in this file or another; "
                    "rename one of them"
                )
            yield name, _Found(document, (word, name), value)

    def _check(self, found: _Found) -> None:
        """Its keys and its parameters; the rest is looked at in the rules that extend it."""
        document, at, template = found
        if not isinstance(template, dict) or not isinstance(template.get("parameters", {}), dict):
            what = "a template has the keys of a rule, and `parameters: {name: default}` with ~ for none"
            self.faults.append(f"{document.place(at)}: {what}")
            return
        for key in template:
            if key not in self._keys:
                hint = _hint(key, self._keys) or "; remove it"
                self.faults.append(f"{document.place((*at, key))}: unknown key {key!r}{hint}")
        known = template.get("parameters", {})
        for place, name in _parameters({key: part for key, part in template.items() if key != "parameters"}, at):
            if name not in known:
                hint = _hint(name, known) or "; add it to its `parameters`"
                self.faults.append(f"{document.place(place)}: the template has no parameter {name!r}{hint}")

    def _whole(self, rule: _Value, above: tuple[str, ...] = ()) -> _Value | None:
        """The rule (or template) with all that it has from its template, arguments put in; None with a fault."""
        place = rule.places.get((), "")
        if "extends" not in rule.value and "with" not in rule.value:
            return rule
        name, arguments = rule.value.get("extends"), rule.value.get("with", {})
        if not isinstance(name, str) or not isinstance(arguments, dict):
            self.faults.append(f"{place}: write `extends: name` and, beside it, `with: {{parameter: value}}`")
            return None
        place = rule.places.get(("extends",), place)
        template = self._template(name, place, above)
        bound = self._bound(template, rule, place) if template is not None else None
        if template is None or bound is None:
            return None
        base = self._whole(_filled(_without(template, ("parameters",)), bound), (*above, name))
        return None if base is None else _merged(base, _without(rule, ("extends", "with")))

    def _template(self, name: str, place: str, above: tuple[str, ...]) -> _Value | None:
        found = self._templates.get(name)
        if found is None:
            self.faults.append(f"{place}: no template is called {name!r}{_hint(name, self._templates)}")
            return None
        if name in above:
            self.faults.append(f"{place}: the template {name!r} extends itself; break the circle")
            return None
        return _cut(*found) if isinstance(found.value, dict) else None  # what is no mapping is told already

    def _bound(self, template: _Value, rule: _Value, place: str) -> Mapping[str, _Value] | None:
        """Each parameter of the template with the rule's argument, or else its default; None with a fault."""
        defaults, arguments = template.value.get("parameters", {}), rule.value.get("with", {})
        if not isinstance(defaults, dict):
            return None  # told already
        told = len(self.faults)
        for name in arguments:
            if name not in defaults:
                hint = _hint(name, defaults) or f"; it has {', '.join(defaults) or 'none'}"
                self.faults.append(f"{rule.places[('with', name)]}: the template has no parameter {name!r}{hint}")
        bound: dict[str, _Value] = {}
        for name, default in defaults.items():
            owner, word, value = (
                (rule, "with", arguments[name]) if name in arguments else (template, "parameters", default)
            )
            if value is None:
                self.faults.append(f"{place}: the template asks for {name!r}; write `with: {{{name}: …}}`")
            bound[name] = _Value(
                value, {at[2:]: told_at for at, told_at in owner.places.items() if at[:2] == (word, name)}
            )
        return bound if len(self.faults) == told else None


class _Placed(Document):
    """A document whose parts stand in several files."""

    def __init__(
        self,
        name: str,
        data: Any,  # noqa: ANN401  YAML
        told: Mapping[Location, str],
        keys: Mapping[Location, str],
    ) -> None:
        super().__init__(name, data, dict.fromkeys(told, (1, 1)))
        self._told = told
        self._keys = keys

    @override
    def key_place(self, location: Location) -> str:
        """Where the key of a value stands."""
        return self._keys.get(location) or self.place(location)

    @override
    def place(self, location: Location) -> str:
        """`file:line:column` of a value, or of the nearest thing around it."""
        while location and location not in self._told:
            location = location[:-1]
        return self._told.get(location, f"{self.name}:1:1")


def _filled(template: _Value, bound: Mapping[str, _Value]) -> _Value:
    """With the arguments put in for the parameters."""
    places, keys = dict(template.places), dict(template.keys)

    def fill(value: Any, at: Location) -> Any:  # noqa: ANN401  YAML
        if isinstance(value, dict):
            return {key: fill(part, (*at, key)) for key, part in value.items()}
        if isinstance(value, list):
            return [fill(part, (*at, n)) for n, part in enumerate(value)]
        if not isinstance(value, str) or "$" not in value:
            return value
        whole = _PARAMETER.fullmatch(value)
        name = (whole[1] or whole[2]) if whole else ""
        if name in bound:
            keys[at] = places[at]
            places.update({(*at, *inner): place for inner, place in bound[name].places.items()})
            return deepcopy(bound[name].value)
        return _PARAMETER.sub(lambda one: _text(one, bound), value)

    return _Value(fill(template.value, ()), places, keys)


def _parameters(value: Any, at: Location) -> Iterator[tuple[Location, str]]:  # noqa: ANN401  YAML
    """Every parameter that is asked for, with its place."""
    if isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _parameters(part, (*at, key))
    elif isinstance(value, str):
        yield from ((at, one[1] or one[2]) for one in _PARAMETER.finditer(value))


def _text(parameter: re.Match[str], bound: Mapping[str, _Value]) -> str:
    found = bound.get(parameter[1] or parameter[2])
    return parameter[0] if found is None else str(found.value)


def _without(value: _Value, keys: tuple[str, ...]) -> _Value:
    kept = {key: part for key, part in value.value.items() if key not in keys}
    return _Value(kept, {at: place for at, place in value.places.items() if not at or at[0] not in keys}, value.keys)


def _merged(template: _Value, rule: _Value) -> _Value:
    """Each key of the rule in the place of the template's."""
    places = {at: place for at, place in template.places.items() if at and at[0] not in rule.value}
    keys = {at: place for at, place in template.keys.items() if at[0] not in rule.value}
    return _Value({**template.value, **rule.value}, places | dict(rule.places), keys | dict(rule.keys))


def _hint(given: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(given, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
