"""Placeholders: what they name, what is done to it, and what is said of those that name nothing."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from daemon.model import Reject
from daemon.outputs.ticketing.template import Words, fill, flat, parse, text

ORDER = {
    "key": "hy|L1|chain|led|7",
    "title": {"zh": "电梯困人", "en": "Trapped"},
    "level": "I",
    "households": 96,
    "late": False,
    "basis": "",
    "building": None,
    "steps": [{"zh": "安抚", "en": "Calm"}, {"zh": "通知维保", "en": "Call"}],
    "respond_by": "2026-11-21T08:15:00.000Z",
}
MAPS = {"urgency": ({"I": "041001", "II": 2}, None), "house": ({}, "HY-0")}


def words(faults: list[str] | None = None) -> Words:
    return Words(ORDER, MAPS, ZoneInfo("Asia/Shanghai"), faults)


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("plain", "plain"),
        ("{title.zh}", "电梯困人"),
        ("【{level}】{title.zh}", "【I】电梯困人"),
        ("{households}", 96),
        ("{households} 户", "96 户"),
        ("{late}", False),
        ("late: {late}", "late: false"),
        ("{steps}", ORDER["steps"]),
        ("{steps.zh}", ["安抚", "通知维保"]),
        ("{steps.1.en}", "Call"),
        ("{steps.zh|numbered}", "1. 安抚\n2. 通知维保"),
        ("{steps.zh|join:；}", "安抚；通知维保"),
        ("{steps.zh|lines}", "安抚\n通知维保"),
        ("{level|map:urgency}", "041001"),
        ("{building|map:house}", "HY-0"),
        ("{title.en|cut:4}", "Tra…"),
        ("{title.en|cut:7}", "Trapped"),
        ("{title.zh|bytes:9}", "电梯…"),
        ("{title.zh|bytes:8}", "电…"),
        ("{title.zh|bytes:12}", "电梯困人"),
        ("{key|short:17}", "hy|L1|chain|led|7"),
        ("{key|short:255}", "hy|L1|chain|led|7"),
        ("{respond_by|time:%Y-%m-%d %H:%M:%S}", "2026-11-21 16:15:00"),
        ("{respond_by|ms}", 1795248900000),
        ("{respond_by|seconds}", 1795248900),
        ("{building|or:无}", "无"),
        ("{households|text}", "96"),
        ("{title|json}", '{"zh":"电梯困人","en":"Trapped"}'),
        ("{{not}} {level}", "{not} I"),
        ("[{building}]", "[]"),
    ],
)
def test_a_template_is_filled(template: str, filled: object) -> None:
    """A placeholder alone keeps its type; beside other words it is written as text."""
    assert fill(template, words()) == filled


def test_a_long_key_is_shortened_to_one_of_its_own() -> None:
    """Beginning and digest: two keys that begin alike stay two."""
    long = {"a": "k" * 300 + "1", "b": "k" * 300 + "2"}

    first, second = (text(f"{{{name}|short:255}}", Words(long, {}, ZoneInfo("UTC"))) for name in "ab")

    assert len(first) == len(second) == 255
    assert first != second
    assert first[:238] == second[:238] == "k" * 238


def test_what_says_nothing_can_be_left_out() -> None:
    """`omit` takes the member away, in trees, lists, and forms."""
    tree = {"basis": "{basis|omit}", "level": "{level|omit}", "all": ["{building|omit}", "{level}"]}

    assert fill(tree, words()) == {"level": "I", "all": ["I"]}
    assert flat({"b": "{building|omit}", "n": "{households}"}, words()) == {"n": "96"}


def test_a_word_that_no_map_knows_parks_the_order() -> None:
    """A code made up by us would be refused, or worse, be taken."""
    with pytest.raises(Reject, match="urgency' has no word for level 'III'"):
        fill("{level|map:urgency}", Words({"level": "III"}, MAPS, ZoneInfo("UTC")))


@pytest.mark.parametrize(
    ("template", "fault"),
    [
        ("{titla.zh}", "{titla.zh} names nothing; did you mean {title.zh}?"),
        ("{title.z}", "{title.z} names nothing; did you mean {title.zh}?"),
        ("{title.xx}", "{title.xx} names nothing; known are title.en, title.zh"),
        ("{level.zh}", "{level.zh} names nothing: {level} has nothing inside"),
        ("{steps.ens}", "{steps.ens} names nothing; did you mean {steps.en}?"),
        ("a {title}", "{title} is no text; write {title.zh}, {title.en}"),
        ("a {steps.zh}", "{steps.zh} is no text; write a filter such as |lines, |join:, or |json"),
        ("{level|map:urgensy}", "there is no map 'urgensy'; did you mean 'urgency'?"),
        ("{level|map:other}", "there is no map 'other'; add it under maps"),
        ("{level|time:%Y}", "{level} is no moment"),
        ("{level|ms}", "{level} is no moment"),
        ("{level|number}", "{level} is no number"),
    ],
)
def test_what_is_wrong_with_a_template_is_said(template: str, fault: str) -> None:
    """Looked at with a made-up order; an order that is sent goes out all the same."""
    faults: list[str] = []

    fill(template, words(faults))

    assert faults == [fault]


@pytest.mark.parametrize(
    ("template", "fault"),
    [
        ("{title.zh", "a '{' stands alone"),
        ("title}", "a '}' stands alone"),
        ("{}", "is no placeholder"),
        ("{Title}", "is no placeholder"),
        ("{a b}", "is no placeholder"),
        ("{__class__.__mro__[0]}", "is no placeholder"),
        ("{level|joinn:}", "there is no filter 'joinn'; did you mean 'join'"),
        ("{level|cut}", "write cut:…"),
        ("{level|cut:0}", "write a length from 1 to 100000 after cut:"),
        ("{level|short:9}", "write a length from 17"),
        ("{level|lines:2}", "write lines alone"),
    ],
)
def test_a_template_that_cannot_be_read_is_refused(template: str, fault: str) -> None:
    """No code, no attribute, no brace without its other."""
    with pytest.raises(ValueError, match=r"placeholder|stands alone|filter|write") as caught:
        parse(template)

    assert fault in str(caught.value)


def test_an_older_order_without_a_member_goes_out() -> None:
    """What was put into the outbox before an upgrade may lack what a template names: empty, never an error."""
    tree: dict[str, Any] = {"a": "{title.zh} {impact}", "b": "{steps.zh}", "c": "{respond_by|time:%Y}", "d": "{x|ms}"}

    assert fill(tree, Words({}, {}, ZoneInfo("UTC"))) == {"a": " ", "b": None, "c": None, "d": None}
