"""October on the simulated site, played once for all tests of the review."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from daemon.cli.main import app
from tests.month import Stage, october


class Played:
    """A site whose October has been played, and the command on it."""

    def __init__(self, folder: Path, stage: Stage) -> None:
        self.folder = folder
        self.stage = stage
        self.complaints = folder / "complaints.csv"
        with self.complaints.open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(["time", "asset", "text"])
            table.writerows([at.isoformat(), asset, text] for at, asset, text in stage.complaints)

    def run(self, *arguments: str) -> Result:
        """`precomplaint report …` on this site."""
        return CliRunner().invoke(app, ["report", "-c", str(self.folder), *arguments])


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    folder = tmp_path_factory.mktemp("october")
    return Played(folder, october(folder))
