"""A configuration as an operator would write it: the shipped profile and rules, and rules of our own beside them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from daemon import settings

#: Conditions beside the shipped ones, by turns; every third asks for a closed door as well. What the load sends meets
#: the first one only: its hold runs all the time and never ends, the others wait to begin.
_HOLD = "30min"
_CONDITIONS = (
    {"point": "rope_ratio", "below": "99 %"},
    {"point": "motor_temp", "above": "90 °C"},
    {"point": "room_temp", "above": "45 °C"},
    {"point": "speed", "above": "3 m/s"},
)
#: The shipped rules in it; the starter pack has more, and figures of different days are to be compared.
_SHIPPED = frozenset(
    {
        "elv.rope.diameter",
        "elv.safety.chain",
        "elv.stop.outside",
        "elv.machine.temp",
        "elv.motor.temp",
        "sys.source.silent",
        "sys.sensor.stale",
    }
)


@dataclass(frozen=True, slots=True)
class Site:
    """What stands on the site, and where its peers listen."""

    broker: int
    influx: str
    ticketing: str
    lifts: int = 50
    #: Rules that look at each lift, the shipped ones among them.
    rules_each: int = 10
    #: Rules in all: what is missing is written for single lifts. 0: none.
    rules_in_all: int = 0
    #: The safety chain opens an order at once, without a hold.
    chain_at_once: bool = False
    id: str = field(default="bench", init=False)

    def write(self, directory: Path) -> Path:
        """Write gateway.yaml, assets.yaml and rules.yaml; returns the first."""
        shipped, rules = _shipped(), self._rules()
        gateway = {
            "version": 1,
            "state_dir": "state",
            "rules": [*shipped, *(["rules.yaml"] if rules else [])],
            "sources": {"site-mqtt": {"mqtt": {"host": "127.0.0.1", "port": self.broker}}},
            "influx": {"url": self.influx},
            "ticketing": {"url": self.ticketing},
        }
        _dump(directory / "gateway.yaml", gateway)
        _dump(directory / "assets.yaml", {"version": 1, "site": _site(self.id), "assets": self._assets()})
        for name, file in shipped.items():
            _dump(directory / name, file)
        if rules:
            _dump(directory / "rules.yaml", {"version": 1, "rules": rules})
        return directory / "gateway.yaml"

    def _assets(self) -> list[dict[str, Any]]:
        return [
            {
                "id": f"lift-{n}",
                "kind": "lift",
                "name": _words(f"{n}号梯", f"Lift {n}"),
                "building": f"b{(n - 1) // 4 + 1}",
                "households": 96,
                "devices": [{"profile": "lift-status-json", "source": "site-mqtt", "address": {"lift": f"L{n}"}}],
            }
            for n in range(1, self.lifts + 1)
        ]

    def _rules(self) -> list[dict[str, Any]]:
        rules = [_rule(n, {"kind": "lift"}) for n in range(self.rules_each - len(_SHIPPED))]
        missing = self.rules_in_all - len(_SHIPPED) - len(rules)
        rules += [_rule(len(rules) + n, {"assets": [f"lift-{n % self.lifts + 1}"]}) for n in range(max(0, missing))]
        if self.chain_at_once:
            at_once = {"level": "I", "when": {"point": "safety_chain", "equals": "open"}}
            rules.append({**_rule(0, {"kind": "lift"}), "id": "bench.chain_at_once", "levels": [at_once]})
        return rules


def _shipped() -> dict[str, dict[str, Any]]:
    """Of the shipped rule files what looks at every lift of a plain site, by name."""
    found = {}
    files = [file for file in (settings.shipped() / "rules").glob("*.yaml") if not file.name.endswith(".test.yaml")]
    for file in files:
        whole = yaml.safe_load(file.read_text(encoding="utf-8"))
        rules = [rule for rule in whole["rules"] if rule.get("id") in _SHIPPED]
        if rules:
            found[f"shipped-{file.name}"] = {**whole, "rules": rules}
    return found


def _rule(n: int, applies_to: dict[str, Any]) -> dict[str, Any]:
    when: dict[str, Any] = _CONDITIONS[n % len(_CONDITIONS)]
    if n % 3 == 2:
        when = {"all": [{"point": "door", "equals": "closed"}, when]}
    return {
        "id": f"bench.rule_{n}",
        "title": _words(f"测速规则{n}", f"Bench rule {n}"),
        "applies_to": applies_to,
        "levels": [{"level": "I", "when": when, "for": _HOLD}],
        "unless": {"point": "mode", "equals": "inspection"},
        "basis": "benchmark",
        "cause": _words("测速", "A benchmark"),
        "consequence": _words("无", "None"),
    }


def _site(name: str) -> dict[str, Any]:
    return {"id": name, "name": _words("测速", "Benchmark"), "timezone": "Asia/Shanghai"}


def _words(zh: str, en: str) -> dict[str, str]:
    return {"zh": zh, "en": en}


def _dump(file: Path, document: dict[str, Any]) -> None:
    file.write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False), encoding="utf-8")
