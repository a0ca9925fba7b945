"""How our tickets are known again."""

from __future__ import annotations

from daemon.outputs.ticketing.marker import MARKER, code, marker


def test_a_marker_stands_for_one_order() -> None:
    """It follows from the key alone, is found among other words, and another alarm has another one."""
    text = f"电梯困人 {marker('hy|lift-1|lift-entrapment|abc|7')}（Ⅰ 级）"

    found = MARKER.search(text)

    assert found is not None
    assert found.group(1) == code("hy|lift-1|lift-entrapment|abc|7")
    assert code("hy|lift-1|lift-entrapment|abc|8") != found.group(1)


def test_ten_thousand_orders_have_ten_thousand_codes() -> None:
    """Forty bits are enough for a site's orders of many years."""
    assert len({code(f"hy|a|r|ledger|{n}") for n in range(10_000)}) == 10_000
