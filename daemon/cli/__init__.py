"""The command `precomplaint`. Exit codes: 0 ok, 1 check or test failed, 2 usage or configuration, 3 lint only."""

from daemon.cli.main import main

__all__ = ["main"]
