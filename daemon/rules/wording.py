"""The words of a limit, from the English that `limits` and the conditions make of it to Chinese."""

from __future__ import annotations

import re

from daemon.rules.wording_pasts import DEVIATION, FORECAST, deviation_zh, forecast_zh
from daemon.rules.words import COMPARED, SPAN, STATISTIC, WORDS, statistic, within

_TAKEN = "|".join((*STATISTIC, r"p[\d.]+"))
#: The grammar of `limits.resolve` and the conditions, read back.
_SWING = re.compile(r"(falls|rises) by (.+?) within (\S+?)(?:, remembered for (\S+))?(?: \(now (.+)\))?")
_PLAIN = re.compile(r"(hours|silent for) (.+)")
_LIMIT = re.compile(
    rf"(?:(?P<take>{_TAKEN}) over (?P<span>{SPAN}) "
    rf"|(?P<happening>changes|(?:into|readings of|runs of) .+?) over (?P<while>{SPAN}) "
    rf"|per (?P<per>\S+) over (?P<per_span>\S+) )?"
    rf"(?P<word>{WORDS}) (?P<limit>.+?)"
    rf"(?: in (?P<times>\d+) of (?P<most>\d+) readings(?: \(now (?P<met>\d+)\))?)?"
    rf"(?: of (?P<of>{_TAKEN}) over (?P<over>{SPAN}) \((?P<past>.+)\))?"
    rf"(?: \(of at least (?P<least>.+?)\))?(?: \((?P<counts>\S+ per \S+)\))?(?: \(now (?P<now>.+)\))?"
)
#: The same before anything was measured.
_OF_PAST = re.compile(rf"(?P<word>{WORDS}) (?P<limit>.+?) of (?P<of>{_TAKEN}) over (?P<over>[^()]+)")
_HAPPENING = re.compile(
    r"(?P<kind>into|readings of|runs of) (?P<what>.+?)(?: shorter than (?P<less>\S+))?(?: of (?P<least>\S+) or longer)?"
)
_SHARE = re.compile(
    rf"(?P<word>{WORDS}) (?P<limit>.+?) for (?P<share>\S+ ?[%‰]) of (?P<span>{SPAN})(?: \(now (?P<now>.+)\))?"
)
_OVER = re.compile(rf"over (?P<span>{SPAN}) (?P<word>{WORDS}) (?P<limit>.+)")
_CHANGE = "变化"
_OTHER = re.compile(r"(?:(?P<share>\S+ ?[%‰]) of )?(?P<point>[A-Za-z_]\w*)(?: plus (?P<plus>.+))?")


def limit_zh(limit: str) -> str:  # noqa: PLR0911  one shape of words after another
    """The Chinese of a limit in words; what is no such limit stays as it is."""
    if match := _PLAIN.fullmatch(limit):
        return f"{'时段' if match[1] == 'hours' else '静默'} {match[2]}"
    if match := _SWING.fullmatch(limit):
        kind = "下降" if match[1] == "falls" else "上升"
        remembered = f"（保持 {match[4]}）" if match[4] else ""
        now = f"，当前 {match[5]}" if match[5] else ""
        return f"{match[3]} 内{kind} {match[2]}{remembered}{now}"
    if match := DEVIATION.fullmatch(limit):
        return deviation_zh(match)
    if match := FORECAST.fullmatch(limit):
        return forecast_zh(match)
    if match := _SHARE.fullmatch(limit):
        return _share(match)
    if match := _OVER.fullmatch(limit):
        return f"{within(match['span'])}{COMPARED[match['word']]} {_ends(match['limit'])}"
    if match := _OF_PAST.fullmatch(limit):
        return f"{COMPARED[match['word']]} {within(match['over'])}{statistic(match['of'])}的 {match['limit']}"
    match = _LIMIT.fullmatch(limit)
    return limit if match is None else _limit(match)


def _share(match: re.Match[str]) -> str:
    now = f"（当前 {match['now']}）" if match["now"] else ""
    has = "" if match["span"].endswith(")") else "有"
    return f"{within(match['span'])}{has} {match['share']} {COMPARED[match['word']]} {_ends(match['limit'])}{now}"


def _limit(match: re.Match[str]) -> str:
    if match["of"]:
        past = f"{within(match['over'])}{statistic(match['of'])}（{match['past']}）"
        return f"{COMPARED[match['word']]} {past}的 {match['limit']}"
    words = f"{COMPARED[match['word']]} {_ends(match['limit'])}"
    if match["now"]:
        words = f"{COMPARED[match['word']]} {_other(match['limit'])}（当前 {match['now']}）"
    if match["take"]:
        return f"{within(match['span'])}{statistic(match['take'])}{words}"
    if match["happening"]:
        what = _happening(match["happening"])
        return f"{within(match['while'])}{what}{'' if what == _CHANGE else ' '}的次数{words}"
    if match["per"]:
        least = f"，后者不少于 {match['least']}" if match["least"] else ""
        counts = match["counts"] or ""
        return f"{match['per_span']} 内与 {match['per']} 之比{words}（{counts.replace(' per ', ' 比 ')}{least}）"
    if match["times"]:
        met = f"（当前 {match['met']} 次）" if match["met"] else ""
        return f"最近 {match['most']} 次读数中 {match['times']} 次{words}{met}"
    return words


def _ends(limit: str) -> str:
    return limit.replace(" to ", " 至 ").replace(" or ", " 或 ")


def _happening(text: str) -> str:
    match = _HAPPENING.fullmatch(text)
    if match is None:
        return _CHANGE
    what = _ends(match["what"])
    if bound := re.fullmatch(rf"({WORDS}) (.+)", match["what"]):
        what = f"{COMPARED[bound[1]]} {_ends(bound[2])}"
    less = f"短于 {match['less']}" if match["less"] else ""
    least = f"不短于 {match['least']}" if match["least"] else ""
    lasting = " 且".join(part for part in (least, less) if part)
    kind = {"into": "变为", "readings of": "读数为", "runs of": "持续处于"}[match["kind"]]
    return f"{kind} {what}{' ' if lasting else ''}{lasting}"


def _other(limit: str) -> str:
    match = _OTHER.fullmatch(limit)
    if match is None:
        return limit
    share = f"的 {match['share']}" if match["share"] else ""
    plus = f"加 {match['plus']}" if match["plus"] else ""
    return f"{match['point']} {share}{' ' if share and plus else ''}{plus}".rstrip()
