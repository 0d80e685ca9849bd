"""The archive on real servers: complete, fenced, harmless to kill, and read back by position."""

import asyncio
import errno
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from services.metering.archive.archiver import Archiver, archive_records
from services.metering.archive.lookup import EVENT_SCHEMA, EventLookup
from services.metering.archive.storage import ArchiveStorage
from services.metering.ingest.batch import encode_envelope
from services.metering.ingest.envelope import Sender, place
from services.metering.ingest.log import KafkaLogEnds, KafkaUsageLog
from services.metering.repository import archive as repository
from services.metering.repository.offsets import FencedError
from services.metering.worker.reading import Record
from shared.broker import create_producer
from shared.database import Database
from shared.topics import USAGE_RECORDED
from tests.support.stack import StackAddress

from .conftest import make_event

VENDOR = "vendor-archive"
WAIT_SECONDS = 30.0
BEYOND = 10**12
"""Offsets that no log of these tests reaches: events there are found in the archive only."""


@pytest.fixture(name="storage")
def _storage(tmp_path: Path) -> ArchiveStorage:
    return ArchiveStorage.open(str(tmp_path / "archive"))


def _envelope(*event_ids: str, **changes: Any) -> bytes:
    events = [make_event(event_id, **changes) for event_id in event_ids]
    return encode_envelope([place(e, Sender(VENDOR, "live"), partitions=4).row for e in events])


async def _begin(database: Database, partition: int, offset: int) -> None:
    async with database.transaction() as connection:
        await repository.provision_archive(connection, [partition])
        await connection.exec_driver_sql(
            "update metering.archive_offset set next_offset = $1 where partition = $2",
            (offset, partition),
        )


async def _offset(database: Database, partition: int) -> int:
    async with database.transaction() as connection:
        return (await repository.read_archive_offsets(connection))[partition]


async def _is_behind(database: Database, ends: dict[int, int]) -> bool:
    async with database.transaction() as connection:
        offsets = await repository.read_archive_offsets(connection)
    return any(offsets[p] < end for p, end in ends.items())


def _files_in(storage: ArchiveStorage) -> list[Path]:
    return list(Path(storage.root).rglob("*.parquet"))


async def test_a_crash_between_files_and_manifest_is_harmless(
    metering: Database, storage: ArchiveStorage, stack: StackAddress
) -> None:
    """Files whose transaction did not happen do not exist; written again, each event is there."""
    await _begin(metering, 0, BEYOND)
    records = [Record(0, BEYOND + i, _envelope(f"e-{i}", "twice")) for i in range(3)]
    lookup = EventLookup(stack.kafka_bootstrap, metering, storage)
    positions = [(0, BEYOND + i, index) for i in range(3) for index in range(2)]

    with pytest.raises(FencedError):
        # The transaction fails after the files are written, as in a crash between the two.
        await archive_records(metering, storage, records, expected=BEYOND - 1)
    orphans = _files_in(storage)
    before = await lookup.read_events(positions)
    await archive_records(metering, storage, records, expected=BEYOND)
    after = await lookup.read_events(positions)

    assert (1, 0) == (len(orphans), before.height)
    assert EVENT_SCHEMA == after.schema == before.schema
    assert positions == after.select("partition", "offset", "index").rows()
    assert ["e-0", "twice", "e-1", "twice", "e-2", "twice"] == after["event_id"].to_list()
    assert BEYOND + 3 == await _offset(metering, 0)


async def test_a_stale_archiver_is_fenced(metering: Database, storage: ArchiveStorage) -> None:
    """Of two archivers with the same records one moves the offset; no file is recorded twice."""
    await _begin(metering, 1, BEYOND)
    records = [Record(1, BEYOND + i, _envelope(f"e-{i}")) for i in range(4)]

    results = await asyncio.gather(
        archive_records(metering, storage, records, expected=BEYOND),
        archive_records(metering, storage, records[:2], expected=BEYOND),
        return_exceptions=True,
    )

    assert [FencedError] == [type(r) for r in results if r is not None]
    async with metering.transaction() as connection:
        files = await repository.list_files(connection, {1: BEYOND + 10})
    assert sum(f.rows for f in files) == await _offset(metering, 1) - BEYOND


async def test_without_the_compare_and_set_events_are_archived_twice(
    metering: Database, storage: ArchiveStorage
) -> None:
    """The broken variant: an archiver that records its files without it doubles the events."""
    await _begin(metering, 2, BEYOND)
    records = [Record(2, BEYOND + i, _envelope(f"e-{i}")) for i in range(4)]
    await archive_records(metering, storage, records, expected=BEYOND)
    # What an archiver does that believes in nothing but its own memory.
    await _begin(metering, 2, BEYOND)
    await archive_records(metering, storage, records[:2], expected=BEYOND)

    async with metering.transaction() as connection:
        files = await repository.list_files(connection, {2: BEYOND + 10})
    assert sum(f.rows for f in files) > 4


async def test_the_archiver_archives_the_log(
    metering: Database, storage: ArchiveStorage, stack: StackAddress
) -> None:
    """What is appended to the log is in the archive soon, all of it, at its position."""
    ends = KafkaLogEnds(stack.kafka_bootstrap)
    await ends.start()
    starts = await ends.end_offsets()
    for partition, offset in starts.items():
        await _begin(metering, partition, offset)
    log = KafkaUsageLog(stack.kafka_bootstrap)
    envelopes = [(p, _envelope(f"e-{i}-{p}", f"f-{i}")) for i in range(150) for p in range(4)]
    await log.append(envelopes)
    await log.stop()
    finish = await ends.end_offsets()
    await ends.stop()

    archiver = Archiver(stack.kafka_bootstrap, metering, storage, seconds=0.5)
    async with asyncio.timeout(WAIT_SECONDS):
        running = asyncio.create_task(archiver.run())
        while await _is_behind(metering, finish):  # noqa: ASYNC110 - the archiver moves it
            await asyncio.sleep(0.05)
    running.cancel()
    await asyncio.wait([running])

    async with metering.transaction() as connection:
        files = await repository.list_files(connection, dict.fromkeys(finish, BEYOND))
    own = [f for f in files if f.first_offset >= starts[f.partition]]
    rows = pl.concat(pl.DataFrame(pl.from_arrow(storage.read(f.path))) for f in own)
    ours = rows.filter(pl.col("vendor_id") == VENDOR)
    assert 2 * len(envelopes) == ours.height
    assert ours.height == ours.select("partition", "offset", "index").unique().height
    for file in own:
        assert file.first_offset // 256 == (file.end_offset - 1) // 256


async def test_events_are_read_from_the_log(
    metering: Database, storage: ArchiveStorage, stack: StackAddress
) -> None:
    """An event that the log still has needs no archive; unknown positions are left out."""
    producer = create_producer(stack.kafka_bootstrap)
    await producer.start()
    sent = [
        await producer.send(USAGE_RECORDED.name, _envelope(f"e-{i}", f"f-{i}"), partition=3)
        for i in range(300)
    ]
    offsets = [(await one).offset for one in sent]
    await producer.stop()
    lookup = EventLookup(stack.kafka_bootstrap, metering, storage)

    found = await lookup.read_events(
        [(3, offsets[-1], 0), (3, BEYOND, 0), (3, offsets[0], 1), (3, offsets[-1], 9)]
    )

    assert [(offsets[0], 1, "f-0"), (offsets[-1], 0, "e-299")] == found.select(
        "offset", "index", "event_id"
    ).rows()


async def test_a_full_disk_archives_nothing_and_loses_nothing(
    metering: Database, storage: ArchiveStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without room no file and no offset: the same records are written when there is some."""
    await _begin(metering, 2, BEYOND)
    records = [Record(2, BEYOND, _envelope("e-1"))]

    def refuse(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr("os.fsync", refuse)
        with pytest.raises(OSError, match="No space left"):
            await archive_records(metering, storage, records, expected=BEYOND)
    nothing = (await _offset(metering, 2), _all_files_in(storage))
    await archive_records(metering, storage, records, expected=BEYOND)

    assert (BEYOND, []) == nothing
    assert (BEYOND + 1, 1) == (await _offset(metering, 2), len(_all_files_in(storage)))


def _all_files_in(storage: ArchiveStorage) -> list[Path]:
    return [path for path in Path(storage.root).rglob("*") if path.is_file()]
