"""Whatever stands in a configuration file, it is refused with its place or it works: never a crash, never a hang."""

from __future__ import annotations

import contextlib
import random
import re
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from daemon import settings
from daemon.assets import Assets, Placement, Sound
from daemon.backtest import rule_test, rule_test_file
from daemon.documents import build, parse, read
from daemon.model import ConfigError, Device, Reject
from daemon.outputs.ticketing.preview import preview
from daemon.outputs.ticketing.shape import DeclaredConfig
from daemon.rules.rule import RuleSpec
from daemon.rules.schema import Ruleset
from daemon.rules.schema import load as load_rules
from daemon.sensors.blocks import plan
from daemon.sensors.codes import CodeFile, load_tables
from daemon.sensors.decoder import Decoder
from daemon.sensors.judge import compile_judge
from daemon.sensors.profile import Binding, Profile, load_profiles, make_points, with_tables
from daemon.sensors.register_points import compile_points
from tests.decoding import NOW, SHANGHAI

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config"
PROFILES = load_profiles((CONFIG / "profiles").glob("*.yaml"))
TABLES = load_tables((CONFIG / "profiles/codes").glob("*.yaml"))
SITE = settings.load(CONFIG / "starter", secrets=False)
#: Seconds that the slowest document may take on the slowest machine.
_HANGS = 30
_PLACE = re.compile(r"^.+?(:\d+:\d+)?: \S")
#: What people, editors and templates put in the place of a value.
ODD: list[Any] = [
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**70, 1e308, -1e308, 1e-320, float("inf"), float("nan"), "", " ", "0",
    "no", "1e999", "x" * 5000, "\0", "\uffff", "{lift}", "{", "a/+/b", "#", "$", "[0]", "a..b", "0s", "1ms", "3652d",
    "99999999999d", "-5 MPa", "1 furlong", "1 %", "below", "I", "IV", "a + b", "1 / 0", "((((((((((", "sum(*)", "0x10",
    "${HOME}", "!!python/object:os.system", [], [[]], [None], {}, {"": ""}, {"a": {"a": {"a": {}}}}, [{}, []],
    "2026-02-30T25:00:00", "Mars/Olympus", "/etc/passwd", "../../..", "1x999999999 2x99999999", "_x99999999999",
]  # fmt: skip

Document = dict[str, Any]
Load = Callable[[str, Path], None]


def _profile(text: str, _: Path) -> None:
    """Load a profile, and read nothing at all by it."""
    document = parse(text, "p.yaml")
    profile = with_tables(build(Profile, document), document, TABLES)
    device = Device("D", "D", "s", profile.alive_within)
    address: dict[str, str | int] = dict.fromkeys(profile.address_parts, "1")
    points = make_points(profile, device)
    if profile.modbus is not None:
        binding = Binding(device, profile, {"unit": 1}, points)
        plan(compile_points(binding, "s", 1), max_block=profile.modbus.max_block, max_gap=profile.modbus.max_gap)
        compile_judge(binding)
        return
    decoder = Decoder([Binding(device, profile, address, points)], source="s", zone=SHANGHAI)
    for topic in (*(profile.mqtt.patterns if profile.mqtt is not None else ()), "x"):
        for payload in (b"{}", b"[]", b"1", b"", b'{"data":{"fault":[1]},"object":{"pressure":1}}'):
            decoder.decode(re.sub(r"\{\w+\}", "1", topic), payload, NOW)


def _codes(text: str, _: Path) -> None:
    build(CodeFile, parse(text, "codes.yaml"))


def _assets(text: str, _: Path) -> None:
    document = parse(text, "assets.yaml")
    wires = {name: source.wire for name, source in SITE.gateway.sources.items()}
    placed = Placement(document, Sound.whole(build(Assets, document)), PROFILES, wires)
    placed.build()
    if placed.faults:
        raise ConfigError(placed.faults)


def _gateway(text: str, folder: Path) -> None:
    path = folder / "gateway.yaml"
    path.write_text(text, "utf-8")
    settings.load_gateway(path)


def _ticketing(text: str, folder: Path) -> None:
    """Load a service told in YAML, and fill every request of it."""
    path = folder / "gateway.yaml"
    path.write_text(text, "utf-8")
    told = settings.load_gateway(path).ticketing
    if isinstance(told, DeclaredConfig):
        with contextlib.suppress(Reject):  # no word in a map, a number that no JSON holds
            list(preview(told, SITE.catalogue.site))


def _rules(text: str, folder: Path) -> None:
    path = folder / "rules.yaml"
    path.write_text(text, "utf-8")
    ruleset = load_rules([path], SITE.catalogue)
    assert Ruleset.from_json(ruleset.to_json()).hash == ruleset.hash


def _rule_test(text: str, _: Path) -> None:
    """As `run_file` does, with the shipped files read once."""
    document = parse(text, "rule.test.yaml")
    file = build(rule_test_file.TestFile, document)
    faults: list[str] = []
    catalogue = rule_test_file._catalogue(file, PROFILES, document, faults)
    suite = rule_test_file.Suite(document, file.tests, file.assets[0].id, Ruleset(catalogue, RULES, {}), ())
    faults = faults or list(rule_test_file._misnamed(suite))
    if faults:
        raise ConfigError(faults)
    for test in file.tests:
        rule_test.play(suite.ruleset, list(rule_test._inputs(test, suite))[:200])


def _one_by_one(path: Path, key: str) -> Iterator[Document]:
    """The file with one entry of a list at a time."""
    whole = read(path).data
    for entry in whole[key]:
        yield {**whole, key: [entry]}


def _seeds() -> Iterator[tuple[Load, Document]]:
    for path in sorted((CONFIG / "profiles").glob("*.yaml")):
        whole = read(path).data
        some = dict(list(whole["points"].items())[:4])
        yield _profile, {**whole, "points": some}
    for path in sorted((CONFIG / "profiles/codes").glob("*.yaml")):
        whole = read(path).data
        yield _codes, {**whole, "codes": dict(list(whole["codes"].items())[:5])}
    yield from ((_assets, one) for one in _one_by_one(CONFIG / "starter/assets.yaml", "assets"))
    gateway = read(CONFIG / "starter/gateway.yaml").data
    yield _gateway, gateway
    for path in sorted((CONFIG / "ticketing/presets").glob("*.yaml")):
        place = "${env:HOME}"
        auth = {"header": {"name": "K", "token": place}}
        own = {"url": "http://127.0.0.1:1", "secrets": {"routing_key": place}, "auth": auth}
        whole = own | read(path).data
        requests = whole["requests"]
        always = {name: requests[name] for name in ("create", "search") if name in requests}
        note = requests.get("note") or requests["update"]
        for name, request in requests.items():
            told = whole | {"requests": {**always, "note": note, name: request}}
            yield _ticketing, gateway | {"ticketing": told}
        yield _ticketing, gateway | {"ticketing": {"preset": path.stem, **own}}
    for path in sorted((CONFIG / "rules").glob("*.yaml")):
        if path.name.endswith(".test.yaml"):
            yield from ((_rule_test, one) for one in list(_one_by_one(path, "tests"))[:10])
        else:
            yield from ((_rules, one) for one in _one_by_one(path, "rules"))


RULES: tuple[RuleSpec, ...] = SITE.ruleset.rules
SEEDS = list(_seeds())


def _mutated(root: Any, choose: random.Random) -> Any:  # noqa: ANN401  YAML is any
    """Put something odd in the place of one node, chosen on the way down; or lose, rename or double it."""
    if choose.random() < 0.12 or not isinstance(root, dict | list) or not root:
        return choose.choice(ODD)
    if isinstance(root, list):
        n = choose.randrange(len(root))
        changed = [_mutated(item, choose) if i == n else item for i, item in enumerate(root)]
        return changed * choose.choice((1, 1, 1, 2))
    key = choose.choice(list(root))
    match choose.randrange(8):
        case 0:
            return {k: v for k, v in root.items() if k != key}
        case 1:
            return {(f"{k}x" if k == key else k): v for k, v in root.items()}
        case _:
            return {k: _mutated(v, choose) if k == key else v for k, v in root.items()}


def _damaged(text: str, choose: random.Random) -> str:
    """What a slip of the hand does to a text."""
    for _ in range(choose.randint(1, 3)):
        at = choose.randrange(len(text) + 1)
        match choose.randrange(4):
            case 0:
                text = text[:at] + text[at + choose.randint(1, 30) :]
            case 1:
                text = text[:at] + text[at : at + 20] + text[at:]
            case 2:
                text = text[:at] + choose.choice(
                    ("\t", ": ", "- ", "{", "]", "&a ", "*a ", "'", '"', "#", "\n", "%", "|\n")
                )
            case _:
                bits = (
                    "\t",
                    ": ",
                    "- ",
                    "{",
                    "]",
                    "&a ",
                    "*a ",
                    "<<: ",
                    "'",
                    '"',
                    "# ",
                    "\n",
                    "\x85",
                    "\x00",
                    "!!map ",
                )
                text = text[:at] + choose.choice(bits) + text[at:]
    return text


@contextlib.contextmanager
def _bounded(text: str) -> Iterator[None]:
    """A document that is never done with is shown."""

    def late(*_: object) -> None:
        raise AssertionError(f"no end within {_HANGS} s:\n{text}")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, _HANGS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _became(load: Load, text: str, folder: Path) -> str:
    try:
        load(text, folder)
    except ConfigError as error:
        faults = error.faults
    except Exception as error:
        raise AssertionError(f"{load.__name__} {error!r}:\n{text}") from error
    else:
        return "loaded"
    assert faults
    assert all(_PLACE.match(fault) for fault in faults), faults
    return "refused"


def throw(count: int, seed: int, folder: Path) -> Counter[str]:
    """Load so many changed documents; what became of them by kind."""
    choose = random.Random(seed)
    became: Counter[str] = Counter()
    kinds = {load: [document for kind, document in SEEDS if kind is load] for load, _ in SEEDS}
    for n in range(count):
        load = list(kinds)[n % len(kinds)]
        document = choose.choice(kinds[load])
        for _ in range(choose.choice((1, 1, 2, 3))):
            changed = _mutated(document, choose)
            document = changed if isinstance(changed, dict) else document
        text = yaml.dump(document, Dumper=yaml.CSafeDumper, allow_unicode=True, sort_keys=False)
        if choose.random() < 0.3:
            text = _damaged(text, choose)
        with _bounded(text):
            what = _became(load, text, folder)
        became[f"{load.__name__[1:]} {what}"] += 1
    return became


def test_what_is_shipped_is_loaded(tmp_path: Path) -> None:
    """The seeds are good ones, so that what is refused was refused for its change."""
    refused = 0
    for load, document in SEEDS:
        try:
            load(yaml.dump(document, Dumper=yaml.CSafeDumper, allow_unicode=True, sort_keys=False), tmp_path)
        except ConfigError:
            refused += 1  # a rule alone may miss its parent, a test its override, a gateway its secrets

    assert refused < len(SEEDS) / 4


def test_changed_documents_are_loaded_or_refused(tmp_path: Path) -> None:
    """A value replaced, a key lost, a line cut: refused with its place, or it works."""
    became = throw(300, 20261122, tmp_path)

    assert sum(count for kind, count in became.items() if kind.endswith("refused")) > 100
    assert sum(count for kind, count in became.items() if kind.endswith("loaded")) > 15


@pytest.mark.slow
def test_ten_thousand_changed_documents(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same, 10 000 times, each kind of file its share."""
    became = throw(10_000, 7, tmp_path)

    with capsys.disabled():
        print("\n10 000 changed documents:", dict(sorted(became.items())))  # noqa: T201  the count is what it is run for
    assert len(became) == 14
