"""The sub-commands `lift`, `leak`, `water`, `device`, which play a scenario, and `load`, numbered messages in bulk."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from simulators import modbus_device, mqtt_device
from simulators.device_model import load_model
from simulators.events import Kind
from simulators.lifetime import announce, told_to_stop
from simulators.load import ChainOpen, Load, Plan, Shape
from simulators.modbus_device import Way
from simulators.profile_box import address_of
from simulators.scenario import Device, ProfileParams, Scenario, load_scenario, single
from simulators.strict_yaml import DocumentError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from simulators.stage import Stage


def _add_lift(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _mqtt_command(commands, "lift", "lifts on an MQTT broker")
    parser.add_argument("--lifts", help="ids of the lifts to play, with commas; default: all of the scenario")
    parser.add_argument("--leaks", action="store_true", help="play the scenario's leak contacts too")
    parser.set_defaults(run=_lift)


def _add_leak(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _mqtt_command(commands, "leak", "water leak contacts on an MQTT broker")
    parser.add_argument("--rooms", help="ids of the contacts to play, with commas; default: all of the scenario")
    parser.set_defaults(run=_leak)


def _add_water(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("water", help="pump rooms on Modbus TCP", description="pump rooms on Modbus TCP")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--scenario", type=Path, required=True, help="YAML file (config/scenarios)")
    parser.add_argument("--rooms", help="ids of the pump rooms to play, with commas; default: all of the scenario")
    parser.add_argument(
        "--unknown-unit",
        choices=("exception", "silence"),
        default="exception",
        help="what another unit id gets: exception 11, or nothing",
    )
    parser.set_defaults(run=_water)


def _add_device(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    about = "a device of any profile, on an MQTT broker or as a Modbus unit; faults by script or on stdin"
    parser = commands.add_parser("device", help=about, description=about)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--profile", help="name of a shipped profile, or path of a file")
    what.add_argument("--scenario", type=Path, help="YAML file with modbus_device or mqtt_device devices, and a script")
    parser.add_argument("--id", default="D1", help="what the one device of --profile calls itself")
    parser.add_argument("--unit", type=int, default=1, help="its Modbus unit id")
    parser.add_argument(
        "--address", type=_part, action="append", default=[], metavar="PART=WORD", help="a named part of its topics"
    )
    parser.add_argument("--broker", type=_address, metavar="HOST:PORT", help="of devices that speak MQTT")
    parser.add_argument("--period", type=float, help="seconds between two messages, instead of 10")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 of Modbus units; 0 takes a free one")
    parser.add_argument("--way", type=Way, choices=list(Way), default=Way.TCP, help="how Modbus units are reached")
    parser.add_argument("--serial", type=Path, help="serial port of --way serial; default: a new pseudo-terminal")
    parser.add_argument("--baud", type=int, default=9600, help="of --serial")
    parser.set_defaults(run=_device)


def _add_load(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    about = "numbered QoS 1 messages in bulk; prints what was sent and acknowledged at the end"
    parser = commands.add_parser("load", help=about, description=about)
    parser.add_argument("--broker", type=_address, required=True, metavar="HOST:PORT")
    parser.add_argument("--lifts", type=int, default=10, help="how many lifts send in turn (L1, L2, …)")
    parser.add_argument("--rate", type=float, default=0.0, help="messages a second; 0: flat out")
    parser.add_argument("--count", type=int, default=0, help="stop after so many; 0: until told to stop")
    parser.add_argument("--first", type=int, default=1, help="number of the first message")
    parser.add_argument("--shape", type=Shape, choices=list(Shape), default=Shape.STATUS)
    parser.add_argument("--window", type=int, default=500, help="messages on the way at a time")
    parser.add_argument("--client-id", default="", help="keep one session under this id; default: a clean one")
    parser.add_argument(
        "--chain-open",
        type=_chain_open,
        action="append",
        default=[],
        metavar="LIFT:FIRST:LAST",
        help="open this lift's safety chain in messages FIRST ≤ n < LAST; may be given again",
    )
    parser.add_argument("--drain", type=float, default=30.0, help="seconds to wait for the last acknowledgements")
    parser.add_argument("--journal", type=Path, help="append a line `n ts lift shape` for each acknowledged message")
    parser.set_defaults(run=_load)


def _mqtt_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, about: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=about, description=about)
    parser.add_argument("--broker", type=_address, required=True, metavar="HOST:PORT")
    parser.add_argument("--scenario", type=Path, required=True, help="YAML file (config/scenarios)")
    parser.add_argument("--period", type=float, help="seconds between heartbeats of an idle device")
    return parser


async def _lift(chosen: argparse.Namespace) -> None:
    scenario = load_scenario(chosen.scenario)
    devices = _chosen(scenario, Kind.LIFT, chosen.lifts)
    if chosen.leaks:
        devices = (*devices, *scenario.of_kind(Kind.LEAK))
    await _play_mqtt(chosen, scenario, devices)


async def _leak(chosen: argparse.Namespace) -> None:
    scenario = load_scenario(chosen.scenario)
    await _play_mqtt(chosen, scenario, _chosen(scenario, Kind.LEAK, chosen.rooms))


async def _play_mqtt(chosen: argparse.Namespace, scenario: Scenario, devices: Sequence[Device]) -> None:
    async with (
        mqtt_device.playing(chosen.broker, scenario, devices, chosen.period) as run,
        told_to_stop(_teller(run.stage)) as over,
    ):
        announce(devices=[device.id for device in devices])
        await over.wait()
    tally = run.tally
    print(json.dumps({"made": tally.made, "acknowledged": tally.acknowledged, "lost": tally.lost}), flush=True)


async def _water(chosen: argparse.Namespace) -> None:
    scenario = load_scenario(chosen.scenario)
    devices = _chosen(scenario, Kind.PUMP_ROOM, chosen.rooms)
    silent = chosen.unknown_unit == "silence"
    async with (
        modbus_device.playing(scenario, devices, chosen.port, unknown_unit_silent=silent) as run,
        told_to_stop(_teller(run.stage)) as over,
    ):
        units = {device.id: device.unit for device in devices}
        announce(port=run.server.port, devices=[device.id for device in devices], units=units)
        await over.wait()


async def _device(chosen: argparse.Namespace) -> None:
    if chosen.scenario is not None:
        scenario = load_scenario(chosen.scenario)
    else:
        kind = Kind.MODBUS_DEVICE if load_model(chosen.profile).modbus is not None else Kind.MQTT_DEVICE
        device = Device(chosen.id, kind, ProfileParams(chosen.profile), chosen.unit, dict(chosen.address))
        scenario = single(device)
    units, boxes = scenario.of_kind(Kind.MODBUS_DEVICE), scenario.of_kind(Kind.MQTT_DEVICE)
    if not units and not boxes:
        raise ValueError("the scenario has no modbus_device and no mqtt_device")
    if boxes and chosen.broker is None:
        raise ValueError(f"{boxes[0].id} speaks MQTT; give --broker HOST:PORT")
    facts: dict[str, object] = {}
    stages: list[Stage] = []

    async def tell(line: bytes) -> None:
        for stage in stages:
            await _teller(stage)(line)

    async with contextlib.AsyncExitStack() as stack:
        if units:
            modbus = modbus_device.playing(
                scenario, units, chosen.port, way=chosen.way, serial=chosen.serial, baud=chosen.baud
            )
            run = await stack.enter_async_context(modbus)
            stages.append(run.stage)
            facts |= {"port": run.port, "units": {device.id: device.unit for device in units}}
        if boxes:
            published = mqtt_device.playing(chosen.broker, scenario, boxes, chosen.period)
            stages.append((await stack.enter_async_context(published)).stage)
            facts["addresses"] = {box.id: address_of(box) for box in boxes}
        over = await stack.enter_async_context(told_to_stop(tell))
        announce(**facts)
        await over.wait()


async def _load(chosen: argparse.Namespace) -> None:
    plan = Plan(
        broker=chosen.broker,
        lifts=chosen.lifts,
        rate=chosen.rate,
        count=chosen.count,
        first=chosen.first,
        shape=chosen.shape,
        window=chosen.window,
        client_id=chosen.client_id,
        chains=tuple(chosen.chain_open),
        drain=chosen.drain,
    )
    load = Load(plan, chosen.journal)
    async with told_to_stop() as over:
        announce(broker=list(plan.broker))
        running = asyncio.create_task(asyncio.to_thread(load.run), name="load")
        stopped = asyncio.create_task(over.wait(), name="stopped")
        await asyncio.wait((running, stopped), return_when=asyncio.FIRST_COMPLETED)
        load.stop()
        stopped.cancel()
        result = await running
    print(json.dumps(asdict(result)), flush=True)


def _chosen(scenario: Scenario, kind: Kind, names: str | None) -> tuple[Device, ...]:
    """The devices of a kind, or those that were named.

    Raises:
        ValueError: The scenario has none of them, or not all that were named.
    """
    there = {device.id: device for device in scenario.of_kind(kind)}
    wanted = names.split(",") if names else list(there)
    missing = [name for name in wanted if name not in there]
    if missing or not wanted:
        raise ValueError(
            f"the scenario has no {kind} {', '.join(missing)}; it has {', '.join(there) or 'none'}".replace("  ", " ")
        )
    return tuple(there[name] for name in wanted)


def _teller(stage: Stage) -> Callable[[bytes], Awaitable[None]]:
    """Lines on stdin are steps that happen at once; a wrong one is said and nothing happens."""

    async def tell(line: bytes) -> None:
        try:
            stage.tell(line.decode("utf-8", errors="replace"))
        except DocumentError as error:
            print(error, file=sys.stderr, flush=True)

    return tell


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdecimal():
        raise argparse.ArgumentTypeError(f"HOST:PORT is needed, such as 127.0.0.1:1883, not {text!r}")
    return host or "127.0.0.1", int(port)


def _part(text: str) -> tuple[str, str]:
    name, equals, word = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"PART=WORD is needed, such as lift=L1, not {text!r}")
    return name, word


def _chain_open(text: str) -> ChainOpen:
    try:
        return ChainOpen.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"LIFT:FIRST:LAST is needed, such as L1:100:200, not {text!r}") from error


#: For the parser in cli.py.
DEVICES = (_add_lift, _add_leak, _add_water, _add_device, _add_load)
