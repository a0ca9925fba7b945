from __future__ import annotations

import contextlib
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.documents import Strict, build, format_span, parse, parse_span
from daemon.model import ConfigError


class Inner(Strict):
    below: float


class Outer(Strict):
    version: int
    items: list[Inner]


def test_words_of_yaml_1_1_stay_words() -> None:
    """`off`, `no` and `12:30` are text, not booleans or sixty-based numbers."""
    document = parse("a: off\nb: no\nc: 12:30\nd: 1.5\ne: true\nf:\ng: -3\nh: 1e-3\n", "x.yaml")

    assert document.data == {"a": "off", "b": "no", "c": "12:30", "d": 1.5, "e": True, "f": None, "g": -3, "h": 0.001}


def test_all_faults_come_at_once_with_their_places() -> None:
    """Two faults in one file are two lines, each with line and column, the misspelt key with the right one."""
    with pytest.raises(ConfigError) as caught:
        build(Outer, parse("version: one\nitems:\n  - belwo: 3\n", "r.yaml"))

    assert caught.value.faults == [
        "r.yaml:1:1: version: input should be a valid integer, unable to parse string as an integer (found 'one')",
        "r.yaml:3:5: items.0.below: 'below' is missing; add it",
        "r.yaml:3:5: items.0.belwo: unknown key 'belwo'; did you mean 'below'?",
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: 1\na: 2\n", "x.yaml:2:1: the key 'a' stands here twice; keep one"),
        ("a: [1\n", "x.yaml:2:1: not YAML: expected ',' or ']', but got '<stream end>'"),
        ("a: !!python/name:os.system x\n", "x.yaml:1:1: the tag !"),
    ],
)
def test_a_broken_document_says_where(text: str, fault: str) -> None:
    """Doubled keys, broken syntax and foreign tags name file, line and column."""
    with pytest.raises(ConfigError) as caught:
        parse(text, "x.yaml")

    assert caught.value.faults[0].startswith(fault)


def test_a_bomb_of_aliases_is_refused() -> None:
    """Nested aliases that would grow to billions of nodes are refused."""
    lines = ["a0: &a0 [1,1,1,1,1,1,1,1,1,1]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]

    with pytest.raises(ConfigError, match="too large"):
        parse("\n".join(lines), "x.yaml")


@given(st.text(max_size=200))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    """No text makes the parser fail in any other way than by ConfigError."""
    with contextlib.suppress(ConfigError):
        assert parse(text, "x.yaml").name == "x.yaml"


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=999)))
def test_a_span_reads_back_as_written(span: timedelta) -> None:
    """`parse_span` undoes `format_span`, to the millisecond."""
    whole = timedelta(milliseconds=span // timedelta(milliseconds=1))

    assert parse_span(format_span(whole)) == whole


@pytest.mark.parametrize("text", ["90", "5 min", "", "1x", 90, None, "-5s"], ids=repr)
def test_a_span_without_a_unit_is_refused(text: object) -> None:
    """A bare number could be seconds or minutes: it is refused with an example."""
    with pytest.raises(ValueError, match="write a number with its unit"):
        parse_span(text)


@pytest.mark.parametrize("text", ["4000d", "99999999999d", "1" * 400 + "d"])
def test_a_span_beyond_all_calendars_is_a_fault(text: str) -> None:
    """It is refused as a fault of the file; taken, it would end the daemon when it is added to a moment."""
    with pytest.raises(ValueError, match="longer than ten years"):
        parse_span(text)
