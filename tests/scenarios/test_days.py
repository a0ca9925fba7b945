from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from daemon import settings
from daemon.model import EPOCH, Input, Observation, Quality, Reading, Reason, Reload, Tick
from daemon.pipeline import Pipeline
from daemon.sensors.decoder import Decoder
from daemon.store import ledger
from daemon.store.db import connect
from simulators.events import Kind
from simulators.lift import Lift, LiftParams, LiftState
from simulators.mqtt_device import status_payload
from simulators.scenario import Device, Scenario, load_scenario
from simulators.water import PumpRoom, PumpRoomParams, WaterState

CONFIG = Path(__file__).parents[2] / "config"
START = EPOCH + timedelta(days=20454)
ASSETS = {"W1": "zone-high/pump-room-modbus", "R1": "b1-meter-room/leak-contact-json"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> settings.Configuration:
    """The demo's site, with what its rules derive and without the demo's short cuts."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(CONFIG / "demo", folder, dirs_exist_ok=True)
    gateway = folder / "gateway.yaml"
    text = gateway.read_text("utf-8")
    for mark, value in {"@mqtt_port@": "1883", "@modbus_port@": "1502"}.items():
        text = text.replace(mark, value)
    text = text.replace("@influx_url@", "http://127.0.0.1:8086").replace("@ticketing_url@", "http://127.0.0.1:8080")
    gateway.write_text(text, encoding="utf-8")
    assets = folder / "assets.yaml"
    text = assets.read_text("utf-8")
    first, last = text.index("    overrides:\n"), text.index("  - id: b1-meter-room")
    derived = (
        "    derived:\n"
        '      boost: {unit: MPa, value: "outlet_pressure - 0.0098 MPa/m * tank_m"}\n'
        '      hourly_flow: {unit: m³/h, value: "rise(volume, 1h) / 1 h"}\n'
    )
    assets.write_text(text[:first] + derived + text[last:], encoding="utf-8")
    return settings.load(folder)


def _lift(device: Device, scenario: Scenario, decoder: Decoder) -> Iterator[Observation]:
    """Its messages: at once (to the second) on a change, each second while moving, each ten while it stands."""
    assert isinstance(device.params, LiftParams)
    lift = Lift(scenario.seed_of(device.id), device.params, scenario.starts_at)
    told, told_at, stops = None, -60, 0
    for n in range(int(scenario.duration)):
        faults = scenario.active(device.id, n)
        lift.apply(faults)
        state: LiftState = lift.advance(1.0)
        key = (state.mode, state.floor, state.direction, state.door, state.in_zone, state.safety_chain, state.faults)
        if "sensor_silent" in faults or (key == told and n - told_at < (1 if state.speed else 10)):
            continue
        told, told_at = key, n
        at = START + timedelta(seconds=n)
        stopped, stops = state.stops > stops, state.stops
        payload = status_payload(state, round((at - EPOCH).total_seconds() * 1000), stopped=stopped)
        yield from decoder.decode(f"lifts/{device.id}/status", payload, at, retained=False)


def _pump_room(device: Device, scenario: Scenario, _decoder: Decoder) -> Iterator[Observation]:
    """What is read of its registers, each second."""
    assert isinstance(device.params, PumpRoomParams)
    room = PumpRoom(scenario.seed_of(device.id), device.params, scenario.starts_at, step=0.5)
    for n in range(int(scenario.duration)):
        room.apply(scenario.active(device.id, n))
        yield _observation(ASSETS[device.id], START + timedelta(seconds=n), _registers(room.advance(1.0)))


def _registers(state: WaterState) -> dict[str, float | str]:
    said: dict[str, float | str] = {
        "outlet_pressure": state.outlet,
        "inlet_pressure": state.inlet,
        "top_pressure": state.top,
        "tank_m": state.tank_level,
        "tank_level": state.tank_percent,
        "flow": state.flow,
        "volume": state.delivered,
        "leak": "wet" if state.leak else "dry",
        "mains": "present" if state.mains else "lost",
        "valve": state.valve_percent,
    }
    for pump in (0, 1):
        said[f"pump{pump + 1}_running"] = "running" if state.running[pump] else "stopped"
        said[f"pump{pump + 1}_starts"] = float(state.starts[pump])
        said[f"pump{pump + 1}_fault"] = "yes" if state.pump_fault[pump] else "no"
        said[f"motor{pump + 1}_temp"] = state.motor_temp[pump]
    return said


def _leak(device: Device, scenario: Scenario, _decoder: Decoder) -> Iterator[Observation]:
    for n in range(0, int(scenario.duration), 10):
        word = "wet" if "leak" in scenario.active(device.id, n) else "dry"
        yield _observation(ASSETS[device.id], START + timedelta(seconds=n), {"leak": word, "battery": 98.0})


def _observation(device: str, at: datetime, said: Mapping[str, float | str]) -> Observation:
    asset = device.partition("/")[0]
    readings = (Reading(f"{asset}.{name}", at, value, at, Quality.GOOD, Reason.NONE) for name, value in said.items())
    return Observation(at, device, tuple(readings))


_PLAYS = {Kind.LIFT: _lift, Kind.PUMP_ROOM: _pump_room, Kind.LEAK: _leak}


def _orders(site: settings.Configuration, scenario: Scenario) -> set[tuple[str, str]]:
    decoder = Decoder(site.bindings["site-mqtt"], source="site-mqtt", zone=ZoneInfo("Asia/Shanghai"))
    inputs: list[Input] = [Tick(START + timedelta(seconds=n)) for n in range(0, int(scenario.duration), 5)]
    for device in scenario.devices:
        inputs.extend(_PLAYS[device.kind](device, scenario, decoder))
    inputs.sort(key=lambda item: item.at)
    with connect(":memory:") as db:
        pipeline = Pipeline(db, transient=True)
        pipeline.journal.add_ruleset(site.ruleset.hash, site.ruleset.to_json(), START)
        pipeline.process([Reload(START, site.ruleset.hash)])
        for n in range(0, len(inputs), 5000):
            pipeline.process(inputs[n : n + 5000])
        alarms = {alarm.no: alarm for alarm in ledger.recent_alarms(db, 10_000)}
        return {
            (alarms[order.alarm_no].asset, alarms[order.alarm_no].rule)
            for order in ledger.orders(db, 10_000)
            if order.alarm_no in alarms
        }


@pytest.mark.parametrize("name", ["bad-day", pytest.param("quiet", marks=pytest.mark.slow)])
def test_a_day_opens_the_orders_it_must_and_no_other(site: settings.Configuration, name: str) -> None:
    """All starter rules on the demo's site: a bad day has an order for each of its faults, a quiet one has none."""
    scenario = load_scenario(CONFIG / f"scenarios/{name}.yaml")

    found = _orders(site, scenario)

    assert found == {(expected.asset, expected.rule) for expected in scenario.expected}
