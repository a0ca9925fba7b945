"""CPU per MQTT message of our source (decoding included, emit empty) over a bare aiomqtt receive loop.

Mosquitto and the publisher run on one core, the subject alone on another; both subjects run under uvloop, QoS 1,
persistent session, the same messages (9 fields, some 250 bytes). CPU is what the subject's process used, user and
system, between its first and its last message. `python -m benchmarks.mqtt_receive --help`
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import aiomqtt
import uvloop
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from daemon.clock import SiteClock
from daemon.documents import build, parse
from daemon.model import Device, Input, Site, Taken, Text
from daemon.sensors.mqtt import MqttConfig, MqttSource
from daemon.sensors.profile import Binding, Profile, make_points

_PROFILE = """
version: 1
profile: load
title: {zh: 负载, en: Load}
alive_within: 30s
mqtt: {topics: ["load/{id}"], timestamp: {path: ts, format: unix_ms}}
points:
  mode: {kind: state, json: {path: data.mode}}
  door: {kind: state, json: {path: data.door, labels: [closed, open]}}
  safety_chain: {kind: state, urgent: true, json: {path: data.safety_chain, labels: [closed, open]}}
  stop_outside: {kind: state, urgent: true, json: {path: data.fault, contains: 4}}
  floor: {range: [-20, 200], json: {path: data.floor}}
  speed: {range: [0, 20], json: {path: data.speed}}
  room_temp: {range: [-30, 80], json: {path: machine.room_temp}}
  motor_temp: {range: [-30, 250], json: {path: machine.motor_temp}}
  rope_ratio: {range: [50, 110], json: {path: rope.dia_ratio}}
"""
_PAYLOAD = (
    b'{"ts":%d,"data":{"mode":"normal","floor":7,"direction":1,"speed":1.50,"door":"closed","in_zone":true,'
    b'"safety_chain":"closed","fault":[]},"machine":{"room_temp":31.2,"motor_temp":52.0},'
    b'"trip":{"level_mm":3.1,"vibration_pp":0.18},"rope":{"dia_ratio":98.2}}'
)


def cpu() -> float:
    """Seconds of CPU that this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Meter:
    """Counts messages, and the CPU between the first and the last."""

    def __init__(self, messages: int) -> None:
        self.left = messages
        self.messages = 0
        self.started = 0.0
        self.cpu = 0.0

    def count(self, n: int) -> bool:
        """Count; True when all are here."""
        if self.messages == 0:
            self.cpu, self.started = cpu(), time.perf_counter()
            self.messages = self.left - n  # the first ones were paid for before
        self.left -= n
        return self.left <= 0

    def result(self) -> dict[str, float]:
        """Microseconds of CPU a message, messages a second, megabytes of memory."""
        elapsed = time.perf_counter() - self.started
        return {
            "cpu_us": (cpu() - self.cpu) / self.messages * 1e6,
            "rate": self.messages / elapsed,
            "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }


async def bare(port: int, meter: Meter) -> None:
    """Receive with aiomqtt as its documentation shows it."""
    client = aiomqtt.Client("127.0.0.1", port, identifier="subject", protocol=aiomqtt.ProtocolVersion.V5)
    async with client:
        await client.subscribe("load/+", qos=1)
        ready()
        async for _ in client.messages:
            if meter.count(1):
                return


async def ours(port: int, meter: Meter) -> None:
    """Receive with our source, decoding included, into an emit that does nothing."""
    await _ours(port, meter, 0.0)


async def gathered(port: int, meter: Meter) -> None:
    """Receive with our source into an emit that takes 20 ms, as a commit does."""
    await _ours(port, meter, 0.02)


async def _ours(port: int, meter: Meter, commit: float) -> None:
    profile = build(Profile, parse(_PROFILE, "load.yaml"))
    bindings = []
    for name in ("a", "b", "c", "d"):
        device = Device(name, name, "m", timedelta(seconds=30))
        bindings.append(Binding(device, profile, {"id": name}, make_points(profile, device)))
    done = asyncio.Event()

    async def emit(inputs: Sequence[Input], *, urgent: bool = False, taken: Taken | None = None) -> None:
        del urgent, taken
        if commit:
            await asyncio.sleep(commit)
        if meter.count(len(inputs)):
            done.set()

    site = Site("bench", Text("测", "Bench"))
    source = MqttSource(MqttConfig(host="127.0.0.1", port=port), bindings, SiteClock(), site=site, name="m")
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(source.run(emit))
        while not source.online:  # noqa: ASYNC110  nobody tells
            await asyncio.sleep(0.01)
        ready()
        await done.wait()
        task.cancel()


SUBJECTS: dict[str, Callable[[int, Meter], Coroutine[None, None, None]]] = {
    "bare": bare,
    "ours": ours,
    "gathered": gathered,
}


def ready() -> None:
    """Tell the parent that messages may come."""
    print("ready", flush=True)


def subject(name: str, port: int, messages: int) -> None:
    """Be the subject: receive, and print what it cost."""
    meter = Meter(messages)
    uvloop.run(SUBJECTS[name](port, meter))
    print(json.dumps(meter.result()), flush=True)


def publish(port: int, messages: int, rate: float) -> None:
    """Be the publisher: QoS 1, flat out or evenly spaced."""
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    client.max_inflight_messages_set(500)
    client.connect("127.0.0.1", port)
    client.loop_start()
    started = time.perf_counter()
    told: paho.MQTTMessageInfo | None = None
    for n in range(messages):
        if rate and (wait := started + n / rate - time.perf_counter()) > 0:
            time.sleep(wait)
        told = client.publish(f"load/{'abcd'[n % 4]}", _PAYLOAD % int(time.time() * 1000), qos=1)
        if n % 1000 == 999 and not rate:
            told.wait_for_publish(60)
    if told is not None:
        told.wait_for_publish(60)
    client.disconnect()
    client.loop_stop()


@contextlib.contextmanager
def mosquitto() -> Iterator[int]:
    """A broker that drops nothing."""
    program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        sys.exit("mosquitto is missing: apt-get install mosquitto")
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = int(sock.getsockname()[1])
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "mosquitto.conf"
        config.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 0\n"
        )
        process = subprocess.Popen(
            [program, "-c", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=lambda: pin(0),  # noqa: PLW1509  nothing else runs in this process
        )
        try:
            for _ in range(500):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.01)
            yield port
        finally:
            process.terminate()
            process.wait()


def pin(core: int) -> None:
    """Run on one core only, where there are two."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[core % len(cores)]})


def measure(name: str, messages: int, rate: float) -> dict[str, float]:
    """One run of one subject against a new broker."""
    me = [sys.executable, "-m", "benchmarks.mqtt_receive"]
    with mosquitto() as port:
        subject_process = subprocess.Popen(
            [*me, "--be", name, "--port", str(port), "--messages", str(messages)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert subject_process.stdout is not None  # noqa: S101  asked for
        subject_process.stdout.readline()
        publisher = subprocess.Popen(
            [*me, "--be", "publisher", "--port", str(port), "--messages", str(messages), "--rate", str(rate)],
            stdin=subprocess.DEVNULL,
        )
        result: dict[str, float] = json.loads(subject_process.stdout.readline())
        publisher.wait()
        subject_process.wait()
    return result


def compare(messages: int, rate: float, runs: int) -> dict[str, dict[str, float]]:
    """Medians of several runs, the subjects in turn so that a noisy minute hits both."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in SUBJECTS}
    for _ in range(runs):
        for name, results in found.items():
            results.append(measure(name, messages, rate))
    return {
        name: {key: statistics.median(result[key] for result in results) for key in results[0]}
        for name, results in found.items()
    }


def main() -> None:
    """Print one JSON object a way of sending: flat out, and paced."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--be", choices=[*SUBJECTS, "publisher"], help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--messages", type=int, default=30_000)
    parser.add_argument("--rate", type=float, default=1000.0, help="messages a second of the paced run")
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    pin(0 if given.be in (None, "publisher") else 1)
    if given.be == "publisher":
        publish(given.port, given.messages, given.rate)
    elif given.be:
        subject(given.be, given.port, given.messages)
    else:
        for way, rate in (("flat out", 0.0), ("paced", given.rate)):
            messages = given.messages if not rate else min(given.messages, int(rate * 10))
            medians = compare(messages, rate, given.runs)
            over = {
                f"{name}_over_bare": round(medians[name]["cpu_us"] / medians["bare"]["cpu_us"], 3)
                for name in ("ours", "gathered")
            }
            print(json.dumps({"sent": way, "messages": messages, **medians, **over}), flush=True)


if __name__ == "__main__":
    main()
