"""Sparkplug B payloads: what we read of them, declared here by the field numbers of the specification (chapter 6).

Only the protobuf runtime is used, no file of others: fields that we do not name (data sets, templates, metadata) are
skipped by it. It is an extra, `pip install precomplaint[sparkplug]`, and imported when a profile needs it.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from daemon.model import BadPayload, ConfigError, Reason

#: Data types of whole numbers with a sign, and their bits: they travel in an unsigned field.
_SIGNED = {1: 8, 2: 16, 3: 32, 4: 64}
#: A whole payload squeezed into one field, as some edge nodes can be told to send.
_COMPRESSED = "SPBV1.0_COMPRESSED"
#: The end of the year 9999, beyond which no clock here can tell a moment.
_MOST_MS = 253_402_300_800_000

_OPTIONAL, _REPEATED = 1, 3
_DOUBLE, _FLOAT, _UINT64, _BOOL, _STRING, _MESSAGE, _BYTES, _UINT32 = 1, 2, 4, 8, 9, 11, 12, 13
_PAYLOAD = (("timestamp", 1, _UINT64), ("seq", 3, _UINT64), ("uuid", 4, _BYTES))
_METRIC = (
    ("name", 1, _BYTES),
    ("alias", 2, _UINT64),
    ("timestamp", 3, _UINT64),
    ("datatype", 4, _UINT32),
    ("is_historical", 5, _BOOL),
    ("is_null", 7, _BOOL),
)
_VALUES = (
    ("int_value", 10, _UINT32),
    ("long_value", 11, _UINT64),
    ("float_value", 12, _FLOAT),
    ("double_value", 13, _DOUBLE),
    ("boolean_value", 14, _BOOL),
    ("string_value", 15, _BYTES),
)


class Metric(NamedTuple):
    """One metric as it travels; a name or an alias, or both."""

    name: str
    alias: int | None
    #: ms since 1970
    at: int | None
    #: 0: not told, as in most data messages.
    datatype: int
    historical: bool
    null: bool
    #: A number, true or false, or a text; an empty object when it is of a kind that is no value (a data set, bytes).
    value: object


class Payload(NamedTuple):
    """One message."""

    at: int | None
    seq: int | None
    metrics: tuple[Metric, ...]


def check_installed() -> None:
    """See that the runtime is there.

    Raises:
        ConfigError: it is not.
    """
    try:
        _message_class()
    except ImportError as error:
        what = "a profile speaks Sparkplug B, for which protobuf is not installed"
        raise ConfigError([f"{what}; run pip install 'precomplaint[sparkplug]'"]) from error


@cache
def _message_class() -> Any:  # noqa: ANN401  made at run time
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # noqa: PLC0415  an extra

    file: Any = descriptor_pb2.FileDescriptorProto(
        name="precomplaint/sparkplug.proto", package="precomplaint.sparkplug"
    )
    payload, metric = file.message_type.add(name="Payload"), file.message_type.add(name="Metric")
    payload.field.add(
        name="metrics", number=2, label=_REPEATED, type=_MESSAGE, type_name=".precomplaint.sparkplug.Metric"
    )
    for message, fields in ((payload, _PAYLOAD), (metric, _METRIC)):
        for name, number, kind in fields:
            message.field.add(name=name, number=number, label=_OPTIONAL, type=kind)
    metric.oneof_decl.add(name="value")
    for name, number, kind in _VALUES:
        metric.field.add(name=name, number=number, label=_OPTIONAL, type=kind, oneof_index=0)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("precomplaint.sparkplug.Payload"))


def parse_payload(octets: bytes) -> Payload:
    """Read a payload.

    Raises:
        BadPayload: it is none, or is compressed.
    """
    from google.protobuf.message import DecodeError  # noqa: PLC0415  an extra

    message = _message_class()()
    try:
        message.ParseFromString(octets)
    except DecodeError as error:
        raise BadPayload(Reason.UNPARSABLE, f"no Sparkplug B payload: {error}") from error
    if message.uuid.decode("utf-8", "replace") == _COMPRESSED:
        raise BadPayload(Reason.UNPARSABLE, "the payload is compressed; switch compression off in the edge node")
    metrics = tuple(_metric(metric) for metric in message.metrics)
    at = message.timestamp if message.HasField("timestamp") else None
    return Payload(_moment(at), message.seq if message.HasField("seq") else None, metrics)


def _metric(metric: Any) -> Metric:  # noqa: ANN401  made at run time
    chosen = metric.WhichOneof("value")
    value: object = {} if chosen is None else getattr(metric, chosen)
    if type(value) is bytes:
        value = value.decode("utf-8", "replace")
    return Metric(
        metric.name.decode("utf-8", "replace"),
        metric.alias if metric.HasField("alias") else None,
        _moment(metric.timestamp if metric.HasField("timestamp") else None),
        metric.datatype,
        metric.is_historical,
        metric.is_null,
        value,
    )


def _moment(ms: int | None) -> int | None:
    """Nothing for what is no moment."""
    return ms if ms is not None and ms < _MOST_MS else None


def signed(value: object, datatype: int) -> object:
    """The value as its data type means it: whole numbers below zero travel as large ones."""
    bits = _SIGNED.get(datatype)
    if bits is None or type(value) is not int:
        return value
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value
