from __future__ import annotations

from tests.rule_bench import Bench

LADDER = """
    r
    levels:
      - {level: II, when: {point: p, below: 0.10 MPa}, for: 10s, clear: {when: {point: p, above: 0.12 MPa}, for: 5s}}
      - {level: I, when: {point: p, below: 50 kPa}, for: 3s}
    """


def test_a_ladder_is_one_alarm_that_changes_its_level(bench: Bench) -> None:
    """Each rung has its own hold and clear; the alarm's level is its most urgent rung that is on."""
    bench.rules(LADDER)

    got = bench.each(range(1, 12), p=0.09) + bench.each(range(12, 16), p=0.04) + bench.hear(16, p=0.06)
    got += bench.each(range(17, 23), p=0.13)

    assert got == [
        "1 normal>pending II condition_met",
        "11 pending>active II condition_held",
        "15 active>active I level_raised",
        "16 active>active II level_lowered",
        "17 active>clearing II condition_lapsed",
        "22 clearing>cleared II recovered",
    ]


def test_data_that_comes_back_worse_is_told_at_the_level_that_was_known(bench: Bench) -> None:
    """First that the data is back, then that the level has risen."""
    rungs = "{level: II, when: {point: p, below: 0.10 MPa}}", "{level: I, when: {point: p, below: 0.05 MPa}}"
    bench.rules(f"r\n levels: [{', '.join(rungs)}]")
    bench.hear(0, p=0.08)
    bench.tick(10)

    assert bench.hear(11, p=0.04) == ["11 active>active II data_back", "11 active>active I level_raised"]
