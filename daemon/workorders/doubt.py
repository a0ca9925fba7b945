"""What is said where nobody can tell whether the ticketing service has taken something: on the ticket, and to people.

A service without idempotency keys may hold what it never answered for. Whoever reads a ticket that was asked for again
must know that there may be another one, and that the same trouble needs one handling only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from daemon.model import Text

#: Commands by which the gateway itself tells what became of an order at the ticketing service, and their occasions in
#: the order's timeline. The people who hear of a refused order hear of these.
TOLD: Mapping[str, str] = {
    "order_repeated": "repeated",
    "order_duplicate": "duplicate",
    "order_note_refused": "note_refused",
}
REPEATED, DUPLICATE, NOTE_REFUSED = TOLD
#: The Command that tells of a ticket, found by a person or a search, whose create was given up.
FOUND = "order_found"

_TITLE = Text("【可能重复】", "[possibly twice] ")
_ORDER = Text(
    "此前一次提交没有得到工单系统的答复，可能已有同一内容的工单（编号 {key}）：若有两张，请保留较早的一张。",
    "An earlier request got no answer, so there may be another ticket for the same (key {key}): of two, keep the "
    "older one.",
)
_NOTE = Text("（可能重复：上次提交没有得到答复）", "(possibly twice: the last request got no answer) ")
_DUPLICATE = Text(
    "本工单与 {kept} 重复（编号 {key}），请关闭本工单，在 {kept} 上处理。",
    "This ticket is a duplicate of {kept} (key {key}): close it and work on {kept}.",
)


def repeated_order(document: dict[str, Any]) -> dict[str, Any]:
    """An order's document that says what it may be the second of: in its title and in its explanation."""
    key = str(document.get("key", ""))
    about = {language: words.format(key=key) for language, words in (("zh", _ORDER.zh), ("en", _ORDER.en))}
    changed = {"title": _before(document.get("title"), _TITLE)}
    explanation = document.get("explanation") or {"zh": "", "en": ""}
    changed["explanation"] = {name: f"{about[name]} {explanation.get(name, '')}".strip() for name in about}
    return document | changed


def repeated_note(document: dict[str, Any]) -> dict[str, Any]:
    """A note's document that says that the same note may stand there already."""
    return document | {"text": _before(document.get("text"), _NOTE)}


def duplicate_note(key: str, kept: str, level: str, at: str) -> dict[str, Any]:
    """What is written on the younger of two tickets of one order."""
    text = {"zh": _DUPLICATE.zh.format(key=key, kept=kept), "en": _DUPLICATE.en.format(key=key, kept=kept)}
    return {"kind": "duplicate", "at": at, "text": text, "level": level, "observed": []}


def _before(text: Mapping[str, str] | None, words: Text) -> dict[str, str]:
    text = text or {}
    return {"zh": f"{words.zh}{text.get('zh', '')}", "en": f"{words.en}{text.get('en', '')}"}
