"""What a chart says, in words: for who cannot see it, and for services that show no pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from zoneinfo import ZoneInfo

from daemon.charts.panels import limit_name
from daemon.charts.plan import Panel, Plan, Sample
from daemon.charts.scales import moment
from daemon.model import Quality, Text

#: By occasion: what the chart shows.
WORDS = {
    "opened": Text("开单前走势", "Before the order"),
    "recovered": Text("恢复：前后对比", "Recovered: before and after"),
    "reopened": Text("复核未通过：前后对比", "Not verified: before and after"),
    "verified": Text("复核通过：前后对比", "Verified: before and after"),
}
_MOST_WORDS = 600


def told(plan: Plan, samples: Mapping[str, Sequence[Sample]], zone: ZoneInfo) -> tuple[str, str]:
    """Title and description, in both languages."""
    words, alt = WORDS[plan.occasion], alternative(plan, samples, zone)
    title = f"{plan.asset.zh} {plan.title.zh} · {words.zh} / {plan.asset.en}: {plan.title.en}, {words.en}"
    return title[:_MOST_WORDS], f"{alt.zh} / {alt.en}"


def alternative(plan: Plan, samples: Mapping[str, Sequence[Sample]], zone: ZoneInfo) -> Text:
    """What is to be seen: for each point its first, lowest, highest and last value, and its limits."""
    words = WORDS[plan.occasion]
    zh, en = [words.zh], [words.en]
    for panel in plan.panels:
        seen = _seen(panel, samples.get(panel.point, ()), zone)
        zh.append(seen.zh)
        en.append(seen.en)
    if plan.active:
        since = moment(plan.active[-1][0], zone)
        zh.append(f"报警始于 {since}")
        en.append(f"alarm since {since}")
    return Text("；".join(zh)[:_MOST_WORDS], "; ".join(en)[:_MOST_WORDS])


def _seen(panel: Panel, samples: Sequence[Sample], zone: ZoneInfo) -> Text:
    known = [s for s in samples if s.value is not None and s.quality is not Quality.BAD]
    limits = "、".join(limit_name(line, panel.unit) for line in panel.lines)
    limits_zh, limits_en = (f"（{limits}）", f" ({limits})") if limits else ("", "")
    if not known:
        return Text(f"{panel.name} 无可用读数{limits_zh}", f"{panel.name}: no usable readings{limits_en}")
    first, last = known[0], known[-1]
    numbers = [s.value for s in known if isinstance(s.value, int | float)]
    zh = f"{panel.name} {_said(first, panel)} → {_said(last, panel)}"
    en = f"{panel.name} {_said(first, panel)} → {_said(last, panel)}"
    if numbers:
        zh += f"，最低 {min(numbers):.6g}，最高 {max(numbers):.6g}"
        en += f", lowest {min(numbers):.6g}, highest {max(numbers):.6g}"
    at = moment(last.ms, zone, "%H:%M:%S")
    return Text(f"{zh}，末值 {at}{limits_zh}", f"{en}, last at {at}{limits_en}")


def _said(sample: Sample, panel: Panel) -> str:
    value = f"{sample.value:.6g}" if isinstance(sample.value, int | float) else str(sample.value)
    return f"{value} {panel.unit}".rstrip()
