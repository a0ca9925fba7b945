"""Named moments around each commit, at which a crash test may end the program.

`PRECOMPLAINT_KILL_AT=<name>:<n>` makes the n-th passage of that moment the program's last (SIGKILL, as a power cut
would). Unset, which is always so outside a crash test, a passage costs one comparison.
"""

from __future__ import annotations

import os
import signal

NAMES = (
    "before_process",
    "after_process",
    "before_commit",
    "after_commit",
    "before_ack",
    "after_ack",
    "before_create",
    "after_create",
    "before_receipt",
    "after_receipt",
    "before_mark",
    "after_mark",
    "before_snapshot",
    "after_snapshot",
    # a deadline runs out at the desks, before its batch is committed
    "before_deadline",
    "after_deadline",
    # to the ticketing service, beside creates and receipts
    "before_note",
    "after_note",
    "before_postpone",
    "after_postpone",
    "before_refusal",
    "after_refusal",
    "before_park",
    "after_park",
    # a chart was drawn, and its note is to be written
    "before_chart",
    "after_chart",
    # and back from it
    "before_changes",
    "after_changes",
    "before_cursor",
    "after_cursor",
    # to people
    "before_address",
    "after_address",
    "before_notice",
    "after_notice",
    "before_notice_receipt",
    "after_notice_receipt",
    "before_notice_postpone",
    "after_notice_postpone",
    "before_notice_park",
    "after_notice_park",
)

_name, _, _count = os.environ.get("PRECOMPLAINT_KILL_AT", "").partition(":")
if _name and _name not in NAMES:
    raise SystemExit(f"PRECOMPLAINT_KILL_AT: {_name!r} is none of {', '.join(NAMES)}")
_left = int(_count or 1)


def reached(name: str) -> None:
    """Pass the moment `name`."""
    if name != _name:
        return
    global _left  # noqa: PLW0603  one process, one countdown
    _left -= 1
    if _left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
