"""The registers of a device model: its profile turned round, from what is measured to words.

Written without a look at how the gateway reads them, so that the two can be held against each other.
"""

from __future__ import annotations

import itertools
import struct
from typing import TYPE_CHECKING, Any

from simulators.device_model import quiet

if TYPE_CHECKING:
    from simulators.device_model import DeviceModel, Quantity

Table = dict[int, int]
_FUNCTIONS = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}
_FORMS = {"u16": "H", "s16": "h", "u32": "I", "s32": "i", "u64": "Q", "s64": "q", "f32": "f", "f64": "d"}
_LIMITS = {"u8": (0, 0xFF), "s8": (-0x80, 0x7F), "u16": (0, 0xFFFF), "s16": (-0x8000, 0x7FFF)}
#: What a device is set up to tell when its profile leaves it to the device.
_DECIMALS = 3
_TEXT = "READY"


class RegisterMap:
    """Tables of one unit of a device model, by function code.

    Raises:
        ValueError: the profile is none for Modbus.
    """

    def __init__(self, model: DeviceModel) -> None:
        if model.modbus is None:
            raise ValueError(f"the profile {model.name!r} is none for Modbus")
        self._model = model
        #: Registers that lie between two that mean something are there too, as in any device.
        self._gap = int(model.modbus.get("max_gap", 8))
        #: What each point says now: a number in the point's unit, or a label.
        self.says: dict[str, float | str] = {}

    def at(self, seconds: float) -> dict[int, Table]:
        """The tables so many seconds after the start."""
        tables: dict[int, Table] = {}
        for place, quantity in enumerate(self._model.quantities):
            field = quantity.field
            table = tables.setdefault(_FUNCTIONS[field.get("table", "holding")], {})
            words, self.says[quantity.name] = _spoken(quantity, quantity.at(seconds, place))
            for offset, word in enumerate(words):
                address = int(field["address"]) + offset
                table[address] = table.get(address, 0) | word
            table.update(_companions(field, quantity.unit))
        for table in tables.values():
            self._fill(table)
        return tables

    def _fill(self, table: Table) -> None:
        addresses = sorted(table)
        for before, after in itertools.pairwise(addresses):
            if after - before - 1 <= self._gap:
                table.update(dict.fromkeys(range(before + 1, after), 0))


def _spoken(quantity: Quantity, value: float) -> tuple[list[int], float | str]:
    """The words on the wire, and what they mean to whoever reads the manual."""
    field = quantity.field
    if field.get("table") in ("coil", "discrete"):
        bit, label = _label(field)
        return [bit], label if quantity.labelled else float(bit)
    if field.get("type") == "string":
        octets = _TEXT.encode().ljust(2 * int(field["length"]), b"\0")
        words = list(struct.unpack(f">{len(octets) // 2}H", octets))
        return _swapped(words, swap_bytes=field.get("order") == "BADC", swap_words=False), _TEXT
    if quantity.labelled:
        raw, label = _label(field)
        return _words(field, raw), label
    step = field.get("scale", 1.0) / 10 ** (_DECIMALS if "decimals" in field else 0)
    raw_value = (value - field.get("offset", 0.0)) / step
    kind = field.get("type", "u16")
    if kind in ("f32", "f64"):
        return _words(field, raw_value), value
    raw = _fitting(kind, round(raw_value))
    return _words(field, raw), raw * step + field.get("offset", 0.0)


def _label(field: dict[str, Any]) -> tuple[int, str]:
    """The raw number of the quiet label; a code without labels is 0, and is called so."""
    labels = {int(str(raw), 0): label for raw, label in field.get("map", {}).items()}
    if not labels:
        return 0, "0"
    label = quiet(list(labels.values()))
    return next(raw for raw, found in labels.items() if found == label), label


def _companions(field: dict[str, Any], unit: str) -> Table:
    """The registers that tell the decimals and the unit of a value."""
    found: Table = {}
    if "decimals" in field:
        found[int(field["decimals"])] = _DECIMALS
    if "unit_code" in field:
        codes = field["unit_code"]["map"]
        found[int(field["unit_code"]["address"])] = next(int(code) for code, told in codes.items() if told == unit)
    return found


def _fitting(kind: str, raw: int) -> int:
    low, high = _LIMITS.get(kind.partition("_")[0], (-(2**31), 2**31 - 1))
    # The ends of a type are where devices keep "no measurement".
    return min(max(raw, low), high - 1)


def _words(field: dict[str, Any], raw: float) -> list[int]:
    kind, order = field.get("type", "u16"), field.get("order", "ABCD")
    if "bit" in field or "bits" in field:
        raw = int(raw) << (field["bit"] if "bit" in field else field["bits"][0])
    if kind[1] == "8":
        octet = int(raw) & 0xFF
        return [octet << 8 if kind.endswith("high") else octet]
    octets = struct.pack(f">{_FORMS[kind]}", raw if kind[0] == "f" else int(raw))
    words = list(struct.unpack(f">{len(octets) // 2}H", octets))
    return _swapped(words, swap_bytes=order in ("BADC", "DCBA"), swap_words=order in ("CDAB", "DCBA"))


def _swapped(words: list[int], *, swap_bytes: bool, swap_words: bool) -> list[int]:
    if swap_bytes:
        words = [(word & 0xFF) << 8 | word >> 8 for word in words]
    return words[::-1] if swap_words else words
