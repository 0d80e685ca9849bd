"""Recounts against the real worker's tables: seals wait for them, and differences are found."""

import asyncio
import os
import sys
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from services.metering.archive.archiver import archive_records
from services.metering.archive.storage import ArchiveStorage
from services.metering.archive.verification import Verifier, wait_until_verified
from services.metering.domain.event import TokenEvent
from services.metering.repository import archive as manifest
from services.metering.sealing import Sealer
from services.metering.worker.reading import Record
from shared.accounts.repository import Account
from shared.clock import FrozenClock
from shared.errors import TallyrollError
from shared.events.usage_aggregated import DaySealed
from tests.support.database import TestDatabase
from tests.support.recounting import DAY, random_event, void_event
from tests.support.stack import ROOT

from .conftest import NOON, Ledger, make_event

LAST_DAY = date(2026, 1, 31)
RECORDS_PER_FILE = 7
COMMAND = "import sys; from services.metering.cli import app; app(sys.argv[1:])"


class FixedEnds:
    """A log whose partitions end where they are told to."""

    def __init__(self, ends: Mapping[int, int]) -> None:
        self.ends = ends

    async def end_offsets(self) -> dict[int, int]:
        return dict(self.ends)


class Archive:
    """A ledger's log in an archive of its own, as far as it is told to archive."""

    def __init__(self, ledger: Ledger, folder: Path) -> None:
        self.ledger = ledger
        self.storage = ArchiveStorage.open(str(folder))
        self.clock = FrozenClock(NOON + timedelta(days=30))
        self.verifier = Verifier(ledger.database, self.storage, self.clock, wait_seconds=0.3)
        self.account = Account(ledger.vendor_id, "live")

    async def catch_up(self) -> None:
        """Archive everything that the ledger has counted."""
        async with self.ledger.database.transaction() as connection:
            stored = await manifest.read_archive_offsets(connection)
        for partition, end in self.ledger.offsets.items():
            begin = stored[partition]
            while begin < end:
                stop = min(begin + RECORDS_PER_FILE, end)
                records = [
                    Record(partition, o, self.ledger.log[partition, o]) for o in range(begin, stop)
                ]
                await archive_records(self.ledger.database, self.storage, records, expected=begin)
                begin = stop

    async def seal(self, through: date) -> None:
        sealer = Sealer(
            self.ledger.database, FixedEnds(self.ledger.offsets), self.clock, recounts=True
        )
        assert await sealer.close(self.account, through) is not None

    async def outcomes(self) -> dict[date, str]:
        rows = await self.ledger.query(
            "select day, outcome from metering.day_verification where vendor_id = :vendor"
        )
        return {row.day: row.outcome for row in rows}

    async def published(self) -> list[tuple[date, str]]:
        """Return the day and recount of the seals that left, once per partition."""
        messages = [m for _, m in await self.ledger.publish() if isinstance(m, DaySealed)]
        return sorted({(m.day, m.recount) for m in messages})


@pytest.fixture(name="archive")
async def _archive(ledger: Ledger, tmp_path: Path) -> Archive:
    archive = Archive(ledger, tmp_path / "archive")
    # What other tests counted lies in archives of their own.
    await ledger.query("delete from metering.archive_file")
    await ledger.query("delete from metering.archive_offset")
    await ledger.query("update metering.seal set recount = 'off' where recount = 'pending'")
    async with ledger.database.transaction() as connection:
        await manifest.provision_archive(connection, sorted(ledger.offsets))
    for partition, offset in ledger.offsets.items():
        await ledger.query(
            "update metering.archive_offset set next_offset = :offset where partition = :partition",
            offset=offset,
            partition=partition,
        )
    return archive


async def test_a_seal_is_published_after_its_recount_only(archive: Archive) -> None:
    """Seal, archive, recount, publication: each waits for the one before."""
    await archive.ledger.count(make_event("e-1"), make_event("e-1"), make_event("e-2"))
    await archive.seal(LAST_DAY)
    sealed = await archive.published()
    unarchived = await archive.verifier.verify_pending()
    await archive.catch_up()
    before = await archive.published()
    await archive.verifier.verify_pending()

    assert ([], [], []) == (sealed, unarchived, before)
    assert {LAST_DAY: "agreed"} == await archive.outcomes()
    assert [(LAST_DAY, "agreed")] == await archive.published()


async def test_a_seal_without_recounts_is_published_at_once(archive: Archive) -> None:
    """Where the deployment does not recount, a seal says so and does not wait."""
    await archive.ledger.count(make_event("e-1"))
    sealer = Sealer(archive.ledger.database, FixedEnds(archive.ledger.offsets), archive.clock)
    await sealer.close(archive.account, LAST_DAY)

    assert [(LAST_DAY, "off")] == await archive.published()


@pytest.mark.parametrize("seed", range(4))
async def test_random_usage_agrees(archive: Archive, seed: int) -> None:
    """Days with re-sends, late events, revisions, corrections and conflicts are counted alike."""
    random = Random(seed)  # noqa: S311 - a reproducible log
    events = _random_events(random)
    days = [DAY + timedelta(days=i) for i in (-1, 0, 1)]
    step = len(events) // 4 + 1
    for begin, day in zip(range(0, len(events), step), [None, *days], strict=True):
        for at in range(begin, min(begin + step, len(events)), 3):
            await archive.ledger.count(*events[at : min(at + 3, begin + step)])
        if day:
            await archive.seal(day)
            await archive.catch_up()
    await archive.verifier.verify_pending()
    await archive.catch_up()
    after = await archive.verifier.verify(archive.account, days[-1] + timedelta(days=1))

    assert dict.fromkeys(days, "agreed") | {after.day: "agreed"} == await archive.outcomes()
    counted = await archive.ledger.query(
        "select count(*) from metering.rollup where vendor_id = :vendor "
        "and (booked_day > usage_day or entry = 'correction')"
    )
    assert counted[0][0] > 0


def _random_events(random: Random) -> list[TokenEvent]:
    events: list[TokenEvent] = []
    for number in range(60):
        first = random_event(random, f"e-{number}", response_id=random.choice(["", f"r-{number}"]))
        events += [first] * random.choice([1, 1, 2])
        marks: dict[str, Any] = {"tenant_id": first.tenant_id}
        if first.response_id:
            other = {"response_id": first.response_id, "instrument": "gateway", **marks}
            events.append(random_event(random, f"o-{number}", **other))
        if random.random() < 0.1:
            events.append(random_event(random, first.event_id, **marks))
        for turn in range(random.choice([0, 0, 1, 2])):
            marks["revision"] = random.randint(1, 3)
            fixing = {"corrects": first.event_id, "action": "replace", "reason": "test"}
            events.append(
                random.choice(
                    [
                        void_event(f"c-{number}-{turn}", first, marks["revision"]),
                        random_event(random, f"c-{number}-{turn}", **marks, **fixing),
                        random_event(random, first.event_id, **marks),
                    ]
                )
            )
    random.shuffle(events)
    return events


async def test_a_changed_row_is_found_and_can_be_verified_again(archive: Archive) -> None:
    """The broken variant: one count more in the rollup differs; put right, the day agrees."""
    await archive.ledger.count(make_event("e-1"), make_event("e-2", tenant_id="globex"))
    await archive.seal(LAST_DAY)
    await archive.catch_up()
    change = (
        "update metering.rollup set quantity = quantity {} 1 where vendor_id = :vendor "
        "and kind = 'output_text' and tenant_id = 'globex'"
    )
    await archive.ledger.query(change.format("+"))
    verification = (await archive.verifier.verify_pending())[0]
    first = await archive.published()
    await archive.ledger.query(change.format("-"))
    await archive.verifier.verify(archive.account, LAST_DAY)

    assert ("differs", 1) == (verification.outcome, verification.differing_rows)
    names = ("tenant_id", "kind", "counted", "recounted")
    assert ["globex", "output_text", "3", "2"] == [verification.differences[0][n] for n in names]
    assert [(LAST_DAY, "differs")] == first
    assert [(LAST_DAY, "agreed")] == await archive.published()


async def test_a_recount_on_the_command_line(
    archive: Archive, database: TestDatabase, writer: Any
) -> None:
    """`recount` prints the outcome; a difference is shown, and is the exit code."""
    await writer(archive.ledger.vendor_id, live_from=LAST_DAY)
    await archive.ledger.count(make_event("e-1"))
    await archive.catch_up()
    agreed = await _recount(archive, database)
    await archive.ledger.query(
        "update metering.rollup set quantity = 41 where vendor_id = :vendor "
        "and kind = 'output_text'"
    )
    differs = await _recount(archive, database)

    who = f"{archive.ledger.vendor_id} live {LAST_DAY}"
    assert (0, True) == (agreed[0], agreed[1].startswith(f"{who}: agreed, 1 events in "))
    assert (3, True) == (differs[0], f"{who}: differs" in differs[1])
    assert "1 rows differ" in differs[1]
    assert "41 (1)" in differs[1]
    assert "2 (1)" in differs[1]


async def _recount(archive: Archive, database: TestDatabase) -> tuple[int | None, str]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "200",
        "TALLYROLL_KAFKA_BOOTSTRAP": "127.0.0.1:1",
        "TALLYROLL_METERING_DATABASE_URL": database.urls["metering"],
        "TALLYROLL_SECRET_KEY": "a-secret-of-more-than-thirty-two-characters",
        "TALLYROLL_ARCHIVE_URL": str(archive.storage.root),
    }
    options = ("--vendor", archive.ledger.vendor_id, "--day", str(LAST_DAY), "--mode", "live")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", COMMAND, "recount", *options, env=environment, cwd=ROOT,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    return process.returncode, out.decode()


async def test_an_event_counted_twice_is_found(archive: Archive) -> None:
    """The broken variant: a worker that forgets the ids that it has counted differs."""
    await archive.ledger.count(make_event("e-1"))
    await archive.ledger.query("delete from metering.plain_identity")
    archive.ledger.restart()
    await archive.ledger.count(make_event("e-1"))
    await archive.seal(LAST_DAY)
    await archive.catch_up()
    verification = (await archive.verifier.verify_pending())[0]

    assert ("differs", 2) == (verification.outcome, verification.differing_rows)
    assert {(2, 1)} == {
        (d["counted_events"], d["recounted_events"]) for d in verification.differences
    }


async def test_an_event_that_was_lost_is_found(archive: Archive) -> None:
    """The broken variant: a worker that moves its offset without counting differs."""
    await archive.ledger.count(make_event("e-1"))
    await archive.ledger.query("delete from metering.rollup where vendor_id = :vendor")
    await archive.catch_up()

    verification = await archive.verifier.verify(archive.account, LAST_DAY)

    assert ("differs", 2) == (verification.outcome, verification.differing_rows)


async def test_a_recount_waits_for_the_archive_in_bounded_time(archive: Archive) -> None:
    """Without an archiver a recount and a close give up with a code, and nothing is published."""
    await archive.ledger.count(make_event("e-1"))
    await archive.seal(LAST_DAY)
    shown: list[int] = []

    with pytest.raises(TallyrollError, match="archive_behind"):
        await archive.verifier.verify(archive.account, LAST_DAY)
    with pytest.raises(TallyrollError, match="recount_behind"):
        await wait_until_verified(
            archive.ledger.database, archive.account, LAST_DAY,
            progress=shown.append, stalled_seconds=0.2,
        )  # fmt: skip
    assert ([1], []) == (shown, await archive.published())


async def test_the_verifier_verifies_what_is_sealed(archive: Archive) -> None:
    """The running loop verifies sealed days by itself, and whoever waits is told."""
    late = datetime.combine(LAST_DAY - timedelta(days=3), time(1), UTC)
    await archive.ledger.count(make_event("e-1"), make_event("e-2", occurred_at=late))
    await archive.catch_up()
    running = asyncio.create_task(archive.verifier.run())
    await archive.seal(LAST_DAY)
    differing = await wait_until_verified(
        archive.ledger.database,
        archive.account,
        LAST_DAY,
        progress=lambda _days: None,
        stalled_seconds=10,
    )
    running.cancel()
    await asyncio.wait([running])

    assert [] == differing
    assert {"agreed"} == set((await archive.outcomes()).values())
    assert 4 == len(await archive.outcomes())
