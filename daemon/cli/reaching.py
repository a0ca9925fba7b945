"""How `probe` reaches a peer: as gateway.yaml says, or by options on the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pydantic import BaseModel

from daemon import settings
from daemon.documents import Document, build
from daemon.model import ConfigError
from daemon.settings import Gateway, SourceConfig

M = TypeVar("M", bound=BaseModel)

ConfigOption = Annotated[
    Path | None,
    typer.Option("-c", "--config", help="gateway.yaml, or the directory that holds it"),
]
SourceOption = Annotated[str, typer.Option("--source", help="the source of gateway.yaml, when it has several")]
HostOption = Annotated[str, typer.Option("--host", help="without -c: host name or address")]
PortOption = Annotated[int | None, typer.Option("--port", help="TCP port, when it is not the usual one")]
CaOption = Annotated[Path | None, typer.Option("--ca", help="TLS: the authority's certificates (PEM)")]
CertificateOption = Annotated[Path | None, typer.Option("--certificate", help="TLS: our own certificate (PEM)")]
KeyOption = Annotated[Path | None, typer.Option("--key", help="TLS: its key")]
TlsOption = Annotated[bool, typer.Option("--tls", help="TLS with the system's authorities")]


def find_source(
    config: Path, name: str, wire: str, pick: Callable[[SourceConfig], M | None]
) -> tuple[str, M, Gateway, Path]:
    """The source of gateway.yaml that is meant: its name, its configuration, all of gateway.yaml, its directory.

    Raises:
        ConfigError: the file has faults, or it is not clear which source is meant.
    """
    path = config / "gateway.yaml" if config.is_dir() else config
    gateway = settings.load_gateway(path)
    found = {key: part for key, source in gateway.sources.items() if (part := pick(source)) is not None}
    known = ", ".join(found) or "none"
    if name and name not in found:
        raise ConfigError([f"{path}: no {wire} source is named {name!r}; known: {known}"])
    if not name and len(found) != 1:
        raise ConfigError([f"{path}: give --source with one of its {wire} sources: {known}"])
    chosen = name or next(iter(found))
    return chosen, found[chosen], gateway, path.parent


def from_options(model: type[M], given: dict[str, Any]) -> M:
    """A configuration of what was given as options; what is None was not given.

    Raises:
        ConfigError: they do not fit.
    """
    try:
        return build(model, Document("options", _without_none(given)))
    except ConfigError as error:
        raise ConfigError([fault.removeprefix("options:1:1: ") for fault in error.faults]) from error


def _without_none(given: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _without_none(value) if isinstance(value, dict) else value
        for key, value in given.items()
        if value is not None
    }


def tls_of(ca: Path | None, certificate: Path | None, key: Path | None, *, plain: bool) -> dict[str, Any] | None:
    """The part `tls` of a configuration; None when nothing asks for TLS."""
    if ca is None and certificate is None and key is None and plain:
        return None
    return {"ca": ca, "certificate": certificate, "key": key}


def only_one_way(config: Path | None, others: dict[str, object], wanted: str) -> None:
    """See that a peer is named once.

    Raises:
        ConfigError: it is named not at all, or in two ways.
    """
    given = [name for name, value in others.items() if value]
    if config is None and not given:
        raise ConfigError([f"say what to look at: {wanted}"])
    if config is not None and given:
        raise ConfigError([f"-c tells where it is; remove {' and '.join(given)}"])
