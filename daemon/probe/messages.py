"""One MQTT message by one profile, for a device that nobody has declared: its address is taken from the message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import orjson

from daemon.model import BadPayload, ConfigError
from daemon.probe.telling import Told, bind
from daemon.sensors.decoder import Decoder
from daemon.sensors.messages import MqttPart
from daemon.sensors.profile import Binding, Profile
from daemon.sensors.shapes import compile_records
from daemon.sensors.topics import compile_topic

_MOST_DEVICES = 20
_MOST_DECODERS = 500


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it came."""

    topic: str
    payload: bytes
    received_at: datetime
    retained: bool = False
    #: How long the payload was on the wire, when it was cut for being too long.
    cut_from: int = 0


class Reader:
    """Reads messages by one profile, and remembers what decoding needs of each device: births, its latest values."""

    def __init__(self, profile: Profile, zone: ZoneInfo, given: Mapping[str, str] | None = None) -> None:
        """Begin with nothing heard.

        Args:
            profile: one for MQTT.
            zone: the site's.
            given: parts of the address that neither topic nor payload tells.
        """
        self._profile = profile
        self._zone = zone
        self._given = dict(given or {})
        self._decoders: dict[tuple[object, ...], tuple[list[Binding], Decoder]] = {}

    def read(self, message: Message) -> Told:
        """What the profile makes of the message.

        Raises:
            ConfigError: the topic fits none of the profile's, or a part of the address is not known.
        """
        addresses = find_addresses(self._profile, message, self._given)
        key = tuple(tuple(sorted(address.items())) for address in addresses)
        known = self._decoders.get(key)
        if known is None:
            if len(self._decoders) >= _MOST_DECODERS:
                self._decoders.clear()
            bindings = [bind(self._profile, parts, n) for n, parts in enumerate(addresses)]
            known = self._decoders[key] = bindings, Decoder(bindings, source="decode", zone=self._zone)
        bindings, by = known
        seen = by.decode(message.topic, message.payload, message.received_at, retained=message.retained)
        return Told(self._profile, bindings, seen, by.filters)


def decode_message(profile: Profile, message: Message, given: Mapping[str, str], zone: ZoneInfo) -> Told:
    """What the profile makes of one message alone; see `Reader`.

    Raises:
        ConfigError: the topic fits none of the profile's, or a part of the address is not known.
    """
    return Reader(profile, zone, given).read(message)


def find_addresses(profile: Profile, message: Message, given: Mapping[str, str]) -> list[dict[str, str]]:
    """The addresses of the devices whose message it is, as far as topic and payload tell.

    Raises:
        ConfigError: the topic fits none of the profile's, or a part of the address is not known.
    """
    part = profile.mqtt
    if part is None:
        raise ConfigError([f"the profile {profile.profile!r} reads registers, not messages"])
    odd = sorted(set(given) - set(profile.address_parts))
    if odd:
        known = ", ".join(profile.address_parts) or "none"
        raise ConfigError([f"the profile has no address part {odd[0]!r}; known: {known}"])
    told = dict(given)
    for pattern in part.patterns:
        if (match := compile_topic(pattern, given).fullmatch(message.topic)) is not None:
            told = {**match.groupdict(), **given}
            break
    else:
        patterns = ", ".join(part.patterns)
        raise ConfigError([f"the topic {message.topic!r} fits none of the profile's: {patterns}"])
    inside = [{**told, **found} for found in _told_inside(part, message.payload)]
    addresses = inside or [told]
    missing = [name for name in profile.address_parts if name not in addresses[0]]
    if missing and part.records is not None and not set(missing) - set(part.records.parts):
        return [dict.fromkeys(missing, "?") | told]  # nothing in it to be found: decoding says why
    if missing:
        raise ConfigError([f"neither topic nor payload tells {name}; add --address {name}=…" for name in missing])
    return addresses


def _told_inside(part: MqttPart, payload: bytes) -> list[dict[str, str]]:
    """What the records of a message say of their devices."""
    if part.records is None or not part.records.parts:
        return []
    found: dict[tuple[str, ...], None] = {}
    try:
        for address, _ in compile_records(part.records)(orjson.loads(payload)):
            found[address] = None
    except (orjson.JSONDecodeError, BadPayload):
        pass  # decoding will say so
    return [dict(zip(part.records.parts, address, strict=True)) for address in list(found)[:_MOST_DEVICES]]
