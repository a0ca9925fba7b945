"""Secrets: YAML only says where each of them is kept.

${cred:NAME}   a systemd credential (`LoadCredential=`); run by hand, a file in `credentials/` beside gateway.yaml
${file:PATH}   a file
${env:NAME}    a variable of the environment
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from daemon.documents import Document, Location

_REFERENCE = re.compile(r"^\$\{(cred|file|env):([^}]+)\}$")
_SECRETS = frozenset({"password", "token", "secret"})
#: Templates of requests, under `ticketing`: what stands there is shown and logged.
_SHOWN = frozenset({"requests", "headers", "login", "maps"})


def resolve(document: Document, faults: list[str]) -> Any:  # noqa: ANN401  YAML is any
    """The values of a document with its secrets in place and paths under `tls` relative to it.

    Args:
        document: as it was read.
        faults: gets a line for each secret that stands in the YAML itself, or cannot be read.
    """
    return _resolve(document.data, document, (), faults)


def _resolve(value: Any, document: Document, place: Location, faults: list[str]) -> Any:  # noqa: ANN401  YAML is any
    if isinstance(value, dict):
        return {key: _resolve(inner, document, (*place, key), faults) for key, inner in value.items()}
    if isinstance(value, list):
        return [_resolve(inner, document, (*place, n), faults) for n, inner in enumerate(value)]
    return _read(value, document, place, faults) if isinstance(value, str) else value


def _is_told(value: str, place: Location) -> bool:
    """Whether it only says where in an answer something is, or where in a request something goes."""
    if place[:1] != ("ticketing",) or _SHOWN.isdisjoint(place[1:2]):
        return False
    return "keep" in place or "{" in value


def _read(value: str, document: Document, place: Location, faults: list[str]) -> str:
    if place[-2:-1] == ("tls",):
        return str(Path(document.name).parent / value)  # relative to the file, wherever we are started
    match = _REFERENCE.match(value)
    if match is None:
        if place and (place[-1] in _SECRETS or place[:2] == ("ticketing", "secrets")) and not _is_told(value, place):
            faults.append(
                f"{document.place(place)}: a secret must not stand in YAML; write ${{cred:NAME}} (systemd credential), "
                "${file:PATH} or ${env:NAME}"
            )
        return value
    if place[:1] == ("ticketing",) and not _SHOWN.isdisjoint(place[1:2]):
        faults.append(
            f"{document.place(place)}: a secret in a request would be shown; write it under `secrets:` with a name, "
            "and {secret.name} here"
        )
        return value
    kind, name = match.groups()
    try:
        return _secret(kind, name, Path(document.name).parent)
    except (OSError, KeyError) as error:
        what = f"{error.strerror}: {error.filename}" if isinstance(error, OSError) else "not set"
        faults.append(f"{document.place(place)}: {value} cannot be read: {what}")
        return value


def _secret(kind: str, name: str, directory: Path) -> str:
    if kind == "env":
        return os.environ[name]
    if kind == "file":
        path = Path(name)
    elif handed_over := os.environ.get("CREDENTIALS_DIRECTORY"):
        # systemd names the files of a whole credential directory `<id>_<file>`
        path = Path(handed_over) / f"precomplaint_{name}"
    else:  # run by hand, for instance `check`: where the unit has them from
        path = directory / "credentials" / name
    return path.read_text(encoding="utf-8").strip()
