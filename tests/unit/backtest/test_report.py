"""The report of a backtest as a page."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from typing_extensions import override

from daemon.backtest.document import Findings
from daemon.backtest.figures import against, score
from daemon.backtest.report import report
from daemon.model import EPOCH, Text
from tests.spine import CATALOGUE
from tests.unit.backtest.test_figures import WEEK, alarm, came_to, said

VOID = {"meta", "br"}


class Tree(HTMLParser):
    """Every tag that is opened is closed, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in {"src", "href"}]
        if tag not in VOID:
            self.open.append(tag)

    @override
    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        return

    @override
    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    @override
    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(page: str) -> Tree:
    tree = Tree()
    tree.feed(page)
    tree.close()
    assert tree.open == []
    return tree


def findings() -> Findings:
    these = came_to(alarm(1, 100, 5000), alarm(2, 50_000, None, asset="zone-1", rule="low"))
    others = came_to(alarm(1, 100, 5000), alarm(2, 9000, 9100))
    heard = [said(4000)._replace(text="<script>困人</script>"), said(5, "nowhere")._replace(text="x")]
    found = Findings(("h.csv",), CATALOGUE, "abc", 4, these, ("other",), {"hot": Text("机房过热", "Hot")})
    return replace(
        found,
        difference=against(these, others),
        score=score(these, heard, CATALOGUE, timedelta(hours=1)),
    )


def test_a_report_is_whole_and_needs_nothing_else() -> None:
    """Sound HTML with every part of what was asked, no script, nothing fetched."""
    page = report(findings())

    tree = read(page)
    text = "".join(tree.words)
    assert tree.links == []
    assert "<script" not in page
    for words in (
        "规则回测",
        "机房过热 · Hot",
        "投诉",
        "<script>困人</script>",
        "65 min",
        "新增的报警",
        "消失的报警",
        "派单 own_order",
    ):
        assert words in text
    assert page.count("<rect") >= 2


def test_a_history_without_alarms_is_told() -> None:
    """There is nothing to draw."""
    text = "".join(read(report(replace(findings(), result=came_to(), difference=None, score=None))).words)

    assert "没有报警 no alarms" in text


def test_an_empty_history_is_told() -> None:
    """No time, no figures."""
    empty = replace(came_to(), first_at=None, last_at=None)

    assert "历史为空" in report(replace(findings(), result=empty))


@pytest.mark.parametrize("seconds", [1, 30, 3600, 90_000, WEEK, 366 * 86_400, 20 * 366 * 86_400])
def test_any_span_has_a_handful_of_ticks(seconds: float) -> None:
    """From a second to twenty years, and a moment alone."""
    page = report(replace(findings(), result=came_to(alarm(1, 0, None), last=seconds)))

    assert page.count('text-anchor="middle"') <= 10


def test_a_moment_alone_is_drawn_too() -> None:
    """A history of one reading has no span."""
    result = replace(came_to(alarm(1, 0, None)), first_at=EPOCH, last_at=EPOCH)

    read(report(replace(findings(), result=result, score=None, difference=None)))
