"""Sparkplug B as an edge node speaks it: births with names and aliases, data by alias, a death as last will.

Protobuf is written by hand here (field numbers of the specification, chapter 6), so that the library by which the
gateway reads it is held against something else.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from simulators.message_shape import Message, spoken

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulators.device_model import DeviceModel

_PREFIX = "spBv1.0"
_UINT32, _INT64, _DOUBLE, _BOOLEAN, _STRING = 7, 4, 10, 11, 12


class SparkplugShape:
    """What one edge node, and the device behind it, publish.

    Args:
        model: a profile with `sparkplug`.
        address: group, node and device; what is missing is `name`.
        name: of the device.
    """

    def __init__(self, model: DeviceModel, address: Mapping[str, str], name: str) -> None:
        self._model = model
        self._of_node = (model.mqtt or {})["sparkplug"] == "node"
        parts = ("group", "node") if self._of_node else ("group", "node", "device")
        #: The address by which the gateway knows it.
        self.address = {part: address.get(part, name) for part in parts}
        #: What each point says now: a number in the point's unit, or a label.
        self.says: dict[str, float | str] = {}
        #: bdSeq, by which a death tells whose it is; one a connection.
        self._session = 0
        #: Of the last message; None until it was born.
        self._seq: int | None = None
        self._now = (0.0, 0)

    def connecting(self) -> None:
        """A connection begins: its death, which is told before its birth, is its own."""
        self._session = (self._session + 1) % 256
        self._seq = None

    def presence(self, *, online: bool) -> list[Message]:
        """The births, or the death of the node and all behind it."""
        session = _metric("bdSeq", None, self._session)
        if not online:
            return [Message(self._topic("NDEATH", of_node=True), _message(self._now[1], None, [session]))]
        self._seq = 0
        metrics = self._metrics(born=True)
        births = [(True, [session, *(metrics if self._of_node else ())])] + (
            [] if self._of_node else [(False, metrics)]
        )
        return [
            Message(
                self._topic("NBIRTH" if of_node else "DBIRTH", of_node=of_node), self._counted(found, first=of_node)
            )
            for of_node, found in births
        ]

    def at(self, seconds: float, unix_ms: int) -> list[Message]:
        """The data so many seconds after the start; the node's clock says `unix_ms`. Nothing before its birth."""
        self._now = (seconds, unix_ms)
        metrics = self._metrics(born=False)
        if self._seq is None:
            return []
        kind = "NDATA" if self._of_node else "DDATA"
        return [Message(self._topic(kind, of_node=self._of_node), self._counted(metrics, first=False))]

    def _counted(self, metrics: list[bytes], *, first: bool) -> bytes:
        self._seq = 0 if first else ((self._seq or 0) + 1) % 256
        return _message(self._now[1], self._seq, metrics)

    def _metrics(self, *, born: bool) -> list[bytes]:
        found = []
        for place, quantity in enumerate(self._model.quantities):
            said = spoken(self._model, quantity, self._now[0], place)
            raw = round(said.raw) if quantity.kind == "counter" else said.raw
            self.says[quantity.name] = said.says
            found.append(_metric(str(quantity.field["path"]) if born else "", place + 1, raw))
        return found

    def _topic(self, kind: str, *, of_node: bool) -> str:
        levels = [_PREFIX, self.address["group"], kind, self.address["node"]]
        return "/".join(levels if of_node else [*levels, self.address["device"]])


def _message(unix_ms: int, seq: int | None, metrics: list[bytes]) -> bytes:
    counted = b"" if seq is None else _number(3, seq)
    return _number(1, unix_ms) + b"".join(_octets(2, metric) for metric in metrics) + counted


def _metric(name: str, alias: int | None, value: Any) -> bytes:  # noqa: ANN401  what a metric may hold
    """Name and type in a birth; in data the alias alone."""
    head = _octets(1, name.encode()) if name else b""
    head += _number(2, alias) if alias is not None else b""
    if isinstance(value, bool):
        kind, body = _BOOLEAN, _number(14, int(value))
    elif isinstance(value, int):
        kind, body = (_UINT32, _number(10, value)) if name != "bdSeq" else (_INT64, _number(11, value))
    elif isinstance(value, float):
        kind, body = _DOUBLE, _varint(13 << 3 | 1) + struct.pack("<d", value)
    else:
        kind, body = _STRING, _octets(15, str(value).encode())
    return head + (_number(4, kind) if name else b"") + body


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _octets(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])
