"""The worker: reads its share of `usage.recorded`, from where Postgres says each partition stands.

There is no consumer group. Leases say which worker reads which partitions, and that is all they
say: the stored offset is the truth, and the compare-and-set in the flush fences a stale worker.
Whatever else goes wrong ends the process: the next one starts from Postgres.
"""

import asyncio

import structlog

from services.metering.ingest.log import read_partitions
from services.metering.repository.halts import insert_halts, read_accepted, read_open_halts
from services.metering.repository.offsets import FencedError, Move, provision, read_progress
from services.metering.repository.offsets import move_offsets as move
from services.metering.repository.tenants import KnownTenants
from services.metering.settings import MeteringSettings
from services.metering.worker.flush import Flusher
from services.metering.worker.leasing import Leasing
from services.metering.worker.log_reader import Batch, LogReader, create_consumer
from services.metering.worker.overlays import Originals
from services.metering.worker.reading import Reading
from services.metering.worker.rejection_limit import (
    RejectionLimit,
    RejectionLimitError,
    describe,
)
from services.metering.worker.standing import LogLostError, Standing, first_read, place_of
from services.metering.worker.watchdog import stalled
from shared.clock import Clock
from shared.database import Database
from shared.topics import USAGE_RECORDED

logger = structlog.get_logger()

HEARTBEAT_SECONDS = 1.0
IDLE_SECONDS = 0.25
"""How soon a worker without partitions asks again for some."""
WATCH_SECONDS = 5.0
FENCED_IN_A_ROW_MAX = 5


class Worker:
    """Counts its share of the log until it is told to stop."""

    def __init__(
        self,
        settings: MeteringSettings,
        database: Database,
        clock: Clock,
        *,
        originals: Originals,
    ) -> None:
        self._settings = settings
        self._flusher = Flusher(database, originals)
        self._database = database
        self._clock = clock
        self._limit = RejectionLimit(settings.rejected_ratio_max, settings.rejected_run_max)
        self._leasing = Leasing(
            database, USAGE_RECORDED, lease_seconds=settings.worker_lease_seconds
        )
        self._stopping = asyncio.Event()
        self._reader = LogReader(
            settings,
            KnownTenants(database, clock),
            self._stopping,
            consumer=create_consumer(settings),
        )
        self._positions = self._reader.positions
        self._beat_at = 0.0

    def stop(self) -> None:
        """End after the flush that is under way, and give the partitions back."""
        self._stopping.set()

    async def run(self) -> None:
        """Count until `stop`. Every error means: end the process without a further word."""
        await self._reader.start()
        try:
            await self._prepare()
            async with asyncio.TaskGroup() as tasks:
                beside = [
                    tasks.create_task(self._watch()),
                    tasks.create_task(self._leasing.keep()),
                ]
                await self._count_until_stopped()
                for task in beside:
                    task.cancel()
            await self._leasing.leave()
        finally:
            await self._reader.stop()

    async def _prepare(self) -> None:
        async with self._database.transaction() as connection:
            counted_with = await provision(connection, USAGE_RECORDED)
        partitions = await read_partitions(self._reader.consumer, USAGE_RECORDED)
        if len(partitions) != counted_with:
            raise LogLostError(f"{len(partitions)} partitions, counted with {counted_with}")
        self._reader.partitions = counted_with
        logger.info("worker_started", worker=self._leasing.member.worker_id)

    async def _count_until_stopped(self) -> None:
        fenced = 0
        while not self._stopping.is_set():
            try:
                counted = await self._round()
            except FencedError as error:
                # Rolled back, so nothing is open: what we remember is stale, Postgres knows.
                fenced += 1
                logger.warning("worker_fenced", error=str(error), in_a_row=fenced)
                if fenced > FENCED_IN_A_ROW_MAX:
                    raise
                await self._reader.drop()
                self._hold(frozenset())
            else:
                fenced = 0 if counted else fenced

    async def _round(self) -> bool:
        """Settle the partitions if it is time, then count one batch while the next is read."""
        loop = asyncio.get_running_loop()
        if not self._positions or loop.time() - self._beat_at >= HEARTBEAT_SECONDS:
            await self._balance()
            await self._beat()
            self._beat_at = loop.time()
        if not self._positions:
            await self._pause(IDLE_SECONDS)
            return False
        batch = await self._reader.next_batch()
        if batch is None:
            return False
        self._reader.read_ahead()
        await self._flush(batch)
        return True

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass

    async def _balance(self) -> None:
        """Give up and take partitions; what was read ahead of them is read again."""
        held = await self._leasing.balance()
        if held != self._positions.keys():
            given_up, taken = self._positions.keys() - held, held - self._positions.keys()
            await self._reader.drop()
            self._hold(held)
            await self._take(taken)
            self._reader.assign()
            logger.info("partitions_changed", taken=sorted(taken), given_up=sorted(given_up))

    def _hold(self, partitions: frozenset[int]) -> None:
        for partition in self._positions.keys() - partitions:
            self._give_up(partition)

    def _give_up(self, partition: int) -> None:
        """Drop all that is in memory of a partition: from now on another worker may change it."""
        del self._positions[partition]
        self._limit.forget(partition)
        self._flusher.memory.forget(partition)

    async def _take(self, partitions: frozenset[int]) -> None:
        """Build what is in memory of these partitions anew, from Postgres."""
        if not partitions:
            return
        async with self._database.transaction() as connection:
            stored = await read_progress(connection, USAGE_RECORDED)
            halts = await read_open_halts(connection, USAGE_RECORDED)
            accepted = await read_accepted(connection, USAGE_RECORDED)
        for halt in halts:
            if halt["partition"] in partitions:
                place = f"{halt['partition']}:{halt['offset']} {halt['code']}"
                raise RejectionLimitError(f"counting was halted at {place} and is not accepted")
        places = [place_of(partition) for partition in partitions]
        begins = await self._reader.consumer.beginning_offsets(places)
        ends = await self._reader.consumer.end_offsets(places)
        now = asyncio.get_running_loop().time()
        for partition in sorted(partitions):
            place, progress = place_of(partition), stored[partition]
            start = first_read(progress.next_offset, begins[place], ends[place])
            self._positions[partition] = Standing(progress.next_offset, start, start, now)
            self._limit.accepted_below[partition] = accepted.get(partition, 0)

    async def _flush(self, batch: Batch) -> None:
        started = asyncio.get_running_loop().time()
        await self._stop_at_limit(batch.reading)
        now = self._clock.now()
        moves = {
            partition: Move(
                expected=self._positions[partition].stored,
                new=through,
                counted_through=min(batch.taken_at[partition], now),
            )
            for partition, through in batch.through.items()
        }
        flushed = await self._flusher.flush(batch.reading, moves)
        ended = asyncio.get_running_loop().time()
        for partition, step in moves.items():
            self._positions[partition].count(step.new, now=ended)
        logger.info(
            "flushed",
            records=batch.records,
            counted=flushed.counted,
            duplicates=flushed.duplicates,
            rejected=flushed.rejected,
            seconds=round(ended - started, 3),
        )

    async def _stop_at_limit(self, reading: Reading) -> None:
        """Raise, with the halt stored for a person to see, before too much is rejected."""
        excess = self._limit.exceeded(reading)
        if excess:
            async with self._database.transaction() as connection:
                await insert_halts(connection, USAGE_RECORDED, excess)
            raise RejectionLimitError(describe(excess))

    async def _beat(self) -> None:
        """Say of partitions that are counted to their end that all is counted until now.

        The same compare-and-set as in a flush: a stale worker notices here, too.
        """
        if not self._positions:
            return
        now = self._clock.now()
        ends = await self._reader.consumer.end_offsets([place_of(p) for p in self._positions])
        moves = {
            partition: Move(position.stored, position.stored, now)
            for partition, position in self._positions.items()
            if position.is_counted_to(ends[place_of(partition)])
        }
        if moves:
            async with self._database.transaction() as connection:
                await move(connection, USAGE_RECORDED, moves)

    async def _watch(self) -> None:
        """Raise when one of our partitions has records and none was counted for too long."""
        limit = self._settings.worker_stalled_seconds
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(WATCH_SECONDS, limit / 2))
            if self._positions:
                watched = dict(self._positions)
                ends = await self._reader.consumer.end_offsets([place_of(p) for p in watched])
                lags = {
                    p: ends[place_of(p)] - position.waiting_from for p, position in watched.items()
                }
                stalled(watched, lags, now=loop.time(), seconds_max=limit)
