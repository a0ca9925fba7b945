"""What is different about a rule on one asset: another hold, another limit.

overrides:                      in the asset's entry of assets.yaml
wat.burst: {for: 10s}         every level's hold
wat.low.top:
II: {below: 0.12 MPa}       one level's limit
clear: {for: 1min}          every level's clear hold
cap: 1                      orders a day
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from daemon.documents import Document, explain
from daemon.model import Level
from daemon.rules.rule import RuleSpec

#: What of a condition may differ; each is replaced wherever the rule has it.
_OF_A_CONDITION = (
    "below", "above", "at_most", "at_least", "outside", "inside", "equals", "not_equals",
    "over", "coverage", "falls", "rises", "within", "remember", "after", "last", "times", "of_last", "count", "least",
    "shorter", "longer", "baseline", "falls_to", "rises_to", "beyond", "history", "time",
    "during", "share",
)  # fmt: skip
#: Where conditions have others, or parts of their own, inside.
_INSIDE = ("all", "any", "not", "stale", "count", "becomes", "held")
#: These say how to look, not when it is too much: they differ for the clear condition too.
_OF_A_WINDOW = (
    "over",
    "coverage",
    "within",
    "remember",
    "after",
    "last",
    "shorter",
    "longer",
    "least",
    "baseline",
    "history",
    "during",
)

#: Of these only what is given differs.
_MERGED = ("baseline", "history")

#: By (asset, rule).
Overrides = Mapping[tuple[str, str], Mapping[str, Any]]


def overridden(rule: RuleSpec, changes: Mapping[str, Any]) -> RuleSpec:
    """The rule with the changes made.

    Raises:
        ValueError: a change finds nothing to change, or what it puts there is no good; all faults, one a line.
    """
    if not changes:
        return rule
    plain = rule.model_dump(mode="json", by_alias=True, exclude_none=True)
    faults: list[str] = []
    for key, change in changes.items():
        if key in Level.__members__:
            levels = [level for level in plain["levels"] if level["level"] == key]
            if not isinstance(change, Mapping):
                faults.append(f"{key}: write what differs at this level, such as {{for: 10s}}")
                continue
            for inner, value in change.items():
                faults.extend(_change(levels, inner, value, f"{key}.{inner}"))
        elif key in ("mode", "cap", "quality", "calendar"):
            plain[key] = change
            if key == "mode" and change != "off":
                faults.append(f"mode: {change!r} cannot be set for one asset; write off, or nothing")
        else:
            faults.extend(_change(plain["levels"], key, change, key))
    if not faults:
        try:
            return RuleSpec.model_validate(plain)
        except ValidationError as error:
            faults.extend(line.partition(": ")[2] for line in explain(error, Document("", plain)))
    raise ValueError("\n".join(faults))


def _change(levels: list[dict[str, Any]], key: str, value: Any, place: str) -> Iterator[str]:  # noqa: ANN401  YAML
    """Make one change in all the levels; yield what is wrong with it."""
    found = 0
    for level in levels:
        if key == "for":
            level["for"] = value
            found += 1
        elif key == "clear" and isinstance(value, Mapping):
            clear = level.setdefault("clear", {})
            for inner, given in value.items():
                if inner == "for":
                    clear["for"] = given
                    found += 1
                else:
                    found += _replace(clear.get("when"), inner, given)
        else:
            found += _replace(level["when"], key, value)
            if key in _OF_A_WINDOW:
                found += _replace(level.get("clear", {}).get("when"), key, value)
    if not found:
        near = difflib.get_close_matches(key, ("for", "clear", *Level.__members__, *_OF_A_CONDITION), n=1)
        hint = f"; did you mean {near[0]!r}?" if near and near[0] != key else ""
        yield f"{place}: the rule has no {key!r} that could differ{hint}"


def _replace(condition: Any, key: str, value: Any) -> int:  # noqa: ANN401  YAML
    """Put `value` wherever the condition has `key`; how often that was."""
    if isinstance(condition, list):
        return sum(_replace(part, key, value) for part in condition)
    if not isinstance(condition, dict) or key not in _OF_A_CONDITION:
        return 0
    found = sum(_replace(part, key, value) for name, part in condition.items() if name in _INSIDE)
    if key in condition:
        merged = key in _MERGED and isinstance(value, Mapping)
        condition[key] = {**condition[key], **value} if merged else value
        found += 1
    return found
