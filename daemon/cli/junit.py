"""Outcomes of rule tests as JUnit XML, which every CI server reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from daemon.backtest.rule_test import Outcome


def write_junit(path: Path, results: Sequence[tuple[Path, Outcome]]) -> None:
    """One test suite a file; lines of what is missing and what nobody listed are the failure's text."""
    whole = ET.Element("testsuites")
    suites: dict[Path, ET.Element] = {}
    for file, outcome in results:
        suite = suites.get(file)
        if suite is None:
            suite = suites[file] = ET.SubElement(whole, "testsuite", name=str(file), errors="0")
        _, line, _ = outcome.place.rsplit(":", 2)
        case = ET.SubElement(
            suite, "testcase", classname=file.name, name=outcome.title, file=str(file), line=line, time="0"
        )
        if outcome.failures:
            failure = ET.SubElement(case, "failure", message=outcome.failures[0])
            failure.text = "\n".join([outcome.place, *outcome.failures])
    for file, suite in suites.items():
        outcomes = [outcome for other, outcome in results if other == file]
        suite.set("tests", str(len(outcomes)))
        suite.set("failures", str(sum(bool(outcome.failures) for outcome in outcomes)))
    whole.set("tests", str(len(results)))
    whole.set("failures", str(sum(bool(outcome.failures) for _, outcome in results)))
    ET.indent(whole)
    ET.ElementTree(whole).write(path, encoding="utf-8", xml_declaration=True)
