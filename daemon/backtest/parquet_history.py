"""Tables in Parquet; read by pyarrow, which is installed with `precomplaint[parquet]`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from typing_extensions import override

from daemon.backtest.tables import TableHistory
from daemon.model import ConfigError

_ROWS = 20_000


class ParquetHistory(TableHistory):
    """One file, a piece at a time; its values are taken as texts, as those of CSV are."""

    @override
    def _read_header(self) -> list[str]:
        return [str(name) for name in self._open().schema_arrow.names]

    @override
    def _rows(self) -> Iterator[list[str]]:
        import pyarrow as pa  # noqa: PLC0415  an extra

        file = self._open()
        try:
            for batch in file.iter_batches(batch_size=_ROWS):
                texts = [
                    column.cast(_plain(column.type)).cast(pa.string()).fill_null("").to_pylist()
                    for column in batch.columns
                ]
                yield from map(list, zip(*texts, strict=True))
        except (pa.ArrowException, OSError) as error:
            raise ConfigError([f"{self.path}: cannot be read: {error}"]) from error

    def _open(self) -> Any:  # noqa: ANN401  pyarrow has no types
        try:
            import pyarrow as pa  # noqa: PLC0415  an extra
            from pyarrow import parquet  # noqa: PLC0415  an extra
        except ImportError as error:
            what = "Parquet needs pyarrow; install it with `pip install 'precomplaint[parquet]'`, or give CSV"
            raise ConfigError([f"{self.path}: {what}"]) from error
        try:
            return parquet.ParquetFile(self.path)
        except (pa.ArrowException, OSError) as error:
            raise ConfigError([f"{self.path}: no Parquet that can be read: {error}"]) from error


def _plain(kind: Any) -> Any:  # noqa: ANN401  pyarrow has no types
    """The type from which a text is made: dictionaries are unfolded, times cut to what can be read back."""
    import pyarrow as pa  # noqa: PLC0415  an extra

    if pa.types.is_dictionary(kind):
        return kind.value_type
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        return pa.timestamp("us", kind.tz)
    return kind
