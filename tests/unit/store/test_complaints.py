"""Complaints in the file: each is judged inside the writer's transaction, so no query of it walks through a table."""

from __future__ import annotations

import pytest

from daemon.store import complaints
from daemon.store.db import connect


@pytest.mark.parametrize(
    ("name", "index"),
    [("watched_since", "audit_of_reloads"), ("count_of_order", "complaint_by_order"), ("in_hand", "order_by_asset")],
)
def test_what_is_asked_for_each_complaint_is_found_by_an_index(name: str, index: str) -> None:
    """The audit has up to a million lines: 73 ms for each of a thousand imported complaints would hold up alarms."""
    sql = complaints._SQL[name]
    plan = " ".join(row[3] for row in connect(":memory:").execute("EXPLAIN QUERY PLAN " + sql, [""] * sql.count("?")))

    assert index in plan
    assert "SCAN" not in plan
