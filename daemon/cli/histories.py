"""What commands that read histories share: whose history it is, and how far one is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from rich.progress import Progress, TextColumn, TimeElapsedColumn

from daemon.backtest import site as sites
from daemon.backtest.histories import is_journal
from daemon.backtest.journal_history import JournalHistory
from daemon.backtest.mapping import HistoryMap
from daemon.backtest.site import KnownSite
from daemon.cli.terminal import err
from daemon.model import ConfigError, Input, Observation
from daemon.rules.schema import Ruleset

_PIECE = 2000


def known_site(places: Sequence[str], mapping: HistoryMap | None, config: Path | None) -> KnownSite:
    """The site of the map, of the configuration or of a gateway's state file, whichever there is.

    Raises:
        ConfigError: there is none of them, or it has faults.
    """
    if mapping is not None and mapping.assets:
        return sites.on_paper(mapping)
    if config is not None:
        return sites.configured(config)
    for place in places:
        if is_journal(place):
            recorded = JournalHistory(Path(place))
            body = recorded.recording.rulesets.get(recorded.newest)
            if body is not None:
                return sites.of_ruleset(Ruleset.from_json(body))
    raise ConfigError(["which site? give -c gateway.yaml, or `assets:` in --map"])


def watched(inputs: Iterator[Input]) -> Iterator[list[Input]]:
    """The inputs in pieces; on a terminal one sees how far it is."""
    columns = (TextColumn("{task.description}"), TextColumn("{task.completed:,} readings 读数"), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task("…", total=None)
        while piece := list(islice(inputs, _PIECE)):
            yield piece
            readings = sum(len(item.readings) for item in piece if type(item) is Observation)
            progress.update(task, description=f"{piece[-1].at:%Y-%m-%d %H:%M}", advance=readings)
