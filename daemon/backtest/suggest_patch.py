"""What `rules suggest` found, as YAML to review: a file of rules, and what is different of single assets.

Draft ──┬─> rules:      one rule, with the limits of the first asset
        └─> overrides:  the limits of every other asset, to be put into its entry of assets.yaml, and the derived
                        points that rules on several points together look at

The arithmetic stands beside the limits as comments. The daemon reads nothing of this before a person puts it there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from zoneinfo import ZoneInfo

from daemon.backtest.suggest_arithmetic import clock, plain
from daemon.backtest.suggest_drafts import Draft, DraftLevel, derived, drafts
from daemon.backtest.suggested import Suggestion, Unwatched
from daemon.documents import format_span
from daemon.model import Catalogue

_HEAD = """\
# 由 `precomplaint rules suggest` 根据正常运行期推算，仅供审核，不会自动生效。
# Suggested by `precomplaint rules suggest` from a span in which all was well. For review: nothing applies it by itself.
# Look at each limit, play it through history (`precomplaint rules backtest`), begin with `mode: shadow`.
"""
_WORDS = """\
    cause:
      zh: 设备状态或用水工况已变化，或传感器漂移；限值由本机历史推算，不是标准值。
      en: The equipment or its duty has changed, or the sensor drifts. The limits come from its own past, no standard.
    consequence:
      zh: 早期偏离若无人查看，可能发展为住户能感到的故障。
      en: An early deviation that nobody looks at may grow into a fault that residents notice.
    work_order:
      steps:
        - {zh: 对照曲线确认偏离是否真实，核对传感器。, en: "See on the curve whether it is real; check the sensor."}
        - {zh: 查找近期检修、阀门或设定变化。, en: "Look for recent work, a valve or a setting that was changed."}
        - {zh: 若为新的正常工况，请重新推算限值。, en: "If this is the new normal, have the limits suggested anew."}
"""


_PLAIN = re.compile(r"[a-z][a-z_]*|(\d+(ms|s|min|h|d))+")


def rules_yaml(found: Suggestion, catalogue: Catalogue) -> str:
    """A file of rules with the limits of the first asset of each kind; without any, only comments."""
    zone = ZoneInfo(catalogue.site.timezone)
    lines = [_HEAD + _budget(found), *(_unwatched(one) for one in found.unwatched)]
    rules = drafts(found, catalogue)
    if not rules:
        return "".join(lines)
    lines.append("version: 1\nrules:\n")
    for rule in rules:
        first, assets = rule.members[0], ", ".join(_quoted(one.asset) for one in rule.members)
        lines += [f"  # {line}\n" for line in first.notes]
        if not rule.own_limits:
            lines.append("  # The points apart_… are derived ones: they stand beside this file, for assets.yaml.\n")
        lines += [
            f"  - id: {rule.id}\n",
            f"    title: {{zh: {_quoted(rule.title.zh)}, en: {_quoted(rule.title.en)}}}\n",
            f"    applies_to: {{assets: [{assets}]}}\n",
            *([f"    child_of: [{', '.join(rule.parents)}]\n"] if rule.parents else []),
            "    levels:\n",
            *(_level(level) for level in first.levels),
            f"    basis: {_quoted(_basis(first.asset, found, zone))}\n",
            _WORDS,
        ]
    return "".join(lines)


def overrides(found: Suggestion, catalogue: Catalogue) -> dict[tuple[str, str], dict[str, object]]:
    """By (asset, rule): what the assets that are not their rule's first need, as the rules' own loader takes it."""
    return {
        (member.asset, rule.id): member.change
        for rule in drafts(found, catalogue)
        if rule.own_limits
        for member in rule.members[1:]
    }


def overrides_yaml(found: Suggestion, catalogue: Catalogue) -> str:
    """The same and the derived points, to be put under the assets of assets.yaml; empty when no asset needs any."""
    rules, points = drafts(found, catalogue), derived(found.together)
    lines: list[str] = []
    for asset in catalogue.assets:
        its = _derived_lines(asset.id, rules, points) + _override_lines(asset.id, rules)
        if its:
            lines += [f"  - id: {_quoted(asset.id)}\n", *its]
    if not lines:
        return ""
    title = "# 放入 assets.yaml 中相应资产 To be put into the assets' entries of assets.yaml:\nassets:\n"
    return "".join([_HEAD, title, *lines])


# --- parts -------------------------------------------------------------------------------------------------


def _derived_lines(asset: str, rules: list[Draft], points: Mapping[tuple[str, str], Mapping[str, str]]) -> list[str]:
    notes = [
        note
        for rule in rules
        if not rule.own_limits
        for one in rule.members
        if one.asset == asset
        for note in one.notes
    ]
    its = [
        f"      {name}: {{unit: {_quoted(spec['unit'])}, value: {_quoted(spec['value'])}}}\n"
        for (owner, name), spec in points.items()
        if owner == asset
    ]
    return ["    derived:\n", *(f"      # {note}\n" for note in notes), *its] if its else []


def _override_lines(asset: str, rules: list[Draft]) -> list[str]:
    lines: list[str] = []
    for rule in rules:
        for one in rule.members[1:]:
            if one.asset == asset and rule.own_limits:
                lines += [f"      # {note}\n" for note in one.notes]
                lines.append(f"      {rule.id}: {json.dumps(one.change, ensure_ascii=False)}\n")
    return ["    overrides:\n", *lines] if lines else []


def _level(one: DraftLevel) -> str:
    return (
        f"      - level: {one.level.name}\n"
        f"        when: {_flow(one.when)}\n"
        f"        for: {format_span(one.hold)}\n"
        f"        clear: {{when: {_flow(one.clear)}, for: {format_span(one.clear_hold)}}}\n"
    )


def _flow(value: object) -> str:
    """In one line, with as few quotes as can be."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_flow(its)}" for key, its in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(its) for its in value) + "]"
    if isinstance(value, float):
        return plain(value)
    text = str(value)
    return text if _PLAIN.fullmatch(text) and text not in ("null", "true", "false") else _quoted(text)


def _budget(found: Suggestion) -> str:
    if not found.suggested:
        return "# 没有可推算的测点 No point could be given limits:\n"
    assets = len({one.point.asset for one in found.suggested})
    return (
        f"# 预算 Budget: {found.budget:g} false orders a week of one asset; {assets} asset(s) make "
        f"{assets * found.budget:g}.\n"
        "# 若以后与该段时间相似 It is kept on average over many calibrations, if what comes is like the span.\n"
    )


def _unwatched(one: Unwatched) -> str:
    return f"# 不监视 not watched: {one.point.id}: {one.reason}\n"


def _basis(asset: str, found: Suggestion, zone: ZoneInfo) -> str:
    its = [one for one in found.suggested if one.point.asset == asset]
    since, until = clock(min(one.first_at for one in its), zone), clock(max(one.last_at for one in its), zone)
    return (
        f"按本机 {since} 至 {until} 的正常读数推算，每台误报预算每周 {found.budget:g} 单 / From its own readings of "
        f"{since} to {until} while all was well, for {found.budget:g} false orders a week of this asset"
    )


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
