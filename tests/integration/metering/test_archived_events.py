"""Raw events read back from the archive: some days are read without the files of the others."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest

from services.metering.archive.storage import ArchiveStorage
from services.metering.event_source import EventSelection, HistoricEvents
from tests.support.recounting import DAY
from tests.support.stack import StackAddress

from .conftest import NOON, make_event
from .test_archive_verification import Archive, _archive, _random_events

__all__ = ["_archive"]

COLUMNS = ("partition", "offset", "index", "event_id")
EVERY_DAY = (None, None)


@dataclass(frozen=True)
class CountingStorage(ArchiveStorage):
    """An archive that remembers which files were opened."""

    opened: list[str] = field(default_factory=list)

    def read(self, path: str, columns: Sequence[str] | None = None) -> pa.Table:
        self.opened.append(Path(path).name)
        return super().read(path, columns)


async def read(
    archive: Archive, stack: StackAddress, days: tuple[date | None, date | None]
) -> tuple[set[tuple[Any, ...]], list[str]]:
    """Return (position, id) of what counted on days, and the files that were opened for it."""
    storage = CountingStorage(archive.storage.filesystem, archive.storage.root)
    source = HistoricEvents(archive.ledger.database, stack.kafka_bootstrap, storage)
    first, end = days
    selection = EventSelection(archive.account, None, first, end, archive.ledger.offsets)
    events = await source.events(selection)
    return set(events.select(*COLUMNS, "occurred_at").rows()), storage.opened


@pytest.mark.parametrize("seed", range(6))
async def test_days_are_those_of_the_whole(
    archive: Archive, stack: StackAddress, seed: int
) -> None:
    """Re-sends, conflicts, revisions, corrections that move an event, responses seen twice."""
    events = _random_events(Random(seed))  # noqa: S311 - a reproducible log
    for begin in range(0, len(events), 3):
        await archive.ledger.count(*events[begin : begin + 3])
    await archive.catch_up()
    whole, _ = await read(archive, stack, EVERY_DAY)

    for first, end in ((-1, 0), (0, 1), (1, 2), (0, 2), (-1, 1)):
        window = (DAY + timedelta(days=first), DAY + timedelta(days=end))
        found, _ = await read(archive, stack, window)
        assert {row for row in whole if window[0] <= row[-1].date() < window[1]} == found


async def test_files_of_other_days_stay_closed(archive: Archive, stack: StackAddress) -> None:
    """Without corrections, only the files of the selected days are opened."""
    for back in range(20):
        day = NOON - timedelta(days=back)
        await archive.ledger.count(make_event(f"e-{back}", occurred_at=day))
    await archive.catch_up()

    found, opened = await read(archive, stack, (date(2026, 1, 30), date(2026, 2, 1)))

    assert {"e-0", "e-1"} == {row[3] for row in found}
    assert {"2026-01-30", "2026-01-31"} == {name[:10] for name in opened}


async def test_a_response_that_another_instrument_booked_counts_on_no_day(
    archive: Archive, stack: StackAddress
) -> None:
    """Its id counts nothing, also where it comes again with another day: the first one is read."""
    response = {"response_id": "r-1", "instrument": "wrapper"}
    before = NOON - timedelta(days=9)
    await archive.ledger.count(make_event("owner", occurred_at=before, **response))
    seen = response | {"instrument": "gateway"}
    await archive.ledger.count(make_event("loser", occurred_at=before, **seen))
    await archive.ledger.count(make_event("loser"), make_event("other"))
    await archive.catch_up()

    found, _ = await read(archive, stack, (date(2026, 1, 31), date(2026, 2, 1)))

    assert {"other"} == {row[3] for row in found}
