"""Tables in CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import IO

from typing_extensions import override

from daemon.backtest.tables import TableHistory
from daemon.model import ConfigError

_DELIMITERS = ",;\t|"


class CsvHistory(TableHistory):
    """One file; what parts its columns is found out from the header, unless the map tells."""

    @override
    def _read_header(self) -> list[str]:
        with self._open() as file:
            head = file.readline()
        self._delimiter = self._map.delimiter or max(_DELIMITERS, key=head.count)
        return [name.strip() for name in next(csv.reader([head], delimiter=self._delimiter), [])]

    @override
    def _rows(self) -> Iterator[list[str]]:
        with self._open() as file:
            rows = csv.reader(file, delimiter=self._delimiter)
            next(rows)
            try:
                yield from rows
            except csv.Error as error:
                raise ConfigError([f"{self.path}:{rows.line_num}: no CSV: {error}"]) from error

    def _open(self) -> IO[str]:
        try:
            return self.path.open(encoding="utf-8-sig", errors="replace", newline="", buffering=1 << 18)
        except OSError as error:
            raise ConfigError([f"{self.path}: cannot be read: {error.strerror}; check path and rights"]) from error
