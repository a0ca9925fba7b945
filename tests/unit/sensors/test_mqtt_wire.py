from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.sensors.mqtt_wire import Malformed, Packets, Publish, acknowledgements
from tests.mqtt_peers import publish


def everything(packets: Packets, chunks: list[bytes]) -> list[Publish | bytes]:
    found = []
    for chunk in chunks:
        packets.feed(chunk)
        while (packet := packets.take()) is not None:
            found.append(packet)
    return found


TOPICS = st.text(max_size=40).filter(lambda text: "\0" not in text)
MESSAGES = st.tuples(TOPICS, st.binary(max_size=400), st.integers(0, 65535), st.binary(max_size=200))


@given(messages=st.lists(MESSAGES, max_size=5), cuts=st.lists(st.integers(1, 300), max_size=30), v5=st.booleans())
def test_packets_come_out_however_the_bytes_are_cut(
    messages: list[tuple[str, bytes, int, bytes]],
    cuts: list[int],
    v5: bool,  # noqa: FBT001
) -> None:
    """Messages and other packets leave the stream whole and in order, wherever TCP cut it."""
    ping = b"\xd0\x00"
    stream = b"".join(
        publish(topic, payload, mid=mid, v5=v5, properties=properties) + ping
        for topic, payload, mid, properties in messages
    )
    chunks = []
    for cut in cuts:
        chunks.append(stream[:cut])
        stream = stream[cut:]
    chunks.append(stream)

    found = everything(Packets(v5=v5, largest_payload=1000), chunks)

    expected: list[Publish | bytes] = []
    for topic, payload, mid, _ in messages:
        expected += [Publish(topic, payload, 1 if mid else 0, mid, dup=False, retain=False, size=len(payload)), ping]
    assert found == expected


@pytest.mark.parametrize("chunk", [1000, 65536, 1_000_000])
def test_what_is_too_large_is_never_held(chunk: int) -> None:
    """Of a payload above the limit only the beginning is kept, with its true size; the next packet is whole again."""
    packets = Packets(v5=True, largest_payload=1000)
    stream = publish("t", b"x" * 300_000, mid=7) + publish("t", b"y" * 5000, mid=8) + publish("t", b"z", mid=9)

    found = everything(packets, [stream[n : n + chunk] for n in range(0, len(stream), chunk)])

    assert [(p.mid, p.size, len(p.payload)) for p in found if isinstance(p, Publish)] == [
        (7, 300_000, 4096),
        (8, 5000, 4096),
        (9, 1, 1),
    ]


@pytest.mark.parametrize(
    "stream",
    [
        b"\x30\x01a",
        b"\x30\x03\x00\x09a",
        b"\x32\x04\x00\x01ax",
        b"\x30\x05\x00\x01a\x7fx",
        b"\x30\x80\x80\x80\x80\x01",
        b"\x34\x06\x00\x01a\x00\x01\x00",
    ],
)
def test_nonsense_is_refused(stream: bytes) -> None:
    """Lengths that do not fit into each other, and a quality of service nobody asked for, end the connection."""
    packets = Packets(v5=True, largest_payload=1000)
    packets.feed(stream)

    with pytest.raises(Malformed):
        packets.take()


@given(st.binary(max_size=300))
def test_any_bytes_are_cut_or_refused(stream: bytes) -> None:
    """Garbage ends in packets, in waiting for more, or in Malformed; in nothing else."""
    packets = Packets(v5=True, largest_payload=100)
    packets.feed(stream)
    try:
        while packets.take() is not None:
            pass
    except Malformed:
        pass


def test_acknowledgements_are_one_piece() -> None:
    """One PUBACK a packet identifier, in their order."""
    assert acknowledgements([1, 65535]) == b"\x40\x02\x00\x01\x40\x02\xff\xff"
