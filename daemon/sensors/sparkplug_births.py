"""What the births of a Sparkplug edge node said: names and types, by alias."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson

from daemon.sensors.sparkplug_wire import Metric


@dataclass(slots=True)
class Births:
    """What the births of a node and its devices said; "" is the node itself."""

    #: Number of the node's session, by which a death tells whose it is.
    session: int | None = None
    #: By device, alias to name and data type; and name to data type for those without an alias.
    aliases: dict[str, dict[int, tuple[str, int]]] = field(default_factory=dict)
    types: dict[str, dict[str, int]] = field(default_factory=dict)

    def take(self, device: str, metrics: Sequence[Metric]) -> None:
        """A birth, in place of the one before."""
        self.types[device] = {metric.name: metric.datatype for metric in metrics}
        self.aliases[device] = {m.alias: (m.name, m.datatype) for m in metrics if m.alias is not None}

    def forget(self, device: str) -> None:
        """A death."""
        self.types.pop(device, None)
        self.aliases.pop(device, None)

    def text(self) -> str:
        """As it is remembered."""
        aliases = {device: list(map(list, found.items())) for device, found in self.aliases.items()}
        return orjson.dumps([self.session, aliases, self.types]).decode()

    @classmethod
    def read(cls, text: str) -> Births:
        """What `text` wrote; nothing when it is something else."""
        try:
            session, aliases, types = orjson.loads(text)
            known = {
                device: {int(alias): (str(name), int(datatype)) for alias, (name, datatype) in found}
                for device, found in aliases.items()
            }
            return cls(session, known, types)
        except (ValueError, TypeError, AttributeError):
            return cls()
