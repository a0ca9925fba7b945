"""Complaints from CSV, as people keep them."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.backtest.complaints import read_complaints, read_rows
from daemon.model import ConfigError


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "calls.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_column_is_read_in_either_language(tmp_path: Path) -> None:
    """Known words become ours; unknown ones count as not told."""
    path = write(
        tmp_path,
        "\ufeff编号;时间;设备;楼栋;设备类型;类别;紧急程度;渠道;内容\n"
        "17;2026-11-21 08:30;lift-1;b1;lift;安全类;紧急;电话;又停了\n"
        ";2026-11-21T00:31:00Z;;b2;lift;其他;极急;传真;\n",
    )

    first, second = read_complaints(path, "Asia/Shanghai")

    assert (first.id, first.made_at.isoformat(), first.asset) == ("17", "2026-11-21T00:30:00+00:00", "lift-1")
    assert first[4:] == ("b1", "lift", "safety", "urgent", "hotline", "又停了")
    assert second.made_at.isoformat() == "2026-11-21T00:31:00+00:00"
    assert (second.building, second.asset_kind, second.category) == ("b2", "lift", "其他")


def test_a_row_without_an_id_has_one_that_stays(tmp_path: Path) -> None:
    """The file grows at its end or is read again: the same rows, the same ids; two that say the same are two."""
    head = "time,asset,text\n"
    rows = "2026-11-21T08:00+08:00,lift-1,停\n2026-11-21T08:00+08:00,lift-1,停\n2026-11-21T09:00+08:00,lift-1,停\n"
    before = [c.id for c in read_complaints(write(tmp_path, head + rows), "UTC")]
    after = [c.id for c in read_complaints(write(tmp_path, head + rows + "2026-11-22,zone-1,\n"), "UTC")]

    assert len(set(before)) == 3
    assert after[:3] == before


def test_faults_are_told_by_their_lines(tmp_path: Path) -> None:
    """All at once, also after a text that goes over several lines; empty lines are none."""
    path = write(tmp_path, 'time,asset,text\n2026-11-21,lift-1,"停\n了"\n\nyesterday,lift-1,x\n2026-11-21\n')

    with pytest.raises(ConfigError) as caught:
        read_rows(path, "UTC")

    assert [fault.partition(": ")[0] for fault in caught.value.faults] == [f"{path}:5", f"{path}:6"]
    assert "write a time and the id of an asset" in caught.value.faults[0]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"when,what\n", "the columns time and asset"),
        (b"", "the columns time and asset"),
        ("时间,设备\n".encode("gbk"), "save it as CSV in UTF-8"),
        (b'time,asset\n"' + b"x" * 200_000 + b'",lift-1\n', "no CSV"),
    ],
)
def test_what_is_no_file_of_complaints_is_told(tmp_path: Path, content: bytes, told: str) -> None:
    """With what to do about it."""
    path = tmp_path / "calls.csv"
    path.write_bytes(content)

    with pytest.raises(ConfigError) as caught:
        read_rows(path, "UTC")

    assert told in caught.value.faults[0]
