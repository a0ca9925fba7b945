"""JSON Schemas of the configuration files: for completion in editors, generated from the models that read them."""

from __future__ import annotations

from pathlib import Path

import orjson
from pydantic import BaseModel

from daemon.assets import Assets
from daemon.backtest.mapping import HistoryMap
from daemon.backtest.rule_test_file import TestFile
from daemon.rules.rule import RuleFile
from daemon.sensors.codes import CodeFile
from daemon.sensors.profile import Profile
from daemon.settings import Gateway
from daemon.workorders.sla import Sla

MODELS: dict[str, type[BaseModel]] = {
    "gateway": Gateway,
    "assets": Assets,
    "profile": Profile,
    "codes": CodeFile,
    "rules": RuleFile,
    "rule-tests": TestFile,
    "sla": Sla,
    "history-map": HistoryMap,
}


def render(name: str) -> bytes:
    """The schema of one kind of file, as it is committed."""
    schema = MODELS[name].model_json_schema()
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    return orjson.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, option=options)


def write_all(directory: Path) -> list[Path]:
    """Write every schema as `<name>.schema.json`."""
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for name in MODELS:
        path = directory / f"{name}.schema.json"
        path.write_bytes(render(name))
        written.append(path)
    return written
