"""Looking over a Modbus bus: which units answer, which registers they have, how many they give at once.

    units ──> one register each: an answer, or a refusal, is a sign of life; silence is none
    table ──> all at once? else from each address on twice as many, then by bisection the last that is there
    again ──> what changes between two looks

Only the function codes 1 to 4 exist here. There is a pause before each request and an end to their number, and
whatever ends the look-over early, what was found until then stands in the `Scan`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from daemon.clock import Clock
from daemon.model import SourceDown
from daemon.sensors.blocks import MOST_REGISTERS
from daemon.sensors.modbus_config import ModbusConfig
from daemon.sensors.modbus_link import Link, NoAnswer, Refused
from daemon.sensors.registers import Table

#: The unit does not know the function at all.
_NO_SUCH_TABLE = 1
#: Acknowledge, busy: the same request may be answered a little later.
_LATER = frozenset({5, 6})
#: A gateway says that nobody behind it answers to this number.
_NOBODY = frozenset({10, 11})
_LATER_AFTER = 1.0
#: Registers, or pairs of them, in a row that stay unanswered before a unit counts as gone.
_MOST_SILENT = 3
#: Every device gives so many.
_SMALLEST = 2


class Enough(Exception):
    """As many requests as were allowed have been made."""


class _UnitLost(Exception):
    """It answered before, and does not any more."""


class _NoTable(Exception):
    """The unit does not know this table."""


@dataclass(slots=True)
class TableFound:
    """What is known of one table of a unit."""

    table: Table
    #: Runs of addresses that are there: (first, number of them).
    runs: list[tuple[int, int]] = field(default_factory=list)
    #: Addresses that were refused.
    refused: list[int] = field(default_factory=list)
    #: How many registers at most come in one answer; None: no limit was met.
    limit: int | None = None
    #: The most that did.
    largest: int = 0
    #: Words by address, one for each look; the first is gathered while looking for addresses.
    looks: list[dict[int, int]] = field(default_factory=list)
    #: The unit does not know the function.
    unknown: bool = False
    #: Only whole pairs of registers are given.
    pairs: bool = False


@dataclass(slots=True)
class UnitFound:
    """A unit that answers."""

    number: int
    tables: list[TableFound] = field(default_factory=list)
    #: The number of a unit that shows the very same registers: most likely one device that answers to every number.
    same_as: int | None = None
    #: It stopped answering.
    lost: bool = False


@dataclass(slots=True)
class Scan:
    """What has been found so far."""

    place: str
    requests: int = 0
    units: list[UnitFound] = field(default_factory=list)
    #: Units that do not answer.
    silent: list[int] = field(default_factory=list)
    #: Why it ended before its end: `enough`, `interrupted`, or what became of the connection.
    ended: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be looked at, and how gently."""

    units: Sequence[int]
    tables: Sequence[Table] = ("holding", "input")
    #: Runs of addresses: (first, number of them).
    spans: Sequence[tuple[int, int]] = ((0, 128),)
    #: Looks at the registers that were found, and the seconds between them.
    looks: int = 3
    every: float = 1.0
    #: Seconds of silence before each request, at least.
    pause: float = 0.05
    most_requests: int = 1000


#: Told what is being looked at.
Progress = Callable[[str], None]


class Scanner:
    """Looks over one bus; use `run` once."""

    def __init__(self, config: ModbusConfig, wanted: Wanted, clock: Clock, progress: Progress) -> None:
        self.scan = Scan(config.place)
        self._config = config
        self._wanted = wanted
        self._clock = clock
        self._progress = progress
        self._link = Link(config)
        self._pause = max(wanted.pause, config.pause)
        self._silent_in_a_row = 0

    async def run(self) -> None:
        """Look; the result grows in `scan`. Leaves by itself, with the reason in `scan.ended`, when it must.

        Raises:
            SourceDown: the bus could not be reached in the first place.
        """
        try:
            await self._link.connect()
            for number in self._wanted.units:
                await self._look_for(number)
            for unit in self.scan.units:
                await self._look_over(unit)
        except Enough:
            self.scan.ended = "enough"
        except SourceDown as down:
            if not self.scan.requests:
                raise
            self.scan.ended = str(down)
        finally:
            self._link.close()

    # --- units --------------------------------------------------------------------------------------------

    async def _look_for(self, number: int) -> None:
        self._progress(f"单元 unit {number}")
        if await self._answers(number):
            self.scan.units.append(UnitFound(number))
        else:
            self.scan.silent.append(number)

    async def _answers(self, number: int) -> bool:
        for table in self._wanted.tables:
            try:
                await self._read(number, table, self._wanted.spans[0][0], 1)
            except NoAnswer:
                continue
            except Refused as refused:
                if refused.code in _NOBODY:
                    continue
            return True
        return False

    async def _look_over(self, unit: UnitFound) -> None:
        try:
            if await self._is_twin(unit):
                return
            for name in self._wanted.tables:
                found = TableFound(name, looks=[{}])
                unit.tables.append(found)
                await self._map(unit.number, found)
            for _ in range(self._wanted.looks - 1):
                if any(found.runs for found in unit.tables):
                    await self._clock.sleep(self._wanted.every)
                for found in unit.tables:
                    await self._look_again(unit.number, found)
        except _UnitLost:
            unit.lost = True

    async def _is_twin(self, unit: UnitFound) -> bool:
        """Whether it shows what a unit before it has just shown: asked on Modbus TCP only, whose devices do that."""
        if self._config.rtu:
            return False
        for other in self.scan.units:
            if other is unit:
                return False
            found = next((t for t in other.tables if t.runs and any(t.looks[-1].values())), None)
            if found is None:
                continue
            start, count = found.runs[0]
            count = min(count, found.largest)
            shown = [found.looks[-1].get(address) for address in range(start, start + count)]
            try:
                if list(await self._read(unit.number, found.table, start, count)) == shown:
                    unit.same_as = other.number
                    return True
            except (NoAnswer, Refused):
                continue
        return False

    # --- registers ----------------------------------------------------------------------------------------

    async def _map(self, unit: int, found: TableFound) -> None:
        try:
            for start, count in self._wanted.spans:
                await self._walk(unit, found, start, start + count, 1)
            if not found.runs and found.refused:  # some have 32-bit values only, and refuse half of one
                for start, count in self._wanted.spans:
                    await self._walk(unit, found, start, start + count, 2)
                found.pairs = bool(found.runs)
        except _NoTable:
            found.unknown = True

    async def _walk(self, unit: int, found: TableFound, at: int, end: int, step: int) -> None:
        """From `at` to before `end`, by steps of that many registers."""
        whole = True
        while at + step <= end:
            most = min(found.limit or MOST_REGISTERS, end - at) // step * step
            self._progress(f"单元 unit {unit} {found.table} {at}")
            if whole and most > step and await self._is_there(unit, found, at, most):
                good = most
            else:
                good = await self._longest(unit, found, at, most - step if whole and most > step else most, step)
            whole = good == most
            if not good:
                if step == 1:
                    found.refused.append(at)
                at += step
                continue
            _join(found, at, good)
            at += good
            is_limit = found.limit is None and not whole and at + step <= end
            if is_limit and await self._is_there(unit, found, at, step):
                found.limit = good
                whole = True

    async def _longest(self, unit: int, found: TableFound, at: int, most: int, step: int) -> int:
        """How many registers from `at` on come in one answer, `most` at most: doubled, then bisected."""
        good, size = 0, step
        while await self._is_there(unit, found, at, size):
            good = size
            if good >= most:
                return good
            size = min(size * 2, most)
        bad = size
        while bad - good > step:
            middle = (good + bad) // 2 // step * step
            if await self._is_there(unit, found, at, middle):
                good = middle
            else:
                bad = middle
        return good

    async def _is_there(self, unit: int, found: TableFound, start: int, count: int) -> bool:
        try:
            words = await self._read(unit, found.table, start, count)
        except Refused as refused:
            self._silent_in_a_row = 0
            if refused.code == _NO_SUCH_TABLE:
                raise _NoTable from refused
            if refused.code in _NOBODY:
                raise _UnitLost from refused
            return False
        except NoAnswer as silence:
            self._silent_in_a_row += count <= _SMALLEST  # of a larger block silence may mean: too large
            if self._silent_in_a_row >= _MOST_SILENT:
                raise _UnitLost from silence
            return False
        self._silent_in_a_row = 0
        found.largest = max(found.largest, count)
        found.looks[-1].update(zip(range(start, start + count), words, strict=True))
        return True

    async def _look_again(self, unit: int, found: TableFound) -> None:
        found.looks.append({})
        for first, number in found.runs:
            for start in range(first, first + number, found.largest):
                await self._is_there(unit, found, start, min(found.largest, first + number - start))
        if not found.looks[-1]:
            found.looks.pop()

    async def _read(self, unit: int, table: Table, start: int, count: int) -> Sequence[int]:
        """One request, after a pause; asked again once when the unit says that it is busy."""
        try:
            return await self._ask(unit, table, start, count)
        except Refused as refused:
            if refused.code not in _LATER:
                raise
        await self._clock.sleep(_LATER_AFTER)
        return await self._ask(unit, table, start, count)

    async def _ask(self, unit: int, table: Table, start: int, count: int) -> Sequence[int]:
        if self.scan.requests >= self._wanted.most_requests:
            raise Enough
        await self._clock.sleep(self._pause)
        self.scan.requests += 1
        try:
            return await self._link.read(unit, table, start, count)
        except SourceDown as down:
            # some hang up on what they do not like: it counts as silence when they take a connection again
            if self.scan.requests == 1:
                raise
            await self._clock.sleep(_LATER_AFTER)
            await self._link.connect()
            raise NoAnswer(str(down)) from down


def _join(found: TableFound, start: int, count: int) -> None:
    if found.runs and sum(found.runs[-1]) == start:
        found.runs[-1] = (found.runs[-1][0], found.runs[-1][1] + count)
    else:
        found.runs.append((start, count))


def spans_of(addresses: Iterable[int]) -> list[tuple[int, int]]:
    """Addresses in order as runs: (first, last)."""
    spans: list[tuple[int, int]] = []
    for address in addresses:
        if spans and spans[-1][1] == address - 1:
            spans[-1] = (spans[-1][0], address)
        else:
            spans.append((address, address))
    return spans
