from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.line_protocol import BadLine, FieldValue, Line, Reader, Unsigned

Tags = tuple[tuple[str, str], ...]


def read(text: str | bytes) -> list[Line | BadLine]:
    return list(Reader().read(text.encode() if isinstance(text, str) else text))


def the_line(text: str) -> Line:
    (line,) = read(text)
    assert isinstance(line, Line), line
    return line


@pytest.mark.parametrize(
    ("text", "measurement", "tags", "fields", "timestamp"),
    [
        ("m f=1 5", "m", (), {"f": 1.0}, 5),
        ("m f=1", "m", (), {"f": 1.0}, None),
        ("  m  f=1  -5 \n", "m", (), {"f": 1.0}, -5),
        ("m,b=2,a=1 f=1,g=t", "m", (("a", "1"), ("b", "2")), {"f": 1.0, "g": True}, None),
        (r"a\ b\,c=d,t\ 1\==v\,\=\  f\=\,\ =1", "a b,c=d", (("t 1=", "v,= "),), {"f=, ": 1.0}, None),
        (r"a\b,t=c\d f\g=1", r"a\b", (("t", r"c\d"),), {r"f\g": 1.0}, None),
        (r'm f="a \"b\" \\ \n, =c" 1', "m", (), {"f": 'a "b" \\ \\n, =c'}, 1),
        ('m f="two\nlines",g=1i 1', "m", (), {"f": "two\nlines", "g": 1}, 1),
        ('m f="",g="" 1', "m", (), {"f": "", "g": ""}, 1),
        ("泵房,楼=一号 压力=0.3 1", "泵房", (("楼", "一号"),), {"压力": 0.3}, 1),
        (
            "m a=42i,b=-9223372036854775808i,c=18446744073709551615u",
            "m",
            (),
            {"a": 42, "b": -(2**63), "c": 2**64 - 1},
            None,
        ),
        ("m a=1.,b=.5,c=-1e-7,d=1E+3", "m", (), {"a": 1.0, "b": 0.5, "c": -1e-7, "d": 1000.0}, None),
        ("m a=t,b=T,c=true,d=True,e=TRUE", "m", (), dict.fromkeys("abcde", True), None),
        ("m a=f,b=F,c=false,d=False,e=FALSE", "m", (), dict.fromkeys("abcde", False), None),
    ],
)
def test_a_good_line_says_what_it_says(
    text: str, measurement: str, tags: Tags, fields: dict[str, FieldValue], timestamp: int | None
) -> None:
    """Escapes are undone, types are kept apart, tags are sorted."""
    line = the_line(text)

    assert (line.series.measurement, line.series.tags) == (measurement, tags)
    assert line.fields == fields
    assert [type(value) for value in line.fields.values() if not isinstance(value, Unsigned)] == [
        type(value) for name, value in fields.items() if not isinstance(line.fields[name], Unsigned)
    ]
    assert line.timestamp == timestamp


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("broken", "missing fields"),
        ("m ", "missing fields"),
        (",a=1 f=1", "missing measurement"),
        ("m,a f=1", "missing tag value"),
        ("m,a= f=1", "missing tag value"),
        ("m,=1 f=1", "missing tag key"),
        ("m,a=1,a=2 f=1", "duplicate tags"),
        ("m,a=1=2 f=1", "invalid tag format"),
        ("m,time=1 f=1", "invalid tag key"),
        ("m f", "invalid field format"),
        ("m f=", "missing field value"),
        ("m f=,g=1", "missing field value"),
        ("m =1", "missing field key"),
        ("m f=1,", "missing fields"),
        ("m f=1,f=2", "duplicate field f"),
        ("m time=1", "invalid field name"),
        ("m f=abc", "invalid value of f"),
        ("m f=1x", "invalid value of f"),
        ("m f=+1", "invalid value of f"),
        ("m f=1_000", "invalid value of f"),
        ("m f=nan", "invalid value of f"),
        ("m f=inf", "invalid value of f"),
        ("m f=1e999", "invalid number"),
        ("m f=1.5i", "invalid number"),
        ("m f=-1u", "out of range"),
        ("m f=9223372036854775808i", "out of range"),
        ("m f=٣", "invalid value of f"),
        ('m f="a"b', "invalid value of f"),
        ('m f="a', "unbalanced quotes"),
        ("m f=1 soon", "bad timestamp"),
        ("m f=1 1.5", "bad timestamp"),
        ("m f=1 1 2", "bad timestamp"),
        ("m f=1 1\r\n", "bad timestamp"),
        ("m f=1\r\n", "invalid value of f"),
        ("m f=1 " + "9" * 30, "timestamp out of range"),
    ],
)
def test_a_bad_line_says_what_is_wrong(text: str, message: str) -> None:
    """What InfluxDB refuses is refused, with a reason and the line."""
    (line,) = read(text)

    assert isinstance(line, BadLine)
    assert message in line.message


def test_a_bad_line_leaves_its_neighbours_alone() -> None:
    """Line numbers count every line of the request, comments and blank ones too."""
    found = read("# note\n\nm f=1 1\nbroken\nm f=2 2\nm f=x 3\n   \nm f=3 3")

    assert [(line.number, isinstance(line, Line)) for line in found] == [
        (3, True),
        (4, False),
        (5, True),
        (6, False),
        (8, True),
    ]


def test_an_open_quote_swallows_the_rest() -> None:
    """As in InfluxDB, a string goes on to its closing quote, through line ends if need be."""
    assert [type(line) for line in read('m f=1\nm f="a\nm f=2\n')] == [Line, BadLine]
    assert [type(line) for line in read('m f="a\nm f="\nm f=2\n')] == [Line, Line]


def test_bytes_that_are_no_text_spoil_one_line() -> None:
    """Invalid UTF-8 is refused where it stands."""
    found = read(b'm f=1\nm,a=\xff f=1\nm f="\xc3("\nm f=2')

    assert [type(line) for line in found] == [Line, BadLine, BadLine, Line]


def escaper(specials: str) -> Callable[[str], str]:
    return lambda text: "".join("\\" + c if c in specials else c for c in text)


NAMES = st.text(st.sampled_from('ab,= "漢é'), min_size=1, max_size=6).filter(lambda name: name != "time")
VALUES = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(2**63), 2**63 - 1),
    st.booleans(),
    st.text(st.sampled_from('ab,= "\\\n漢'), max_size=8),
)


def written(value: FieldValue) -> str:
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, str):
        return '"' + escaper('"\\')(value) + '"'
    return repr(value) if isinstance(value, float) else f"{value}i"


@given(
    NAMES.filter(lambda name: name.strip(' "') != ""),
    st.dictionaries(NAMES, NAMES, max_size=3),
    st.dictionaries(NAMES, VALUES, min_size=1, max_size=4),
    st.integers(-(2**63), 2**63 - 1),
)
def test_what_is_written_is_read(
    measurement: str, tags: dict[str, str], fields: dict[str, FieldValue], timestamp: int
) -> None:
    """Whatever names and values a writer escapes by the book comes back as it was."""
    key = escaper(",= ")
    head = "".join([escaper(", ")(measurement), *(f",{key(k)}={key(v)}" for k, v in tags.items())])
    body = ",".join(f"{key(k)}={written(v)}" for k, v in fields.items())
    line = the_line(f"{head} {body} {timestamp}")

    assert line.series.measurement == measurement
    assert dict(line.series.tags) == tags
    assert line.fields == fields
    assert line.timestamp == timestamp


@given(st.text(st.sampled_from('mf1=," \\\nti#'), max_size=30))
def test_nothing_breaks_the_reader(text: str) -> None:
    """Any text is lines and bad lines, numbered upwards."""
    numbers = [line.number for line in read(text)]

    assert numbers == sorted(set(numbers))
