"""What registers may hold, judged by their words alone: a guess with its reasons, to be held against the manual.

Every way to cut a run into 16-bit values, 32-bit values and texts is weighed, once for each order of bytes; the
heaviest wins. A device uses one order throughout, so floats side by side bear each other out. The weights are rules
of thumb: a measurement lies between a thousandth and a million and often has few decimals, a small whole number is
a whole number, and the low half of a float is small only by chance.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from daemon.model import Text
from daemon.sensors.register_readers import compile_reader, read_string
from daemon.sensors.registers import Order, RawType, RegisterField

#: In the order in which they are believed when nothing tells them apart.
ORDERS: tuple[Order, ...] = ("ABCD", "CDAB", "DCBA", "BADC")
_FEWEST_LETTERS = 6
#: Patterns with which devices say that they have no measurement.
_NONE = frozenset({0xFFFF, 0x8000, 0x7FFF})

#: Words by address, one mapping for each look.
Looks = Sequence[Mapping[int, int]]


class Guess(NamedTuple):
    """What one value may be."""

    address: int
    words: int
    type: RawType
    order: Order
    #: The latest one.
    value: float | str
    why: Text
    #: It only ever rose while it was looked at, or is of a kind that does.
    rises: bool = False


class _Cut(NamedTuple):
    """The best way to cut what stands before an address: its weight, and its last value."""

    weight: float
    last: Guess | None = None


class Verdict(NamedTuple):
    """What the registers of a table may hold."""

    guesses: tuple[Guess, ...]
    #: The order of bytes that was chosen, and another one that is nearly as good.
    order: Order
    rival: Order | None


def guess(looks: Looks, runs: Iterable[tuple[int, int]]) -> Verdict:
    """Judge the runs (first register, number of them) of one table; a device keeps to one order, so they choose it.

    A run of which the last look lacks a part is left out.
    """
    whole = [(start, count) for start, count in runs if looks and _has(looks[-1], start, count)]
    found = {order: [_best(_having(looks, *run), *run, order) for run in whole] for order in ORDERS}
    weights = {order: sum(weight for weight, _ in cuts) for order, cuts in found.items()}
    guesses = {order: tuple(each for _, cut in cuts for each in cut) for order, cuts in found.items()}
    best, *others = sorted(ORDERS, key=lambda order: -weights[order])
    rivals = [o for o in others if weights[o] > weights[best] - 0.4 and guesses[o] != guesses[best]]
    wide = any(each.words == 2 for each in guesses[best])
    return Verdict(guesses[best], best, rivals[0] if wide and rivals else None)


def _has(look: Mapping[int, int], start: int, count: int) -> bool:
    return all(address in look for address in range(start, start + count))


def _having(looks: Looks, start: int, count: int) -> Looks:
    return [look for look in looks if _has(look, start, count)]


def _best(looks: Looks, start: int, count: int, order: Order) -> tuple[float, list[Guess]]:
    cuts = [_Cut(0.0)] + [_Cut(-math.inf)] * count
    for n in range(count):
        for weight, found in _options(looks, start + n, start + count, order):
            to = n + found.words
            if cuts[n].weight + weight > cuts[to].weight:
                cuts[to] = _Cut(cuts[n].weight + weight, found)
    guesses: list[Guess] = []
    at = count
    while (last := cuts[at].last) is not None:
        guesses.append(last)
        at -= last.words
    return cuts[count].weight, guesses[::-1]


def _options(looks: Looks, address: int, end: int, order: Order) -> list[tuple[float, Guess]]:
    found = [_single(looks, address)]
    if address + 2 <= end:
        found += [option for option in (_float(looks, address, order), _whole(looks, address, order)) if option]
    found += _text(looks[-1], address, end)
    return found


# --- one register ------------------------------------------------------------------------------------------


def _single(looks: Looks, address: int) -> tuple[float, Guess]:
    words = [look[address] for look in looks]
    word = words[-1]
    rises = _rises(words)
    if word in _NONE:
        why = Text(f"0x{word:04X} 常表示无测量值", f"0x{word:04X} often means: no measurement")
        return 0.6, Guess(address, 1, "u16", "ABCD", word, why)
    if word >= 0xF000:
        why = Text(
            f"作无符号数为 {word}，更像负数", f"unsigned it would be {word}; more likely a small negative number"
        )
        return 0.9, Guess(address, 1, "s16", "ABCD", word - 0x10000, why)
    weight = 0.8 if word == 0 else 1.0 if word < 10_000 else 0.6
    return weight, Guess(address, 1, "u16", "ABCD", word, _scaled(word), rises)


def _scaled(word: int) -> Text:
    if word < 10:
        return Text("状态、代码或小数值", "a state, a code or a small number")
    shown = ", ".join(f"×{scale:g} = {word * scale:.6g}" for scale in (0.1, 0.01, 0.001))
    return Text(shown, "")


def _rises(values: Sequence[float]) -> bool:
    pairs = list(itertools.pairwise(values))
    return any(a < b for a, b in pairs) and all(a <= b for a, b in pairs)


# --- two registers -----------------------------------------------------------------------------------------


def _read(kind: RawType, order: Order, looks: Looks, address: int) -> list[float]:
    reader = compile_reader(RegisterField(address=address, type=kind, order=order))
    return [float(reader((look[address], look[address + 1]), 0)) for look in looks]


def read_as(looks: Looks, address: int, kind: RawType, order: Order) -> float:
    """The value that two registers hold if they hold that, at the last look."""
    return _read(kind, order, looks[-1:], address)[0]


def _float(looks: Looks, address: int, order: Order) -> tuple[float, Guess] | None:
    values = _read("f32", order, looks, address)
    weight = min(_likely(value) for value in values)
    if not weight:
        return None
    low = _halves(looks[-1], address, order)[1]
    if 0 < low < 1000:  # two whole numbers side by side look like that
        weight *= 0.5
    if order in ("DCBA", "BADC"):
        weight *= 0.95 if low else 0.7  # 67 beside a zero would be 128.0
    others = ", ".join(f"{o} {_short(read_as(looks, address, 'f32', o))}" for o in ORDERS if o != order)
    why = Text(f"其他字序 other orders: {others}", "")
    return 2.2 * weight, Guess(address, 2, "f32", order, values[-1], why)


def _halves(look: Mapping[int, int], address: int, order: Order) -> tuple[int, int]:
    """The two words of a 32-bit value, the more significant one first."""
    first, second = look[address], look[address + 1]
    if order in ("BADC", "DCBA"):
        first, second = ((w & 0xFF) << 8 | w >> 8 for w in (first, second))
    return (second, first) if order in ("CDAB", "DCBA") else (first, second)


def _likely(value: float) -> float:
    """How much a float looks like a measurement: 0 for what cannot be one."""
    size = abs(value)
    if not math.isfinite(value) or not 1e-3 <= size <= 1e6:
        return 0.0
    weight = 0.9 if 0.01 <= size <= 1e5 else 0.6
    if size < 5000 and math.isclose(value * 1000, round(value * 1000), rel_tol=2e-7):
        weight += 0.2  # few decimals; above 5000 a float has no others
    return weight * 0.8 if value < 0 else weight


def _whole(looks: Looks, address: int, order: Order) -> tuple[float, Guess] | None:
    """A counter that has outgrown one register."""
    high, low = _halves(looks[-1], address, order)
    none = _NONE.intersection((looks[-1][address], looks[-1][address + 1]))
    if not 0 < high < 0x100 or low < 10_000 or none:
        return None
    values = _read("u32", order, looks, address)
    weight = 1.7 + 0.4 * _rises(values) - 0.1 * (order in ("DCBA", "BADC"))
    why = Text(f"高位字小，像超过 65535 的计数 ({order})", f"a small high word: a count beyond 65535 ({order})")
    return weight, Guess(address, 2, "u32", order, values[-1], why, rises=True)


def _short(value: float) -> str:
    return f"{value:.3g}"


# --- texts -------------------------------------------------------------------------------------------------


def _text(look: Mapping[int, int], address: int, end: int) -> list[tuple[float, Guess]]:
    """Letters and digits, two a register, up to the first zero."""
    count = 0
    while address + count < end and _printable(look[address + count]):
        count += 1
        if not look[address + count - 1] & 0xFF:  # the zero that ends it
            break
    if count * 2 < _FEWEST_LETTERS:
        return []
    field = RegisterField(address=address, type="string", length=count)
    text = read_string(field, [look[address + n] for n in range(count)])
    if text is None or sum(c.isalnum() for c in text) < _FEWEST_LETTERS:
        return []
    why = Text("可打印字符", "printable characters")
    return [(1.3 * count, Guess(address, count, "string", "ABCD", text, why))]


def _printable(word: int) -> bool:
    high, low = word >> 8, word & 0xFF
    return 0x20 <= high < 0x7F and (0x20 <= low < 0x7F or low == 0)
