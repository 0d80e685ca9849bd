"""(e) Recount of a day: from the archive, by the second way of counting, agreed in every row."""

import shutil
from datetime import UTC, datetime

from sqlalchemy import text

from services.metering.archive.storage import ArchiveStorage
from services.metering.archive.verification import Verifier
from shared.clock import SystemClock
from shared.topics import USAGE_RECORDED
from tests.bench.events import Shape
from tests.bench.log import Preloaded, preload
from tests.bench.results import Bench, Figure, check
from tests.bench.rig import ACCOUNT, Rig, fresh_rig
from tests.bench.worker import drain

PART = "recount"
EVENTS = 10_000_000


async def measure(bench: Bench) -> None:
    """Count and archive a day, then count it again from the archive."""
    bench.report("recount: writing the log")
    log = await preload(bench.address.kafka_bootstrap, bench.scaled(EVENTS), Shape())
    day = datetime.now(UTC).date()
    archive = bench.folder / "archive"
    shutil.rmtree(archive, ignore_errors=True)
    async with fresh_rig(bench.address, bench.folder) as fresh:
        rig = fresh.with_settings(archive_url=archive.resolve(), archive_seconds=1)
        await _archive_from(rig, log)
        bench.report("recount: counting")
        await drain(rig, log)
        seconds = []
        bench.report("recount: archiving")
        arguments = ("services.metering", "archiver")
        async with (
            rig.running(*arguments, ready=b"archiver_started"),
            rig.database() as database,
        ):
            verifier = Verifier(database, ArchiveStorage.open(str(archive)), SystemClock())
            # The first one also waits for the archive.
            for _ in range(bench.repeats + 1):
                outcome = await verifier.verify(ACCOUNT, day, report=bench.report)
                check(("agreed", log.events), (outcome.outcome, outcome.events), "the recount")
                seconds.append(float(outcome.duration_seconds))
    shutil.rmtree(archive, ignore_errors=True)
    extra = {"events": log.events}
    bench.add(Figure(PART, "seconds", "s", seconds[1:], better="less", extra=extra))


async def _archive_from(rig: Rig, log: Preloaded) -> None:
    """Let the archiver begin where the log of this part does."""
    async with rig.database() as database, database.transaction() as connection:
        for partition, offset in log.begin.items():
            await connection.execute(
                text(
                    "insert into metering.archive_offset (topic, partition, next_offset)"
                    " values (:topic, :partition, :offset)"
                    " on conflict (topic, partition) do update set next_offset = :offset"
                ),
                {"topic": USAGE_RECORDED.name, "partition": partition, "offset": offset},
            )
