"""The hydraulics of one booster set: pump curves, losses and openings, solved for the pressure they agree on.

    tank ─> pumps (m running, speed n) ─> valve ─> [outlet sensor] ─> taps + holes
    city main ── bypass with a check valve ──────────┘

Pressures in MPa, flows in m³/h, areas in cm². Pump: p = n²·h0 − k·q² (affinity laws), the pumps stand in parallel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

#: MPa per metre of water (ρ·g).
HEAD = 0.0098
_DISCHARGE = 0.62  # sharp-edged hole
_VALVE_LOSS = 2.0e-5  # MPa per (m³/h)², times (1/position² − 1)


@dataclass(frozen=True, slots=True)
class Curve:
    """One pump at full speed."""

    #: Shut-off pressure, MPa.
    h0: float = 0.42
    #: MPa per (m³/h)².
    k: float = 4.7e-4


@dataclass(frozen=True, slots=True)
class Load:
    """What takes water from the outlet."""

    #: m³/h at the set-point pressure; taps give less at less pressure.
    demand: float
    setpoint: float
    #: cm² of burst or leak.
    hole: float = 0.0

    def flow(self, pressure: float) -> float:
        """What leaves at this outlet pressure; rises with it."""
        if pressure <= 0.0:
            return 0.0
        return self.demand * math.sqrt(pressure / self.setpoint) + hole_flow(self.hole, pressure)


@dataclass(frozen=True, slots=True)
class Supply:
    """What feeds the outlet."""

    curve: Curve
    running: int
    #: Share of full speed, 0..1.
    speed: float
    #: Share of the valve's full opening, 0..1.
    valve: float
    #: Pressure behind the bypass check valve, MPa; 0 when the bypass is shut.
    bypass: float = 0.0

    def flow(self, pressure: float) -> float:
        """What the pumps give at this outlet pressure; falls with it. The bypass is not counted."""
        spare = self.speed**2 * self.curve.h0 - pressure
        if self.running == 0 or spare <= 0.0:
            return 0.0
        return math.sqrt(spare / self.loss())

    def loss(self) -> float:
        """MPa per (m³/h)² of the whole flow, pumps and valve."""
        opening = max(self.valve, 0.01)
        return self.curve.k / self.running**2 + _VALVE_LOSS * (1 / opening**2 - 1)


def hole_flow(area: float, pressure: float) -> float:
    """m³/h through a hole of `area` cm² at `pressure` MPa (Torricelli)."""
    return _DISCHARGE * area * 1e-4 * math.sqrt(2000.0 * max(pressure, 0.0)) * 3600.0


def equilibrium(supply: Supply, load: Load) -> float:
    """The outlet pressure at which supply and load agree; falls as demand or holes grow."""
    low, high = 0.0, max(supply.speed**2 * supply.curve.h0, supply.bypass, 1e-6)
    for _ in range(20):
        middle = (low + high) / 2
        if supply.flow(middle) > load.flow(middle):
            low = middle
        else:
            high = middle
    return max(low, supply.bypass)


def speed_for(pressure: float, flow: float, curve: Curve, running: int) -> float:
    """The pump speed that holds `pressure` at `flow`, at most 1."""
    if running == 0:
        return 0.0
    return min(1.0, math.sqrt((pressure + curve.k * (flow / running) ** 2) / curve.h0))
