"""The house in which the scenarios play: two lifts, a water zone, a meter room, and the mechanism as it is shipped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

#: Every box speaks so, of what it has. `n` tells the messages apart; a box may be silent for as long as a scenario
#: takes, so that only what is said counts.
_PROFILE = """
version: 1
profile: house-box
title: {zh: 采集盒, en: Box}
alive_within: 30d
mqtt: {topics: ["house/{box}"]}
points:
  n: {json: {path: n}}
  pressure: {unit: MPa, range: [0, 1.6], json: {path: pressure}}
  room_temp: {unit: °C, range: [-30, 80], json: {path: room_temp}}
  chain: {kind: state, report: on_change, json: {path: chain, labels: [closed, open]}}
  trapped: {kind: state, report: on_change, json: {path: trapped, labels: ["no", "yes"]}}
  leak: {kind: state, report: on_change, json: {path: leak, labels: [dry, wet]}}
""" + "".join(
    f"  e{n}: {{kind: state, report: on_change, json: {{path: e{n}, labels: [good, bad]}}}}\n" for n in range(1, 6)
)
_ABOUT = """
    basis: scenario
    cause: {zh: 脚本, en: The script}
    consequence: {zh: 无, en: None}
"""
RULES = f"""
version: 1
rules:
  - id: chain
    title: {{zh: 安全回路断开, en: Safety chain open}}
    applies_to: {{kind: lift}}
    levels: [{{level: I, when: {{point: chain, equals: open}}}}]
    late: open
    never_suppress: true
    work_order: {{category: safety, steps: [{{zh: 看, en: Look}}]}}{_ABOUT}
  - id: trapped
    title: {{zh: 电梯困人, en: Persons trapped}}
    applies_to: {{kind: lift}}
    levels: [{{level: I, when: {{point: trapped, equals: "yes"}}}}]
    late: open
    never_suppress: true
    work_order: {{category: safety, type: incident, procedure: entrapment, steps: [{{zh: 安抚, en: Calm}}]}}{_ABOUT}
  - id: hot
    title: {{zh: 机房过热, en: Machine room hot}}
    applies_to: {{kind: lift}}
    levels: [{{level: I, when: {{point: room_temp, above: 45 °C}}}}]
    work_order: {{category: facility, steps: [{{zh: 看, en: Look}}]}}{_ABOUT}
  - id: low
    title: {{zh: 水压低, en: Pressure low}}
    applies_to: {{kind: water_zone}}
    levels: [{{level: II, when: {{point: pressure, below: 0.10 MPa}}}}]
    work_order: {{category: facility, steps: [{{zh: 看, en: Look}}]}}{_ABOUT}
  - id: leak
    title: {{zh: 漏水, en: Leak}}
    applies_to: {{kind: meter_room}}
    levels: [{{level: I, when: {{point: leak, equals: wet}}}}]
    work_order: {{category: facility, steps: [{{zh: 看, en: Look}}]}}{_ABOUT}
"""
_STORM_RULE = """
  - id: {id}
    title: {{zh: 故障 {id}, en: Fault {id}}}
    applies_to: {{kinds: [{kinds}]}}
    levels: [{{level: II, when: {{point: {point}, equals: bad}}}}]
    never_suppress: {never}
    work_order: {{category: facility, steps: [{{zh: 看, en: Look}}]}}"""
#: Five faults of each of 200 boxes; the fifth of twenty of them is never suppressed.
STORM_RULES = (
    "version: 1\nrules:"
    + "".join(
        _STORM_RULE.format(id=f"e{n}", kinds="box" if n == 5 else "box, safety_box", point=f"e{n}", never="false")
        + _ABOUT
        for n in range(1, 6)
    )
    + _STORM_RULE.format(id="safety", kinds="safety_box", point="e5", never="true")
    + _ABOUT
)
STORM_ASSETS = {f"B{n}": "safety_box" if n % 10 == 0 else "box" for n in range(200)}
ASSETS = {"L1": "lift", "L2": "lift", "Z1": "water_zone", "M1": "meter_room"}
#: The roles of each group robot, and the robot's service.
CHANNELS = {
    "crew": ("wecom", "duty, team, maintainer, supervisor"),
    "office": ("dingtalk", "project_manager, headquarters"),
    "lobby": ("feishu", "residents"),
}
_ROBOTS = {"wecom": "secret", "dingtalk": "token", "feishu": "token"}


@dataclass(frozen=True, slots=True)
class Wires:
    """Where the outside world listens."""

    mqtt: int
    influx: int
    ticketing: int
    robots: int


@dataclass(frozen=True, slots=True)
class House:
    """What differs between houses; as it stands it is the one of most scenarios."""

    site: str = "house"
    #: Asset to kind.
    assets: Mapping[str, str] = field(default_factory=lambda: ASSETS)
    rules: str = RULES
    #: How long the ticketing service may take, in real time.
    timeout: str = "20s"
    client_id: str = ""
    #: In place of the reference service: `ticketing:` as YAML, with `{port}` and `{folder}`.
    ticketing: str = ""

    def write(self, folder: Path, wires: Wires, robot_key: str) -> None:
        """Everything `precomplaint run -c` needs."""
        (folder / "robot-key").parent.mkdir(parents=True, exist_ok=True)
        (folder / "robot-key").write_text(robot_key)
        (folder / "erp-password").write_text("secret")
        for name, text in (
            ("profiles/box.yaml", _PROFILE),
            ("rules/house.yaml", self.rules),
            ("assets.yaml", self._assets()),
            ("gateway.yaml", self._gateway(folder, wires)),
        ):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def _assets(self) -> str:
        assets = "".join(
            f"  - id: {asset}\n    kind: {kind}\n    name: {{zh: {asset}, en: {asset}}}\n    households: 100\n"
            f"    devices: [{{profile: house-box, source: boxes, address: {{box: {asset}}}}}]\n"
            for asset, kind in self.assets.items()
        )
        return f"version: 1\nsite: {{id: {self.site}, name: {{zh: 小区, en: House}}}}\nassets:\n{assets}"

    def _gateway(self, folder: Path, wires: Wires) -> str:
        key, robots = "${file:" + str(folder / "robot-key") + "}", f"http://127.0.0.1:{wires.robots}"
        channels = "".join(
            f"  {name}: {{roles: [{roles}], language: en, per_minute: 100, "
            f"{service}: {{{_ROBOTS[service]}: '{key}', url: '{robots}'}}}}\n"
            for name, (service, roles) in CHANNELS.items()
        )
        client = f", client_id: {self.client_id}" if self.client_id else ""
        url = f"http://127.0.0.1:{wires.ticketing}"
        usual = f'ticketing: {{url: "{url}", timeout: {self.timeout}, poll_interval: 1s}}\n'
        return (
            "version: 1\nstate_dir: state\nprofiles: [profiles]\nrules: [rules]\nsla: residential\nsources:\n"
            f"  boxes: {{mqtt: {{host: 127.0.0.1, port: {wires.mqtt}{client}}}}}\n"
            f'influx: {{url: "http://127.0.0.1:{wires.influx}", org: o, bucket: b, flush_interval: 100ms}}\n'
            f"{self.ticketing.replace('{port}', str(wires.ticketing)).replace('{folder}', str(folder)) or usual}"
            f"notify:\n{channels}"
        )
