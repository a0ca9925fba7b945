"""Templates with parameters and calendars with names: what comes of them, and where their faults are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.model import ConfigError
from daemon.rules.schema import Ruleset, load
from tests.rule_bench import WORDS, make_catalogue

COMMON = """version: 1
calendars:
  night: {hours: 22:00-06:00}
  office: 08:00-18:00
templates:
  any:
    applies_to: {kind: room}
    basis: a test
    cause: {zh: 因, en: cause}
    consequence: {zh: 果, en: effect}
  low:
    extends: any
    parameters: {point: ~, limit: 0.1 MPa, hold: 1min}
    title: {zh: 低, en: "$point is low"}
    levels:
      - level: I
        when: {point: $point, below: $limit}
        for: $hold
rules: []
"""
RULES = """version: 1
rules:
  - id: plain
    extends: low
    with: {point: p}
  - id: other
    extends: low
    with: {point: p, limit: 0.2 MPa}
    title: {zh: 题, en: its own}
    calendar: night
    unless: {any: [{time: office}, {point: mode, equals: inspection}]}
"""


def write(folder: Path, **files: str) -> list[Path]:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return [folder / f"{name}.yaml" for name in files]


def faults(folder: Path, **files: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(write(folder, **files), make_catalogue())
    return [fault.replace(f"{folder}/", "") for fault in caught.value.faults]


def test_a_rule_has_what_its_template_says(tmp_path: Path) -> None:
    """Of another file too; its own keys take the place of the template's, its arguments that of the parameters."""
    plain, other = load(write(tmp_path, common=COMMON, mine=RULES), make_catalogue()).rules

    assert plain.title.en == "p is low"
    assert (plain.levels[0].hold, plain.basis) == (other.levels[0].hold, "a test")
    assert "below='0.1 MPa'" in repr(plain.levels)
    assert "below='0.2 MPa'" in repr(other.levels)
    assert other.title.en == "its own"
    assert other.calendar is not None
    assert other.calendar.words == "night 22:00-06:00"
    assert "name='office', hours=('08:00-18:00',)" in repr(other.unless)


def test_it_is_the_same_ruleset_as_if_it_were_written_out(tmp_path: Path) -> None:
    """Hash and journal know nothing of templates."""
    whole = f"""version: 1
rules:
  - id: plain
{WORDS}    applies_to: {{kind: room}}
    levels: [{{level: I, when: {{point: p, below: 0.1 MPa}}, for: 1min}}]
"""
    short = RULES.split("  - id: other", maxsplit=1)[0] + "    title: {zh: 题, en: title}\n"
    written = load(write(tmp_path, whole=whole), make_catalogue())
    shared = load(write(tmp_path, common=COMMON, short=short), make_catalogue())

    assert shared.hash == written.hash
    assert Ruleset.from_json(shared.to_json()) == written


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        # in the rule
        ("extends: low", "extends: lwo", "mine.yaml:4:5: no template is called 'lwo'; did you mean 'low'?"),
        ("{point: p}", "{points: p}", "mine.yaml:5:12: the template has no parameter 'points'; did you mean 'point'?"),
        ("{point: p}", "{}", "mine.yaml:4:5: the template asks for 'point'; write `with: {point: …}`"),
        ("{point: p}", "p", "mine.yaml:3:5: write `extends: name` and, beside it, `with: {parameter: value}`"),
        ("limit: 0.2 MPa", "limit: 20 °C", "mine.yaml:8:22: below: °C is a temperature"),
        ("calendar: night", "calendar: nihgt", "mine.yaml:10:5: no calendar is called 'nihgt'; did you mean 'night'?"),
        ("time: office", "time: 8-18", "mine.yaml:11:21: no calendar is called '8-18'; define it under"),
        ("    unless:", "    unlses:", "mine.yaml:11:5: rules.1.unlses: unknown key 'unlses'; did you mean 'unless'?"),
        ("    extends: low\n    with: {point: p}\n", "    with: {}\n", "mine.yaml:3:5: write `extends: name`"),
    ],
)
def test_a_fault_of_a_rule_is_told_in_the_rule(tmp_path: Path, old: str, new: str, says: str) -> None:
    """With its place in the very file; an argument that does not fit where the argument stands."""
    assert old in RULES

    assert says in "\n".join(faults(tmp_path, common=COMMON, mine=RULES.replace(old, new, 1)))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("level: I\n", "level: IV\n", "common.yaml:16:9: rules.0.levels.0.level: 'IV' is no level"),
        ("below: $limit", "belwo: $limit", "common.yaml:17:31: rules.0.levels.0.when.belwo: unknown key 'belwo'"),
        ("below: $limit", "below: $lim", "common.yaml:17:31: the template has no parameter 'lim'; did you mean"),
        ("limit: 0.1 MPa", "limit: 1 K", "common.yaml:13:28: below: K is a temperature"),
        ("    basis: a test", "    bases: a test", "common.yaml:8:5: unknown key 'bases'; did you mean 'basis'?"),
        ("extends: any", "extends: low", "common.yaml:12:5: the template 'low' extends itself; break the circle"),
        ("night: {hours: 22:00-06:00}", "night: {hours: 22-6}", "common.yaml:3:11: hours.0: '22-6' are no hours"),
        ("night: {hours: 22:00-06:00}", "night: {ours: 1}", "unknown key 'ours'; did you mean 'hours'?"),
        ("  office: 08:00-18:00", "  night: 08:00-18:00", "the key 'night' stands here twice"),
        ("calendars:\n", "calendars: night\nunused:\n", "write a name and what it means"),
        ("  any:\n", "  none: x\n  any:\n", "a template has the keys of a rule"),
    ],
)
def test_a_fault_of_a_template_is_told_in_the_template(tmp_path: Path, old: str, new: str, says: str) -> None:
    """Once, however many rules extend it, with its place in its own file."""
    assert old in COMMON

    found = "\n".join(faults(tmp_path, common=COMMON.replace(old, new, 1), mine=RULES))

    assert says in found
    assert found.count(says) == 1


def test_a_name_stands_once(tmp_path: Path) -> None:
    """Over all files that are loaded together."""
    found = faults(tmp_path, common=COMMON, more=COMMON)

    assert [fault.split(": ")[0] for fault in found] == [f"more.yaml:{line}:3" for line in (3, 4, 6, 11)]
    assert all("stands under" in fault for fault in found)
