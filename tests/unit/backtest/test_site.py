"""Sites that histories are of."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from daemon.backtest.judged import judged
from daemon.backtest.mapping import HistoryMap, PaperAsset, PaperPoint
from daemon.backtest.site import configured, on_paper
from daemon.model import ConfigError, Input, Observation, Quality, Reading, Reason
from daemon.settings import shipped
from tests.spine import at

MINUTE = timedelta(minutes=1)


def _paper(**more: str) -> HistoryMap:
    point = PaperPoint.model_validate({"unit": "MPa", "interval": "10s", **more})
    return HistoryMap(assets=(PaperAsset(id="a", kind="water_zone", points={"p": point}),))


def test_a_site_on_paper_judges_like_a_profile() -> None:
    """A flat line is bad, a jump suspect; each run begins with nothing known."""
    site = on_paper(_paper(stuck_after="20s", spike="100 kPa"))
    values = [0.3, 0.3, 0.3, 0.5]
    history: list[Input] = [
        Observation(at(10 * n), "a/history", (Reading("a.p", at(10 * n), value, at(10 * n)),))
        for n, value in enumerate(values)
    ]

    for _ in range(2):
        said = [r for item in judged(history, site.judges()) if isinstance(item, Observation) for r in item.readings]
        assert [(r.quality, r.reason) for r in said] == [
            (Quality.GOOD, Reason.NONE),
            (Quality.GOOD, Reason.NONE),
            (Quality.BAD, Reason.STUCK),
            (Quality.SUSPECT, Reason.SPIKE),
        ]


def test_a_spike_in_another_unit_is_a_fault() -> None:
    """It is told before anything is read."""
    with pytest.raises(ConfigError, match=r"a\.p: spike"):
        on_paper(_paper(spike="3 °C"))


def test_a_configured_site_needs_no_secrets() -> None:
    """The starter configuration names credentials that only the gateway has."""
    site = configured(shipped() / "starter")

    assert site.ruleset is not None
    assert site.catalogue.points


def test_overrides_of_rules_that_are_not_there_are_left_away(tmp_path: Path) -> None:
    """Rules under work are a part of a site's; what the site says of the others is no fault."""
    site = configured(shipped() / "starter")
    file = tmp_path / "none.yaml"
    file.write_text("version: 1\nrules: []\n", encoding="utf-8")

    assert site.rules([file]).overrides == {}
