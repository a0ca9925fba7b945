from __future__ import annotations

from collections import Counter

import pytest

from tests.crash.site import CHAIN_RULE, LEAK_RULE, Opening
from tests.crash.tally import Sent, Stored, compare, expected_orders

SENT = [Sent(1, 1000, "L1"), Sent(2, 0, "L2"), Sent(3, 1010, "L1")]
THERE = [Stored(1, 1000, "L1"), Stored(2, 0, "L2"), Stored(3, 1010, "L1")]
ORDERS = Counter({("L1", "r"): 2})


def test_everything_there_once_is_exact() -> None:
    """The figures are printed in the agreed form."""
    tally = compare(SENT, THERE, ORDERS, ORDERS)

    assert tally.is_exact
    assert tally.line(7) == ("kills=7 sent=3 stored=3 lost=0 repeated=0 orders_expected=2 orders_found=2 duplicates=0")


@pytest.mark.parametrize(
    ("there", "held", "figures"),
    [
        pytest.param(THERE[:2], ORDERS, {"lost": 1}, id="a message is missing"),
        pytest.param(
            [*THERE, Stored(2, 0, "L2")], ORDERS, {"repeated": 1}, id="one without a stamp stands there twice"
        ),
        pytest.param([*THERE, Stored(9, 0, "L2")], ORDERS, {"repeated": 1}, id="one was never sent"),
        pytest.param(
            [*THERE[:2], Stored(3, 1011, "L1")], ORDERS, {"lost": 1, "repeated": 1}, id="one got another moment"
        ),
        pytest.param(THERE, Counter({("L1", "r"): 3}), {"duplicates": 1}, id="an order too many"),
        pytest.param(THERE, Counter({("L1", "r"): 1}), {"orders_missing": 1}, id="an order is missing"),
        pytest.param(
            THERE,
            Counter({("L1", "r"): 1, ("L2", "r"): 1}),
            {"orders_missing": 1, "duplicates": 1},
            id="an order for the wrong lift",
        ),
    ],
)
def test_every_difference_is_found(
    there: list[Stored], held: Counter[tuple[str, str]], figures: dict[str, int]
) -> None:
    """Sums that agree by chance hide nothing: multisets are compared."""
    tally = compare(SENT, there, ORDERS, held)

    names = ("lost", "repeated", "orders_missing", "duplicates")
    assert {name: getattr(tally, name) for name in names if getattr(tally, name)} == figures
    assert not tally.is_exact


def test_orders_are_expected_from_what_got_through() -> None:
    """An opening of which only plain messages, or none, were acknowledged asks for no order."""
    openings = [Opening("L1", 1, 3), Opening("L1", 3, 5), Opening("L2", 1, 5), Opening("L3", 1, 5)]

    wanted = expected_orders(SENT, openings, [6.0, 126.0, 246.0], until=130.0)

    assert wanted == {("L1", CHAIN_RULE): 2, ("W1", LEAK_RULE): 2}
