"""The review in a few lines, for a terminal and for the top of the page."""

from __future__ import annotations

from collections.abc import Iterator

from daemon.review.cells import Reader
from daemon.review.compose import Review


def title(found: Review, reader: Reader) -> str:
    """`汇景花园 2026 年 10 月复盘`."""
    month = found.period.month
    zh = f"{found.site.zh} {month.year} 年 {month.month} 月复盘"
    return reader.pick(zh, f"{found.site.en}: review of {month.name}")


def remarks(found: Review, reader: Reader) -> Iterator[str]:
    """What the reader must know before believing it."""
    period = found.period
    if period.so_far:
        until = reader.moment(period.span.end)
        yield reader.pick(
            f"截至 {until}：本月尚未结束或数据到此为止。",
            f"So far, until {until}: the month is not over, or the ledger ends there.",
        )
    if period.partly:
        yield reader.pick(
            "网关在本月内才开始记录，之前的日子没有数据。",
            "The gateway began within this month; the days before are not known.",
        )
    if not found.orders:
        yield reader.pick("本月没有工单。", "No orders in this month.")


def sentence(found: Review, reader: Reader) -> str:
    """What a manager reads first."""
    head, heard = found.headline, found.voices
    zh = [f"预投诉工单 {head.pre_complaints} 张"]
    en = [f"{head.pre_complaints} pre-complaint orders"]
    zh += [f"事件 {head.incidents} 起"] if head.incidents else []
    en += [f"{head.incidents} incidents"] if head.incidents else []
    zh += [f"按时率 {reader.ratio(head.on_time)}", f"误报率 {reader.ratio(head.false)}", f"未结 {head.open} 张"]
    en += [f"on time {reader.ratio(head.on_time)}", f"false {reader.ratio(head.false)}", f"{head.open} still open"]
    if heard is not None and heard.all:
        lead = "" if heard.median_lead is None else reader.span(heard.median_lead)
        counts = (
            (
                heard.preempted,
                f"起告警在先{lead and f'（中位提前 {lead}）'}",
                f"preempted{lead and f' (median lead {lead})'}",
            ),
            (heard.during, "起告警未派单", "with an alarm but no order of its own"),
            (heard.missed, "起漏报", "missed"),
            (heard.unwatched, "起无规则监视", "without a rule"),
        )
        told = [one for one in counts if one[0] or one[1] == "起漏报"]
        zh.append(f"投诉 {len(heard.all)} 起：" + "、".join(f"{n} {words}" for n, words, _ in told))
        en.append(f"{len(heard.all)} complaints: " + ", ".join(f"{n} {words}" for n, _, words in told))
    elif heard is not None:
        zh.append("没有投诉")
        en.append("no complaints")
    return reader.pick("，".join(zh) + "。", ", ".join(en) + ".")


def summary(found: Review, reader: Reader) -> Iterator[str]:
    """For a terminal."""
    yield title(found, reader)
    yield from (f"  ! {line}" for line in remarks(found, reader))
    yield f"  {sentence(found, reader)}"
    for one in found.suggestions:
        yield f"  → {reader.say(one.text)}"
