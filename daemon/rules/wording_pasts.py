"""The words of baselines and forecasts, from English to Chinese (see `wording`)."""

from __future__ import annotations

import re

from daemon.rules.words import COMPARED, SPAN, WORDS, statistic, within

DEVIATION = re.compile(
    rf"(?:(?P<take>\S+) over (?P<span>{SPAN}) )?(?P<word>{WORDS}) (?P<limit>.+)"
    r" against its (?P<over>\S+) baseline(?P<hourly> by the hour)?(?: \((?P<past>.+)\))?"
)
FORECAST = re.compile(r"(falls|rises) to (.+?) (not )?within (\S+?)(?: \((.+)\))?")
#: What stands in brackets after those two.
_PAST_WORDS = {
    "median ": "中位数 ",
    "mean ": "均值 ",
    "mad ": "绝对中位差 ",
    "sd ": "标准差 ",
    "calibrating": "标定中",
    "too little history": "历史不足",
    "never": "不会到达",
    " of ": "/",
    " days left": " 天后到达",
    "from ": "依据 ",
    " days": " 天",
    ", ": "，",
}


def _past_zh(past: str | None) -> str:
    for en, zh in _PAST_WORDS.items():
        past = past.replace(en, zh) if past else past
    return f"（{past}）" if past else ""


def deviation_zh(match: re.Match[str]) -> str:
    """A distance from a baseline."""
    taken = f"{within(match['span'])}{statistic(match['take'])}" if match["take"] else ""
    limit = match["limit"].replace(" to ", " 至 ")
    hourly = "分时" if match["hourly"] else ""
    return f"{taken}{COMPARED[match['word']]}自身 {match['over']} {hourly}基线 {limit}{_past_zh(match['past'])}"


def forecast_zh(match: re.Match[str]) -> str:
    """When a limit will be reached."""
    to = "降至" if match[1] == "falls" else "升至"
    return f"预计 {match[4]} 内{'不会' if match[3] else ''}{to} {match[2]}{_past_zh(match[5])}"
