"""Profiles by name or file: those that travel with the program, and those a person is writing."""

from __future__ import annotations

from pathlib import Path

from daemon import settings
from daemon.documents import build, read
from daemon.model import ConfigError
from daemon.sensors.codes import load_tables
from daemon.sensors.profile import Profile, load_profiles, with_tables


def shipped_profiles() -> dict[str, Profile]:
    """All that travel with the program, by name."""
    return load_profiles((settings.shipped() / "profiles").glob("*.yaml"))


def find_profile(name: str) -> Profile:
    """The shipped profile of that name, or the one in that file.

    Raises:
        ConfigError: there is none, or the file has faults.
    """
    if not name.endswith((".yaml", ".yml")):
        profiles = shipped_profiles()
        if name not in profiles:
            known = ", ".join(sorted(profiles))
            raise ConfigError([f"no shipped profile is named {name!r}; write a profile's file, or one of: {known}"])
        return profiles[name]
    document = read(Path(name))
    folders = {(settings.shipped() / "profiles").resolve(), Path(name).parent.resolve()}
    tables = load_tables(file for folder in folders for file in folder.glob("codes/*.yaml"))
    return with_tables(build(Profile, document), document, tables)
