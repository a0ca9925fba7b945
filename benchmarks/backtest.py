"""How fast `precomplaint rules backtest` goes through a history: the whole command, from the file to the figures."""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from benchmarks.site import Site

#: Points of a lift that the history has; all of them are looked at by rules or not, as on a real site.
_POINTS = ("floor", "speed", "door", "mode", "safety_chain", "room_temp", "motor_temp", "vibration_pp", "rope_ratio")
#: Ten rules for each lift: limits with holds and clearings, a ladder, windows of 5 and 10 min, a fall, states, all of
#: two, exceptions. What the history says meets some of them now and then.
CONDITIONS: tuple[dict[str, Any], ...] = (
    {"when": {"point": "room_temp", "above": "27.9 °C"}, "for": "20s", "clear": {"for": "30s"}},
    {"when": {"point": "motor_temp", "above": "90 °C"}, "for": "1min"},
    {"when": {"point": "rope_ratio", "below": "99 %"}, "for": "30min"},
    {"when": {"point": "vibration_pp", "above": "0.19 m/s²"}, "for": "20s"},
    {"when": {"point": "motor_temp", "take": "mean", "over": "5min", "above": "60 °C"}, "for": "1min"},
    {"when": {"point": "vibration_pp", "take": "max", "over": "10min", "above": "0.25 m/s²"}},
    {"when": {"point": "room_temp", "falls": "6 K", "within": "30s"}},
    {"when": {"point": "safety_chain", "equals": "open"}, "for": "10s"},
    {"when": {"all": [{"point": "door", "equals": "open"}, {"point": "speed", "above": "0.3 m/s"}]}, "for": "2s"},
    {"when": {"point": "door", "equals": "open"}, "for": "1min", "clear": {"for": "10s"}},
)
_START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Played:
    """One history through the whole command."""

    readings: int
    rules_each: int
    #: CPU of the process, start and the reading of configuration included; it has one thread.
    cpu_s: float
    #: The same of a history with next to nothing in it.
    start_s: float
    peak_mb: float
    alarms: int

    @property
    def readings_per_second(self) -> float:
        """On one core, once it has started."""
        return self.readings / max(self.cpu_s - self.start_s, 1e-9)


def backtest(seconds: int, lifts: int = 20) -> Played:
    """Write a history of so many seconds at 1 Hz, a column a point, and play it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        Site(1883, "http://127.0.0.1:8086", "http://127.0.0.1:8080", lifts, rules_each=0).write(folder)
        (folder / "ten.yaml").write_text(yaml.safe_dump(_ten(), allow_unicode=True), encoding="utf-8")
        short, whole = folder / "short.csv", folder / "whole.csv"
        _write(short, 2, lifts)
        _write(whole, seconds, lifts)
        start_s, _, _ = _play(folder, short)
        cpu_s, peak_mb, found = _play(folder, whole)
        readings = seconds * lifts * len(_POINTS)
        if found["bound"] != lifts * len(CONDITIONS):
            raise RuntimeError(f"{found['bound']} pairs of a rule and a lift, not {lifts * len(CONDITIONS)}")
        if found["history"]["readings"] != readings or found["history"]["rejected"]:
            raise RuntimeError(f"{readings} readings were written, {found['history']['readings']} came in")
        return Played(readings, len(CONDITIONS), cpu_s, start_s, peak_mb, len(found["alarms"]))


def _play(folder: Path, history: Path) -> tuple[float, float, dict[str, Any]]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "daemon", "rules", "backtest", "-c", str(folder), "-o", "json"]
    command += ["--rules", str(folder / "ten.yaml"), "--history", str(history)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, after.ru_maxrss / 1000, json.loads(done.stdout)


def _ten() -> dict[str, Any]:
    words = {"zh": "测速", "en": "Benchmark"}
    rules = [
        {
            "id": f"bench.rule_{n}",
            "title": words,
            "applies_to": {"kind": "lift"},
            "levels": [{"level": "I", **level}],
            "unless": {"point": "mode", "equals": "inspection"},
            "basis": "benchmark",
            "cause": words,
            "consequence": words,
        }
        for n, level in enumerate(CONDITIONS)
    ]
    return {"version": 1, "rules": rules}


def _write(path: Path, seconds: int, lifts: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        names = [f"lift-{n}.{point}" for n in range(1, lifts + 1) for point in _POINTS]
        file.write(",".join(["time", *names]) + "\n")
        rows = _rows(lifts)
        for n in range(seconds):
            at = _START + timedelta(seconds=n)
            file.write(f"{at:%Y-%m-%d %H:%M:%S},{next(rows)}\n")


def _rows(lifts: int) -> Iterator[str]:
    """A lift that goes up and down; temperatures, vibration and rope change with every reading."""
    chance = random.Random(1)
    n = 0
    while True:
        n += 1
        yield ",".join(
            f"{(n + lift) % 33 + 1},{0.0 if n % 3 else 2.5},"
            f"{'open' if (n + lift) % 40 < 8 else 'closed'},normal,closed,"
            f"{24 + chance.random() * 4:.1f},{45 + chance.random() * 20:.1f},{0.1 + chance.random() * 0.1:.3f},"
            f"{97.9 + chance.random() * 0.4:.2f}"
            for lift in range(lifts)
        )
