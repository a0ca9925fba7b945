"""Topic patterns: filled with a device's address, as filters to subscribe to, as expressions to match."""

from __future__ import annotations

import re
from collections.abc import Mapping

from daemon.sensors.payload import NAMED

Address = Mapping[str, str | int]


def fill_topic(pattern: str, address: Address) -> str:
    """The pattern with its named parts filled in; + and # stay."""
    return NAMED.sub(lambda match: str(address[match[1]]), pattern)


def filter_of(pattern: str, address: Address) -> str:
    """The filter to subscribe to: + for each named part, so that devices nobody has declared are heard of.

    A name that contains `/` is of more than one level: the filter then is for this device alone.
    """
    if any("/" in str(address[name]) for name in NAMED.findall(pattern)):
        return fill_topic(pattern, address)
    return NAMED.sub("+", pattern)


def fits_topic(value: str | int) -> bool:
    """Whether a part's value can stand in a topic; + and # would subscribe to others' messages."""
    text = str(value)
    return bool(text) and not set(text) & set("+#\0")


def odd_parts(pattern: str, address: Address) -> list[str]:
    """Names of parts whose value cannot stand in a topic."""
    return [name for name in NAMED.findall(pattern) if not fits_topic(address[name])]


def compile_topic(pattern: str, address: Address) -> re.Pattern[str]:
    """What matches the topics that the pattern means; parts that the address does not name become groups."""
    return re.compile("/".join(_level(level, address) for level in pattern.split("/")).replace("/(?:#)", "(?:/.*)?"))


def _level(level: str, address: Address) -> str:
    if level == "#":
        return "(?:#)"
    if level == "+":
        return "[^/]*"
    if (match := NAMED.fullmatch(level)) is not None:
        name = match[1]
        return re.escape(str(address[name])) if name in address else f"(?P<{name}>[^/]*)"
    return re.escape(level)
