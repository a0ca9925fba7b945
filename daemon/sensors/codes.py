"""Code tables: what the numbers mean that a maker's boxes send.

The same number means a car that moves by itself in one table and a landing door in the next, so a table has a name, a
field names its table, and no table is ever a default.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from daemon.documents import Strict, build, read
from daemon.model import ConfigError, Text


class Words(Strict):
    """The same words in Chinese and in English."""

    zh: str
    en: str

    def text(self) -> Text:
        """As the dictionary has it."""
        return Text(self.zh, self.en)


class Code(Strict):
    """One code: the label it becomes, and its meaning in words."""

    #: What rules compare with; the same event has the same label in every table.
    label: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    zh: str
    en: str


class CodeTable(Strict):
    """All codes of one encoding."""

    #: Codes have this many digits; a number that has lost its leading zeros gets them back.
    digits: int = Field(default=1, ge=1, le=20)
    #: The label of an empty array of codes.
    none: str = "none"
    #: By code, written as text. Of several codes in one array the one that stands first here counts.
    codes: dict[str, Code] = Field(min_length=1)

    @model_validator(mode="after")
    def _digits(self) -> Self:
        short = sorted(code for code in self.codes if len(code) < self.digits)
        if short:
            raise ValueError(f"codes have {self.digits} digits, {', '.join(short)} has fewer; write them in full")
        return self

    @property
    def labels(self) -> dict[str, str]:
        """Code to label, the most important first."""
        return {code: meaning.label for code, meaning in self.codes.items()}


def find_table(name: str, tables: Mapping[str, CodeTable]) -> CodeTable:
    """The table of that name.

    Raises:
        ValueError: there is none, with those there are.
    """
    if name not in tables:
        raise ValueError(f"no code table is named {name!r}; known: {', '.join(sorted(tables)) or 'none'}")
    return tables[name]


def check_member(label: object, table: CodeTable) -> None:
    """See that the label asked for can come out of the table.

    Raises:
        ValueError: it is none of its labels, with those there are.
    """
    if label not in table.labels.values():
        known = ", ".join(dict.fromkeys(table.labels.values()))
        raise ValueError(f"{label!r} is no label of the code table; known: {known}")


class CodeFile(CodeTable):
    """A code table in a file of its own."""

    version: Literal[1]
    table: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: Words
    #: Where the codes are written down.
    basis: str


def load_tables(paths: Iterable[Path]) -> dict[str, CodeTable]:
    """Read code tables, one a file; the result is keyed by their names.

    Raises:
        ConfigError: every fault of every file, two files of one name among them.
    """
    found: dict[str, CodeTable] = {}
    faults: list[str] = []
    for path in sorted(set(paths)):
        try:
            document = read(path)
            table = build(CodeFile, document)
        except ConfigError as error:
            faults += error.faults
            continue
        if table.table in found:
            place = document.place(("table",))
            faults.append(f"{place}: the code table {table.table!r} is defined twice; rename one of them")
        found[table.table] = table
    if faults:
        raise ConfigError(faults)
    return found
