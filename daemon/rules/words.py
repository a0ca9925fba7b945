"""Single words of limits, in Chinese."""

from __future__ import annotations

COMPARED = {
    "below": "低于",
    "above": "高于",
    "at most": "不高于",
    "at least": "不低于",
    "outside": "超出",
    "inside": "处于",
    "equals": "为",
    "not equals": "不为",
}
STATISTIC = {
    "mean": "平均值",
    "min": "最小值",
    "max": "最大值",
    "median": "中位数",
    "range": "极差",
    "stddev": "标准差",
    "slope": "变化趋势",
    "rate": "变化率",
    "delta": "变化量",
    "count": "读数个数",
    "sum": "合计",
}
WORDS = "|".join(sorted(COMPARED, key=len, reverse=True))


#: A window, as it is said in English: `10min`, `20 readings`, `7d (02:00-04:00)`.
SPAN = r"(?:\d+ readings|[^\s()]+)(?: \((?!now )[^()]*\))?"


def within(span: str) -> str:
    """Of a window over a span, or over so many readings; in certain hours of it."""
    span, _, hours = span.partition(" (")
    if hours:
        hours = hours.rstrip(")")
        return f"{hours} 时段{within(span)}" if span.endswith(" readings") else f"{span} 内 {hours} 时段的"
    return f"最近 {span.removesuffix(' readings')} 次读数的" if span.endswith(" readings") else f"{span} 内"


def statistic(name: str) -> str:
    """A statistic's name."""
    return STATISTIC.get(name) or f"{name[1:]} % 分位数"
