"""`precomplaint report` on files: what it writes, refuses, and leaves alone."""

from __future__ import annotations

import csv
import hashlib
import io
import re
import shlex
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from typer.testing import CliRunner
from typing_extensions import override

from daemon.cli.main import app, main
from daemon.model import ConfigError
from daemon.store.db import FILE, connect
from tests.month import Plan, begin, local, october, write_site
from tests.unit.review.conftest import Played

#: They have no end.
_VOID = {"meta", "rect", "line", "br"}


class Shape(HTMLParser):
    """Tags that are opened and closed, headings, and what would be loaded from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[str] = []
        self.outside: list[str] = []
        self.scripts = 0

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        self.outside += [f"{tag} {name}" for name, _ in attrs if name in {"src", "href", "onclick", "onload"}]
        if tag in {"h1", "h2", "h3", "figcaption"}:
            self.headings.append("")
        if tag not in _VOID:
            self.open.append(tag)

    @override
    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID:
            assert self.open.pop() == tag

    @override
    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in {"h1", "h2", "h3", "figcaption"}:
            self.headings[-1] += data


def shape(page: str) -> Shape:
    found = Shape()
    found.feed(page)
    found.close()
    assert found.open == []
    return found


def files(folder: Path, month: str = "2026-10", lang: str = "zh") -> tuple[str, list[list[str]], list[list[str]]]:
    stem = f"review-{month}-{lang}"
    sheets = [
        list(csv.reader(io.StringIO((folder / f"{stem}-{name}.csv").read_text("utf-8-sig"))))
        for name in ("orders", "summary")
    ]
    return (folder / f"{stem}.html").read_text("utf-8"), sheets[0], sheets[1]


def test_the_page_stands_alone(played: Played, tmp_path: Path) -> None:
    """Well-formed, no script, nothing from outside, in both languages; what a resident wrote is text."""
    for lang in ("zh", "en"):
        out = str(tmp_path)
        result = played.run("--month", "2026-10", "--out", out, "--lang", lang, "--complaints", str(played.complaints))
        assert result.exit_code == 0, result.output

        page = files(tmp_path, lang=lang)[0]
        found = shape(page)
        assert found.scripts == 0
        assert found.outside == []
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
        assert "http" not in page.replace("http://www.w3.org/2000/svg", "").replace("http-equiv", "")


def test_the_headings(played: Played, tmp_path: Path) -> None:
    """What a reader finds on the page, in both languages."""
    headings = {}
    for lang in ("zh", "en"):
        played.run("--month", "2026-10", "--out", str(tmp_path), "--lang", lang, "--complaints", str(played.complaints))
        headings[lang] = shape(files(tmp_path, lang=lang)[0]).headings

    assert headings["zh"] == [
        "汇景花园 2026 年 10 月复盘", "建议", "每日工单（按级别）", "各项比率", "各环节用时（Ⅰ级）：中位数 / 90%",
        "按楼栋", "按设备", "按规则：属实、误报、无结论", "指标", "各环节用时", "时限承诺", "工单分布", "按类型",
        "按级别", "按类别", "按楼栋", "按设备类别", "按设备", "班组", "班组与连续超时", "预警、超时与升级",
        "需要关注的工单", "事件（困人等）", "重复发生", "二次处理与待判定", "未结工单", "投诉", "规则",
        "按规则：属实与误报", "误报规则的试验命令", "通知", "未送达的通知", "告警", "告警去向",
        "并入其他工单的告警", "人工搁置与检修", "告警质量（ISA-18.2）",
    ]  # fmt: skip
    assert headings["en"] == [
        "Huijing Gardens: review of 2026-10", "Suggestions", "Orders per day, by level", "Rates",
        "Time per stage (Level I): median / 90 %", "By building", "By asset", "By rule: right, false, no verdict",
        "Indicators", "Time per stage", "Promises", "Where the orders are", "By type", "By level", "By category",
        "By building", "By kind of asset", "By asset", "Teams", "Teams, and overdue in a row",
        "Warnings, overdue, escalation", "Orders to look at", "Incidents", "Recurrence",
        "Second handlings, and undecided", "Orders still open", "Complaints", "Rules", "By rule: right and false",
        "What to try for false alarms", "Notices", "Notices not delivered", "Alarms", "What became of alarms",
        "Alarms on another's order", "Shelving and maintenance", "Quality of alarms (ISA-18.2)",
    ]  # fmt: skip


def test_the_sheets(played: Played, tmp_path: Path) -> None:
    """Excel's mark, one row an order, every number of every table, and no formula from a resident's words."""
    played.run("--month", "2026-10", "--out", str(tmp_path), "--complaints", str(played.complaints))
    found = orjson.loads(played.run("--month", "2026-10", "-o", "json").stdout)

    _, orders, summary = files(tmp_path)
    assert (tmp_path / "review-2026-10-zh-orders.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    assert len(orders) == 1 + found["headline"]["orders"]
    assert {len(row) for row in orders} == {len(orders[0])}
    assert ["按楼栋", "3号楼", "工单"] in [row[:3] for row in summary]
    assert not [cell for row in orders + summary for cell in row if re.match(r"\s*[=+@\t-](?!$|\d)", cell)]


def test_a_text_that_looks_like_a_formula(tmp_path: Path) -> None:
    """It gets an apostrophe; a number stays a number."""
    stage = begin(tmp_path, local(2026, 10, 1))
    plan = Plan(team='=HYPERLINK("http://evil")', by="@SUM(1+1)")
    stage.fault(local(2026, 10, 2), "b1-lift-1", "lift.room", plan)
    stage.play(local(2026, 11, 1, 1))

    played = Played(tmp_path, stage)
    assert played.run("--month", "2026-10", "--out", str(tmp_path / "out")).exit_code == 0

    orders = files(tmp_path / "out")[1]
    assert dict(zip(*orders, strict=True))["班组"] == '\'=HYPERLINK("http://evil")'


def test_the_same_ledger_gives_the_same_files(played: Played, tmp_path: Path) -> None:
    """Byte for byte, and the state file is not touched."""
    state = played.folder / "state" / FILE
    before = hashlib.sha256(state.read_bytes()).hexdigest()
    contents = []
    for n in range(2):
        played.run("--month", "2026-10", "--out", str(tmp_path / str(n)))
        contents.append({path.name: path.read_bytes() for path in sorted((tmp_path / str(n)).iterdir())})

    assert contents[0] == contents[1]
    assert len(contents[0]) == 3
    assert hashlib.sha256(state.read_bytes()).hexdigest() == before


def test_with_json_nothing_is_written_unless_a_directory_is_named(
    played: Played, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scripts get the object alone."""
    monkeypatch.chdir(tmp_path)

    found = orjson.loads(played.run("--month", "2026-10", "-o", "json").stdout)

    assert list(tmp_path.iterdir()) == []
    assert found["written"] == []
    assert found["complaints"] is None


def test_where_it_cannot_be_written(played: Played, tmp_path: Path) -> None:
    """A file where the directory should be is named."""
    (tmp_path / "out").write_text("", encoding="utf-8")

    result = played.run("--month", "2026-10", "--out", str(tmp_path / "out"))

    assert isinstance(result.exception, ConfigError)
    assert "cannot be written" in str(result.exception)


def test_what_is_closed_after_the_month_still_counts(played: Played, tmp_path: Path) -> None:
    """Opened ten minutes before midnight of the last day, verified on the first: October's, with that stamp."""
    played.run("--month", "2026-10", "--out", str(tmp_path))
    orders = files(tmp_path)[1]

    (row,) = [row for row in orders if "2026-10-31 23:50:00" in row]

    assert dict(zip(orders[0], row, strict=True))["复核通过"] == "2026-11-01 02:07:00"


def test_days_are_the_site_s(tmp_path: Path) -> None:
    """Both orders of the hour that clocks repeat are of that day, and the month is the zone's."""
    berlin = ZoneInfo("Europe/Berlin")
    stage = begin(tmp_path, datetime(2026, 9, 1, tzinfo=UTC), "Europe/Berlin")
    for n, at in enumerate(("2026-10-25T00:30Z", "2026-10-25T01:30Z", "2026-10-31T22:59Z", "2026-10-31T23:00Z")):
        stage.fault(datetime.fromisoformat(at), f"b{(1, 2, 3, 5)[n]}-lift-1", "lift.room", Plan())
    stage.play(local(2026, 11, 2, zone=berlin))

    found = orjson.loads(Played(tmp_path, stage).run("--month", "2026-10", "-o", "json").stdout)

    assert {day["day"]: day["I"] for day in found["days"] if day["I"]} == {"2026-10-25": 2, "2026-10-31": 1}


def test_without_complaints_the_page_says_so(played: Played, tmp_path: Path) -> None:
    """Nothing is concluded from a list that nobody has given."""
    played.run("--month", "2026-10", "--out", str(tmp_path))

    assert "没有投诉数据" in files(tmp_path)[0]


def test_a_month_without_orders(played: Played, tmp_path: Path) -> None:
    """September has a few, November is not over: both are told; an empty one says so, with exit code 0."""
    stage = begin(tmp_path, local(2026, 8, 1))
    stage.play(local(2026, 10, 1, 1))
    empty = Played(tmp_path, stage)

    result = empty.run("--month", "2026-08", "--out", str(tmp_path / "out"))
    assert result.exit_code == 0
    assert "本月没有工单" in result.output
    assert "按时率 –" in result.output
    shape(files(tmp_path / "out", "2026-08")[0])

    november = played.run("--month", "2026-11", "--out", str(tmp_path / "out"))
    assert november.exit_code == 0
    assert "截至 2026-11-02 09:00" in november.output
    september = played.run("--month", "2026-09", "--out", str(tmp_path / "out"))
    assert "网关在本月内才开始记录" in september.output


@pytest.mark.parametrize("closed", [True, False])
def test_a_month_with_one_order(tmp_path: Path, *, closed: bool) -> None:
    """Closed or not, every table holds."""
    stage = begin(tmp_path, local(2026, 9, 30, 23, 0))
    stage.fault(local(2026, 10, 1), "b1-lift-1", "lift.room", Plan("fixed" if closed else "open"))
    stage.play(local(2026, 11, 1, 1))
    one = Played(tmp_path, stage)

    found = orjson.loads(one.run("--month", "2026-10", "-o", "json", "--out", str(tmp_path / "out")).stdout)

    assert (found["headline"]["orders"], found["headline"]["open"]) == (1, 0 if closed else 1)
    whole = [row for row in found["tables"]["stages"] if row["stage"]["en"].startswith("Whole")]
    assert {row["counted"] for row in whole} == {1 if closed else 0}
    assert {row["waiting"] for row in whole} == {0 if closed else 1}
    shape(files(tmp_path / "out")[0])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--month", "2026-13"], "is no month"),
        (["--month", "2031-01"], "the ledger ends at 2026-11-02 09:00"),
        (["--month", "2020-01"], "the ledger begins at 2026-09-28"),
        (["--month", "2026-10", "--horizon", "soon"], "--horizon"),
        (["--month", "2026-10", "--complaints", "nowhere.csv"], "cannot be read"),
    ],
)
def test_what_it_refuses(played: Played, arguments: list[str], says: str) -> None:
    """One message that says what to do."""
    result = played.run(*arguments)

    assert isinstance(result.exception, ConfigError)
    assert says in str(result.exception)


def test_exit_codes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """2 where there is no state file, or something else lies there, with one line and no traceback."""
    write_site(tmp_path)
    monkeypatch.setattr(sys, "argv", ["precomplaint", "report", "--month", "2026-10", "-c", str(tmp_path)])

    for text in (None, b"no database " * 100):
        if text is not None:
            (tmp_path / "state").mkdir()
            (tmp_path / "state" / FILE).write_bytes(text)
        with pytest.raises(SystemExit) as ended:
            main()

        said = capsys.readouterr().err
        assert ended.value.code == 2
        assert len(said.splitlines()) == 1
        assert str(tmp_path / "state" / FILE) in said


def test_while_the_daemon_writes(played: Played, tmp_path: Path) -> None:
    """An open transaction of the writer stands in nobody's way and is not seen."""
    db = played.stage.spine.db
    db.execute("BEGIN IMMEDIATE")
    db.execute("UPDATE work_order SET status = 'rejected'")
    try:
        found = orjson.loads(played.run("--month", "2026-10", "-o", "json").stdout)
    finally:
        db.execute("ROLLBACK")

    assert found["headline"]["false"]["n"] < 10


def test_the_commands_to_try_can_be_run(played: Played, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command of the page, pasted into a shell, does its work; the paths are quoted."""
    monkeypatch.chdir(tmp_path)
    found = orjson.loads(played.run("--month", "2026-10", "-o", "json", "--complaints", str(played.complaints)).stdout)
    commands = [row["command"] for row in found["tables"]["try"]] + [found["complaints"]["command"]]
    kinds = set()

    for command in commands:
        words = shlex.split(command)
        kinds.add(tuple(words[:3]))
        if words[0] == "cp":
            subprocess.run(words, check=True)
            continue
        done = CliRunner().invoke(app, words[1:])
        no_limits = words[2] == "suggest" and done.exit_code == 1  # the site has no gauges
        assert done.exit_code == 0 or no_limits, f"{command}: {done.output} {done.exception}"

    assert {kind[2] for kind in kinds if kind[0] == "precomplaint"} == {"explain", "backtest", "suggest"}


def test_paths_with_blanks_are_quoted(tmp_path: Path) -> None:
    """A command can be pasted whatever the directory is called."""
    folder = tmp_path / "我的 site; rm -rf"
    folder.mkdir()
    stage = begin(folder, local(2026, 10, 1))
    stage.fault(local(2026, 10, 2), "b1-lift-1", "lift.room", Plan("false"))
    stage.play(local(2026, 10, 3))

    found = orjson.loads(Played(folder, stage).run("--month", "2026-10", "-o", "json").stdout)

    for row in found["tables"]["try"]:
        words = shlex.split(row["command"])
        assert any(str(folder) in word for word in words)
        assert ";" not in words


def test_a_large_month(played: Played, tmp_path: Path) -> None:
    """5 000 orders: all are in the sheet, and the page stays a page."""
    write_site(tmp_path)
    (tmp_path / "state").mkdir()
    with closing(sqlite3.connect(tmp_path / "state" / FILE)) as copy:
        played.stage.spine.db.backup(copy)
    with closing(connect(tmp_path / "state" / FILE)) as db:
        begin_ms, end_ms = (int(at.timestamp() * 1000) for at in (local(2026, 10, 1), local(2026, 11, 1)))
        columns = [row[1] for row in db.execute("PRAGMA table_info(work_order)")]
        chosen = ", ".join("key || '#' || n" if name == "key" else name for name in columns)
        db.execute("BEGIN")
        db.execute(
            "WITH RECURSIVE more(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM more WHERE n < 42) "  # noqa: S608  names of columns
            f"INSERT INTO work_order SELECT {chosen} FROM work_order, more WHERE created_at >= ? AND created_at < ?",
            (begin_ms, end_ms),
        )
        db.execute(
            "INSERT INTO order_event (order_key, at, occasion, promise, by, detail, late)"
            " SELECT w.key, e.at, e.occasion, e.promise, e.by, e.detail, e.late FROM work_order AS w"
            " JOIN order_event AS e ON e.order_key = substr(w.key, 1, instr(w.key, '#') - 1)"
            " WHERE instr(w.key, '#') > 0"
        )
        db.execute("COMMIT")
    large = Played(tmp_path, played.stage)

    result = large.run("--month", "2026-10", "--out", str(tmp_path / "out"))

    assert result.exit_code == 0, result.output
    page, orders, _ = files(tmp_path / "out")
    assert len(orders) > 5000
    assert len(page) < 400_000
    assert "见 summary.csv" in page
    shape(page)


def test_complaints_that_the_gateway_knows(played: Played, tmp_path: Path) -> None:
    """Without a file the ledger's own are taken, as they were judged then: the same outcomes as from a file."""
    said = [one for one in played.stage.complaints if one[1] != "somewhere"]
    known = Played(tmp_path, october(tmp_path, heard=True))

    of_ledger = orjson.loads(known.run("--month", "2026-10", "-o", "json").stdout)
    of_file = orjson.loads(
        played.run("--month", "2026-10", "-o", "json", "--complaints", str(played.complaints)).stdout
    )

    assert len(said) > 5
    assert [_judged(row) for row in of_ledger["tables"]["complaints"]] == [
        _judged(row) for row in of_file["tables"]["complaints"]
    ]


def test_a_backtest_finds_the_same_complaints_preempted(played: Played) -> None:
    """Of the journal as it was recorded, by the same definition, with the same lead."""
    found = orjson.loads(played.run("--month", "2026-10", "-o", "json", "--complaints", str(played.complaints)).stdout)

    result = CliRunner().invoke(app, [*shlex.split(found["complaints"]["command"])[1:], "-o", "json"])

    replayed = {
        (one["at"], one["asset"]): one["lead_minutes"] for one in orjson.loads(result.stdout)["complaints"]["each"]
    }
    rows = [row for row in found["tables"]["complaints"] if row["outcome"]["en"] != "Left out"]
    assert len(rows) == 10
    for row in rows:
        lead = replayed[row["at"], row["asset"]]
        assert (None if lead is None else round(lead, 2)) == row["lead"], row


def _judged(row: dict[str, Any]) -> tuple[object, ...]:
    return row["at"], row["asset"], row["text"], row["outcome"]["en"], row["order"], row["lead"]
