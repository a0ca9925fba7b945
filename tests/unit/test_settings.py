from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from daemon import settings
from daemon.model import ConfigError

STARTER = settings.shipped() / "starter"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A copy of the starter configuration."""
    shutil.copytree(STARTER, tmp_path, dirs_exist_ok=True)
    return tmp_path


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def faults(site: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        settings.load(site)
    return [fault.removeprefix(f"{site}/") for fault in caught.value.faults]


def test_the_starter_configuration_is_sound(site: Path) -> None:
    """What `init` writes passes `check`, and binds rules to every asset."""
    found = settings.load(site)

    assert {asset.id for asset in found.catalogue.assets} == {"b1-lift-1", "zone-high"}
    assert len(found.bindings["site-mqtt"]) == len(found.bindings["pump-bus"]) == 1
    assert found.state_dir == Path("/var/lib/precomplaint")
    assert found.control_socket == settings.control_socket(site)


def test_the_examples_of_the_starter_configuration_are_sound(site: Path) -> None:
    """Without the marks before them they pass `check`, without a lint, and each asset is watched by its rules."""
    assets = site / "assets.yaml"
    told, _, examples = assets.read_text(encoding="utf-8").partition("# 更多例子")
    lines = ["# 更多例子" + examples.splitlines()[0], *(line[2:] for line in examples.splitlines()[1:])]
    overrides = told.replace("    # overrides:", "    overrides:").replace("    #   ", "      ")
    assets.write_text("\n".join([overrides, *lines]) + "\n", encoding="utf-8")

    found = settings.load(site)

    bound: dict[str, set[str]] = {}
    for binding in found.ruleset.bindings():
        bound.setdefault(binding.asset.id, set()).add(binding.rule.id)
    assert found.lints == ()
    assert {"elv.door.reopen", "elv.starts", "elv.ucm", "elv.rope.rul"} <= bound["b1-lift-1"]
    assert {"elv.trapped.level", "elv.fault.repeat", "elv.rope.wires"} <= bound["b1-lift-2"]
    assert {"wat.night.flow", "wat.night.leak", "wat.pump.dry", "wat.pump.cycling", "wat.burst"} <= bound["zone-high"]
    assert {"wat.low.top", "wat.pump.cycling"} <= bound["zone-low"]
    assert "wat.fire.static" in bound["fire-b1"]


def test_all_faults_of_the_assets_come_at_once(site: Path) -> None:
    """A wrong profile, a wrong source and a missing address part: three lines, each with its place."""
    assets = site / "assets.yaml"
    change(assets, "profile: lift-status-json", "profile: lift-json")
    change(assets, "source: pump-bus", "source: pumps")
    text = assets.read_text(encoding="utf-8") + (
        "  - {id: b1-lift-2, kind: lift, name: {zh: 二号, en: two}, "
        "devices: [{profile: lift-status-json, source: site-mqtt, address: {lfit: L2}}]}\n"
    )
    assets.write_text(text, encoding="utf-8")

    found = "\n".join(faults(site))

    assert "no profile is named 'lift-json'; known:" in found
    assert "gateway.yaml has no source 'pumps'; known: pump-bus, site-mqtt" in found
    assert "the profile 'lift-status-json' needs `address: {lift: …}`" in found
    assert "the profile has no address part 'lfit'; known: lift" in found
    assert all(fault.startswith("assets.yaml:") for fault in found.splitlines())


def test_a_profile_of_the_other_wire_is_refused(site: Path) -> None:
    """A Modbus profile cannot speak over a broker."""
    change(site / "assets.yaml", "source: pump-bus, address", "source: site-mqtt, address")

    assert "the profile 'pump-room-modbus' speaks modbus, the source 'site-mqtt' does not" in faults(site)[0]


def test_a_misspelt_key_comes_with_the_right_one(site: Path) -> None:
    """File, line, column, and what was probably meant."""
    change(site / "gateway.yaml", "state_dir:", "state_dri:")

    (fault,) = faults(site)
    assert fault.endswith("unknown key 'state_dri'; did you mean 'state_dir'?")
    assert fault.startswith("gateway.yaml:7:1: ")


def test_a_secret_in_the_file_is_refused_and_not_repeated(site: Path) -> None:
    """The message tells how to write it, never what it was."""
    change(site / "gateway.yaml", "  # token: ${cred:influx_token}", "  token: hunter2")

    (fault,) = faults(site)
    assert "write ${cred:NAME}" in fault
    assert "hunter2" not in fault


def test_a_secret_is_read_from_a_credential(site: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As systemd hands it over: one file of a credential directory."""
    (tmp_path / "precomplaint_influx_token").write_text("hunter2\n", encoding="utf-8")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    change(site / "gateway.yaml", "  # token: ${cred:influx_token}", "  token: ${cred:influx_token}")

    token = settings.load(site).gateway.influx.token

    assert token is not None
    assert token.get_secret_value() == "hunter2"
    assert "hunter2" not in repr(settings.load(site).gateway)


def test_a_credential_that_is_not_there_is_named(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run by hand it is looked for where the unit has it from; the message names it and the file."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    change(site / "gateway.yaml", "  # token: ${cred:influx_token}", "  token: ${cred:influx_token}")

    (fault,) = faults(site)
    file = site / "credentials" / "influx_token"
    assert f"${{cred:influx_token}} cannot be read: No such file or directory: {file}" in fault

    file.parent.mkdir()
    file.write_text("hunter2\n", encoding="utf-8")
    assert settings.load(site).gateway.influx.token is not None


def test_an_override_changes_the_rule_for_one_asset_only(site: Path) -> None:
    """The demo shortens the burst rule's hold for its one zone; a misspelt rule id is a fault."""
    change(
        site / "assets.yaml",
        "    # overrides:\n    #   wat.burst: {for: 30s}",
        "    overrides:\n      wat.brust: {for: 30s}",
    )

    assert "wat.brust" in faults(site)[0]


def test_a_device_may_differ_from_its_profile(site: Path) -> None:
    """Limits of quality in assets.yaml are those of this device's points."""
    change(
        site / "assets.yaml",
        "source: pump-bus, address",
        "source: pump-bus, points: {outlet_pressure: {range: [0, 1], interval: 5s, spike: 2 bar}}, address",
    )

    found = settings.load(site)

    (binding,) = found.bindings["pump-bus"]
    point = binding.points["outlet_pressure"]
    assert (point.low, point.high, point.interval) == (0, 1, timedelta(seconds=5))
    assert binding.profile.points["outlet_pressure"].spike == "2 bar"
    assert point in found.catalogue.points


def test_a_limit_of_a_point_that_the_profile_has_not_is_a_fault(site: Path) -> None:
    """With its place and what there is."""
    change(site / "assets.yaml", "source: pump-bus, address", "source: pump-bus, points: {pressure: {}}, address")

    (fault,) = faults(site)
    assert fault.startswith("assets.yaml:")
    assert "the profile 'pump-room-modbus' has no point 'pressure'; known: outlet_pressure, " in fault


def test_a_password_in_a_url_is_refused_and_not_repeated(site: Path) -> None:
    """It would stand in the YAML and in every log line that names the peer; the message does not say it either."""
    change(site / "gateway.yaml", "http://127.0.0.1:8086", "http://admin:tr0ub4dor@127.0.0.1:8086")

    (fault,) = faults(site)

    assert "influx.url: a url must not hold a user or password" in fault
    assert "tr0ub4dor" not in fault


def test_a_derived_point_is_a_point_of_its_asset(site: Path) -> None:
    """A rule may look at it; its formula travels with the ruleset, every point named in full."""
    assets = site / "assets.yaml"
    change(
        assets,
        "{unit: 1}}\n    derived:",
        '{unit: 1}}\n    derived:\n      worst: {unit: MPa, value: "outlet_pressure - 0.0098 MPa/m * 24 m"}',
    )

    (point,) = [point for point in settings.load(site).catalogue.points if point.id == "zone-high.worst"]

    assert (point.unit, point.device) == ("MPa", "")
    assert point.formula == "[zone-high.outlet_pressure] - (0.0098 MPa/m * 24 m)"


def test_a_derived_point_that_makes_no_sense_is_a_fault(site: Path) -> None:
    """With its place, beside all the others."""
    change(
        site / "assets.yaml",
        "{unit: 1}}\n    derived:",
        '{unit: 1}}\n    derived:\n      worst: {unit: MPa, value: "outlet_pressure - 24 m"}',
    )

    (fault,) = faults(site)
    assert fault.startswith("assets.yaml:")
    assert fault.endswith("the derived point 'worst': a length cannot be taken from a pressure")


def test_an_address_that_no_topic_can_have_is_a_fault(site: Path) -> None:
    """A wildcard in a device's name would hear its neighbours too: told at check, with its place."""
    change(site / "assets.yaml", "address: {lift: L1}", 'address: {lift: "L+"}')

    (fault,) = faults(site)

    assert fault.startswith("assets.yaml:")
    assert "lift is empty, or has one of + and #" in fault


def test_the_faults_of_all_files_come_in_one_go(site: Path) -> None:
    """A slip in gateway.yaml, in assets.yaml, in a profile and in a rule: none of them hides another."""
    change(site / "gateway.yaml", "state_dir:", "state_dri:")
    change(site / "gateway.yaml", "rules: [shipped]", "profiles: [mine]\nrules: [shipped, rules]")
    change(site / "assets.yaml", "households: 96", "housholds: 96")
    for folder, text in (("mine", "profile: x\ncolour: red\n"), ("rules", "version: 1\nruls: []\n")):
        (site / folder).mkdir()
        (site / folder / "own.yaml").write_text(text, encoding="utf-8")

    found = "\n".join(faults(site))

    assert "gateway.yaml:7:1: state_dri: unknown key 'state_dri'; did you mean 'state_dir'?" in found
    assert "housholds: unknown key 'housholds'; did you mean 'households'?" in found
    assert "mine/own.yaml:2:1: colour: unknown key 'colour'" in found
    assert "rules/own.yaml:2:1: ruls: unknown key 'ruls'; did you mean 'rules'?" in found


def test_a_fault_of_the_gateway_hides_none_between_rules_and_points(site: Path) -> None:
    """Assets and profiles are sound, and its sources can be read: rules are checked against the site all the same."""
    change(site / "gateway.yaml", "state_dir:", "state_dri:")
    change(
        site / "assets.yaml",
        "    # overrides:\n    #   wat.burst: {for: 30s}",
        "    overrides:\n      wat.low.top: {II: {below: 0.1 °C}}",
    )

    found = faults(site)

    assert [fault.split(": ")[0] for fault in found] == ["gateway.yaml:7:1", "assets.yaml:45:7"]
    assert "override of 'wat.low.top' for asset 'zone-high': below: °C is a temperature" in found[1]


OWN_RULES = (
    "version: 1\nrules:\n  - id: x\n    title: {zh: 题, en: t}\n    applies_to: {kinds: [water_zone, lift]}\n"
    "    basis: b\n    cause: {zh: 因, en: c}\n    consequence: {zh: 果, en: e}\n"
    "    levels: [{level: I, when: {any: [{point: outlet_pressure, below: 1 K}, {point: room_temp, above: 1 bar}]}}]\n"
)


def test_a_fault_of_one_asset_hides_none_between_rules_and_the_others(site: Path) -> None:
    """Rules meet the points of what is sound in the same run; of the asset with the fault only that is told."""
    change(site / "gateway.yaml", "rules: [shipped]", "rules: [shipped, own.yaml]")
    change(site / "assets.yaml", "households: 180", "housholds: 180")  # of zone-high
    change(site / "assets.yaml", "timezone: Asia/Shanghai", "timezone: Asia/Shanghia")
    rules = OWN_RULES.replace("kinds: [water_zone, lift]", "assets: [zone-high, b1-lift-1]")
    (site / "own.yaml").write_text(rules, encoding="utf-8")

    found = [fault.replace(f"{site}/", "") for fault in faults(site)]

    assert [fault.split(": ")[0] for fault in found if not fault.startswith("own")] == [
        "assets.yaml:7:3",
        "assets.yaml:33:5",
    ]
    (misfit,) = [fault for fault in found if fault.startswith("own")]
    assert misfit.startswith("own.yaml:9:95: above: bar is a pressure")


def test_a_fault_of_one_profile_hides_none_between_rules_and_the_others(site: Path) -> None:
    """Of devices that have it nothing is said: neither that it is not there, nor that a point of it is misspelt."""
    profiles = site / "mine"
    profiles.mkdir()
    text = (settings.shipped() / "profiles/pump-room-modbus.yaml").read_text(encoding="utf-8")
    text = text.replace("profile: pump-room-modbus", "profile: own-pump-room").replace(
        "outlet_pressure", "outlet_presure"
    )
    (profiles / "own.yaml").write_text(text.replace("interval: 2s", "interval_: 2s", 1), encoding="utf-8")
    change(site / "gateway.yaml", "rules: [shipped]", "profiles: [mine]\nrules: [shipped, own.yaml]")
    change(site / "assets.yaml", "{profile: pump-room-modbus, source", "{profile: own-pump-room, source")
    (site / "own.yaml").write_text(OWN_RULES.replace("outlet_pressure", "outlet_presure"), encoding="utf-8")

    found = [fault.replace(f"{site}/", "") for fault in faults(site)]

    assert [fault.split(":")[0] for fault in found] == ["mine/own.yaml", "own.yaml"]
    assert "above: bar is a pressure" in found[1]


def test_sources_that_cannot_be_read_hide_none_between_rules_and_points(site: Path) -> None:
    """Which wire a device speaks is not asked then."""
    change(site / "gateway.yaml", "sources:", "sources_:")
    change(site / "gateway.yaml", "rules: [shipped]", "rules: [shipped, own.yaml]")
    (site / "own.yaml").write_text(OWN_RULES, encoding="utf-8")

    found = [fault.replace(f"{site}/", "") for fault in faults(site)]

    assert {fault.split(":")[0] for fault in found} == {"gateway.yaml", "own.yaml"}
    assert len([fault for fault in found if fault.startswith("own")]) == 2


def test_a_path_that_is_not_there_is_one_fault_among_others(site: Path) -> None:
    """The rest is read all the same."""
    change(site / "gateway.yaml", "rules: [shipped]", "profiles: [mine]\nrules: [shipped, none]")
    change(site / "assets.yaml", "households: 96", "housholds: 96")

    found = [fault.partition(": ")[2] for fault in faults(site)]

    assert len(found) == 3
    assert found[0] == found[2].replace("none", "mine") == "does not exist; correct the path in gateway.yaml"


def test_what_is_suspicious_is_told_and_refuses_nothing(site: Path) -> None:
    """A rule of one's own that watches nothing; shipped rules that find nothing to watch are not told."""
    change(site / "gateway.yaml", "rules: [shipped]", "rules: [shipped, own.yaml]")
    (site / "own.yaml").write_text(
        "version: 1\nrules:\n  - id: x\n    title: {zh: 题, en: t}\n    applies_to: {kind: boiler}\n    basis: b\n"
        "    cause: {zh: 因, en: c}\n    consequence: {zh: 果, en: e}\n"
        "    levels: [{level: I, when: {point: p, below: 1 MPa}, for: 1min}]\n",
        encoding="utf-8",
    )

    (lint,) = settings.load(site).lints

    assert lint.startswith(f"{site}/own.yaml:3:5: x: watches nothing here")


MAINTENANCE = """
maintenance:
  - {reason: {zh: 周检, en: weekly}, of: {kind: lift}, calendar: {hours: 02:00-04:00, days: [sat]}}
"""


def test_maintenance_and_dependencies_are_part_of_what_a_reload_takes_up(site: Path) -> None:
    """They change the ruleset and nothing else: a running gateway needs no restart for them."""
    before = settings.load(site)
    assets = site / "assets.yaml"
    change(
        assets,
        "  - id: zone-high\n",
        "  - id: zone-high\n    depends_on: [{asset: b1-lift-1, rules: [elv.machine.temp]}]\n",
    )
    assets.write_text(assets.read_text(encoding="utf-8") + MAINTENANCE, encoding="utf-8")

    found = settings.load(site)

    assert [spec.reason.en for spec in found.ruleset.arrangements.maintenance] == ["weekly"]
    assert found.ruleset.arrangements.dependencies["zone-high"][0].rules == ("elv.machine.temp",)
    assert found.ruleset.hash != before.ruleset.hash
    assert (found.catalogue, found.bindings) == (before.catalogue, before.bindings)


def test_a_dependency_on_what_is_not_there_is_a_fault(site: Path) -> None:
    """With the file and the nearest name."""
    change(
        site / "assets.yaml",
        "  - id: zone-high\n",
        "  - id: zone-high\n    depends_on: [{asset: b1-lift, rules: [elv.machine]}]\n",
    )

    assert faults(site) == [
        "assets.yaml: depends_on of 'zone-high': no asset is called 'b1-lift'; did you mean 'b1-lift-1'?",
        "assets.yaml: depends_on of 'zone-high': there is no rule 'elv.machine'; did you mean 'elv.machine.temp'?",
    ]


def test_a_gateway_that_is_no_yaml_hides_nothing_in_the_others(site: Path) -> None:
    """They are looked for where they are by default; one that is not there at all is the only fault."""
    (site / "gateway.yaml").write_text("sources: {", encoding="utf-8")
    change(site / "assets.yaml", "households: 96", "housholds: 96")

    assert [fault.split(":")[0] for fault in faults(site)] == ["gateway.yaml", "assets.yaml"]

    (site / "gateway.yaml").unlink()
    (fault,) = faults(site)
    assert fault == "gateway.yaml: cannot be read: No such file or directory; check the path and its rights"


@pytest.mark.parametrize(("listen", "lints"), [("127.0.0.1:8787", 0), ("0.0.0.0:8787", 1)])
def test_a_webhook_beyond_this_machine_is_suspicious(site: Path, listen: str, lints: int) -> None:
    """It speaks no TLS itself; the place and the way out are told."""
    gateway = site / "gateway.yaml"
    (site / "secret").write_text("0123456789abcdef", encoding="utf-8")
    webhook = f"{{listen: '{listen}', secret: '${{file:{site / 'secret'}}}'}}"
    change(gateway, "ticketing:\n", f"ticketing:\n  webhook: {webhook}\n")

    found = settings.load(site).lints

    assert len(found) == lints
    assert all("gateway.yaml" in lint and "beyond this machine" in lint for lint in found)
