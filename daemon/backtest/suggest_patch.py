"""What `rules suggest` found, as YAML to review: a file of rules, and what is different of single assets.

Suggested ──┬─> rules:      one rule a kind of asset and point, with the limits of the first asset
            └─> overrides:  the limits of every other asset, to be put into its entry of assets.yaml

The arithmetic stands beside the limits as comments. The daemon reads nothing of this before a person puts it there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from daemon.backtest.suggest import Rung, Suggested, Suggestion, Unwatched
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
#: `id` of a rule has at most 80 letters.
_LONGEST = 34


def rules_yaml(found: Suggestion, catalogue: Catalogue) -> str:
    """A file of rules with the limits of the first asset of each kind; without any, only comments."""
    zone = ZoneInfo(catalogue.site.timezone)
    lines = [_HEAD + _budget(found), *(_unwatched(one) for one in found.unwatched)]
    groups = _groups(found.suggested, catalogue)
    if not groups:
        return "".join(lines)
    lines.append("version: 1\nrules:\n")
    for rule, group in groups.items():
        first, assets = group[0], ", ".join(json.dumps(one.point.asset, ensure_ascii=False) for one in group)
        name = first.point.name
        lines += [f"  # {line}\n" for line in arithmetic(first, zone)]
        lines += [
            f"  - id: {rule}\n",
            f"    title: {{zh: {_quoted(f'{name} 偏离本机常态')}, en: {_quoted(f'{name} is not as it usually is')}}}\n",
            f"    applies_to: {{assets: [{assets}]}}\n",
            "    levels:\n",
            *(line for rung in first.rungs for line in _level(first, rung)),
            f"    basis: {_quoted(_basis(first, found, zone))}\n",
            _WORDS,
        ]
    return "".join(lines)


def overrides(found: Suggestion, catalogue: Catalogue) -> dict[tuple[str, str], dict[str, object]]:
    """By (asset, rule): what the assets that are not their rule's first need, as the rules' own loader takes it."""
    changes: dict[tuple[str, str], dict[str, object]] = {}
    for rule, (_, *others) in _groups(found.suggested, catalogue).items():
        for one in others:
            changes[one.point.asset, rule] = {
                rung.level.name: {
                    "outside": [_limit(one, rung.low), _limit(one, rung.high)],
                    "over": format_span(rung.window),
                    "for": format_span(rung.hold),
                    "clear": {
                        "inside": [_limit(one, rung.clear_low), _limit(one, rung.clear_high)],
                        "for": format_span(rung.clear_hold),
                    },
                }
                for rung in one.rungs
            }
    return changes


def overrides_yaml(found: Suggestion, catalogue: Catalogue) -> str:
    """The same to be put under the assets of assets.yaml; empty when no asset needs any."""
    zone = ZoneInfo(catalogue.site.timezone)
    changes = overrides(found, catalogue)
    if not changes:
        return ""
    reasons = {
        (one.point.asset, rule): arithmetic(one, zone)
        for rule, group in _groups(found.suggested, catalogue).items()
        for one in group
    }
    lines = [_HEAD, "# 放入 assets.yaml 中相应资产 To be put into the assets' entries of assets.yaml:\nassets:\n"]
    for asset in dict.fromkeys(asset for asset, _ in changes):
        lines.append(f"  - id: {json.dumps(asset, ensure_ascii=False)}\n    overrides:\n")
        for (owner, rule), change in changes.items():
            if owner == asset:
                lines += [f"      # {line}\n" for line in reasons[owner, rule]]
                lines.append(f"      {rule}: {json.dumps(change, ensure_ascii=False)}\n")
    return "".join(lines)


def arithmetic(one: Suggested, zone: ZoneInfo) -> Iterator[str]:
    """How the limits of one point came about, line by line."""
    unit = one.point.unit
    yield (
        f"{one.point.id}: {one.readings} readings from {_time(one.first_at, zone)} to {_time(one.last_at, zone)}, "
        f"single ones scatter by {_short(one.noise)} {unit}".rstrip()
    )
    for rung in one.rungs:
        yield from _of_level(rung, one.rounding)
    if one.stretch > 1:
        yield (
            f"one false alarm in {_rough(timedelta(weeks=1) / one.budget)} is one in {one.stretch:.0f} such spans: an "
            "extrapolation with a normal tail; slow changes that the span does not show are not in it"
        )


def _of_level(rung: Rung, rounding: float) -> Iterator[str]:
    its, far, level = rung.spread, rung.reach, rung.level.name
    yield (
        f"{level}: windows of {format_span(rung.window)}: {its.windows} side by side, neighbours correlate by "
        f"{its.correlation:.2f}: as good as {its.independent:.1f} independent ones; mean {_short(its.centre)}, scatter "
        f"{_short(its.scatter)}"
    )
    yield (
        f"{level}: {rung.budget:.3g} a week is two windows in a row beyond one limit by chance once in "
        f"{far.one_in:.3g}: {far.deviations:.2f} deviations of the mean of two, which is {far.two:.2f} scatter"
    )
    yield (
        f"{level}: {far.deviations:.2f} x {far.two:.2f} x {_short(its.scatter)} x {far.factor:.2f} (for the "
        f"shortness of the span) + {_short(its.drift)} (between its halves) + {_short(rounding)} (coarse readings) = "
        f"{_short(far.far + rounding)}: limits {plain(rung.low)} and {plain(rung.high)}; clear half of the "
        f"way back, {plain(rung.clear_low)} to {plain(rung.clear_high)}"
    )


# --- parts -------------------------------------------------------------------------------------------------


def _groups(suggested: Sequence[Suggested], catalogue: Catalogue) -> Mapping[str, list[Suggested]]:
    """By rule id."""
    kinds = {asset.id: asset.kind for asset in catalogue.assets}
    ids: dict[tuple[str, str, int], str] = {}
    groups: dict[str, list[Suggested]] = {}
    for one in suggested:
        key = (kinds[one.point.asset], one.point.name, len(one.rungs))  # an override cannot add a level
        if key not in ids:
            plain = f"own.{_slug(key[0])}.{_slug(key[1])}"
            same = sum(known == plain or known.startswith(f"{plain}.n") for known in ids.values())
            ids[key] = f"{plain}.n{same + 1}" if same else plain
        groups.setdefault(ids[key], []).append(one)
    return groups


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:_LONGEST] or "point"


def _level(one: Suggested, rung: Rung) -> Iterator[str]:
    yield f"      - level: {rung.level.name}\n"
    yield f"        when: {_condition(one, rung, 'outside', rung.low, rung.high)}\n"
    yield f"        for: {format_span(rung.hold)}\n"
    clear = _condition(one, rung, "inside", rung.clear_low, rung.clear_high)
    yield f"        clear: {{when: {clear}, for: {format_span(rung.clear_hold)}}}\n"


def _condition(one: Suggested, rung: Rung, word: str, low: float, high: float) -> str:
    limits = (_limit(one, low), _limit(one, high))
    ends = ", ".join(_quoted(end) if isinstance(end, str) else plain(end) for end in limits)
    name, over = _quoted(one.point.name), format_span(rung.window)
    return f"{{point: {name}, take: mean, over: {over}, {word}: [{ends}]}}"


def _limit(one: Suggested, value: float) -> str | float:
    return f"{plain(value)} {one.point.unit}" if one.point.unit else value


def plain(value: float) -> str:
    """Without an exponent and without zeros at the end."""
    text = f"{value:.12f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


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


def _basis(one: Suggested, found: Suggestion, zone: ZoneInfo) -> str:
    since, until = _time(one.first_at, zone), _time(one.last_at, zone)
    return (
        f"按本机 {since} 至 {until} 的正常读数推算，每台误报预算每周 {found.budget:g} 单 / From its own readings of "
        f"{since} to {until} while all was well, for {found.budget:g} false orders a week of this asset"
    )


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _time(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M}"


def _short(value: float) -> str:
    return plain(float(f"{value:.4g}"))


def _rough(span: timedelta) -> str:
    weeks = span / timedelta(weeks=1)
    return f"{weeks:.3g} weeks" if weeks >= 1 else f"{span / timedelta(hours=1):.3g} h"
