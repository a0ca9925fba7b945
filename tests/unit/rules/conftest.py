from __future__ import annotations

from pathlib import Path

import pytest

from tests.rule_bench import Bench, make_catalogue


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def counters(bench: Bench) -> Bench:
    """With counters and a second pressure."""
    bench.catalogue = make_catalogue(more=True)
    return bench
