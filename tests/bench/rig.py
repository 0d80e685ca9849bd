"""What the parts are measured on: a fresh stack, a database, metering's real processes."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import psutil
from aiokafka import AIOKafkaConsumer, TopicPartition
from sqlalchemy import text

from deploy.local.ports import free_ports
from services.metering.ingest.log import KafkaLogEnds
from services.metering.repository.offsets import provision
from shared.accounts import repository as accounts
from shared.accounts.keys import Scope, format_key, mint_key
from shared.accounts.repository import Account
from shared.accounts.schemas import ApiKeyWrite, TenantWrite
from shared.database import Database
from shared.topics import RECORD_BYTES_MAX, USAGE_RECORDED
from tests.bench.events import tenant_names
from tests.bench.load import Load, Sent
from tests.support.database import TestDatabase, fresh_database
from tests.support.stack import ROOT, StackAddress

VENDOR = "bench"
ACCOUNT = Account(VENDOR, "live")
SECRET = "a-secret-of-more-than-thirty-two-characters"
READY_SECONDS_MAX = 60.0
SAMPLE_SECONDS = 0.05


@dataclass
class Usage:
    """What a process used while it was watched: CPU seconds, largest resident memory in bytes."""

    cpu_seconds: float = 0.0
    peak_bytes: int = 0


@dataclass
class Running:
    """A process of ours, its children included."""

    process: asyncio.subprocess.Process
    log: Path
    peak_bytes: int = 0
    watcher: asyncio.Task[None] | None = None

    def cpu_seconds(self) -> float:
        """Return what the process and its children have used since they began."""
        return sum(_cpu_seconds(process) for process in family(self.process.pid))

    def check(self) -> None:
        """Raise with the end of its log when the process has ended."""
        if self.process.returncode is not None:
            raise RuntimeError(f"a process has ended: {self.log.read_text()[-2000:]}")

    async def watch(self) -> None:
        process = psutil.Process(self.process.pid)
        while self.process.returncode is None:
            self.peak_bytes = max(self.peak_bytes, _resident_bytes(process))
            await asyncio.sleep(SAMPLE_SECONDS)


def family(pid: int) -> list[psutil.Process]:
    """Return a process and its descendants, as far as they live."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _cpu_seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


def _resident_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


@dataclass(frozen=True)
class Rig:
    """One database on the stack, with a vendor, its tenants and a key of every scope."""

    address: StackAddress
    urls: TestDatabase
    folder: Path
    key: str
    settings: dict[str, str] = field(default_factory=dict)

    def with_settings(self, **settings: Any) -> "Rig":
        """Return the same with other settings of metering's processes."""
        named = {f"TALLYROLL_{name.upper()}": str(value) for name, value in settings.items()}
        return replace(self, settings=self.settings | named)

    @property
    def environment(self) -> dict[str, str]:
        """What metering's processes read."""
        return {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "TALLYROLL_KAFKA_BOOTSTRAP": self.address.kafka_bootstrap,
            "TALLYROLL_METERING_DATABASE_URL": self.urls.urls["metering"],
            "TALLYROLL_SECRET_KEY": SECRET,
            **self.settings,
        }

    @asynccontextmanager
    async def running(self, *arguments: str, ready: bytes) -> AsyncIterator[Running]:
        """Run a program until the block ends; it is ready when its log says so."""
        log = self.folder / f"{arguments[-1]}.log"
        with log.open("wb") as sink:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", *arguments),
                env=self.environment,
                cwd=ROOT,
                stdout=sink,
                stderr=sink,
            )
        running = Running(process, log)
        try:
            async with asyncio.timeout(READY_SECONDS_MAX):
                while ready not in log.read_bytes():
                    running.check()
                    await asyncio.sleep(SAMPLE_SECONDS)
            running.watcher = asyncio.create_task(running.watch())
            yield running
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()
            if running.watcher:
                await running.watcher

    @asynccontextmanager
    async def api(self) -> AsyncIterator[tuple[Running, int]]:
        """Run the API; yields it with its port."""
        (port,) = free_ports(1)
        rig = self.with_settings(metering_port=port)
        async with rig.running(
            "services.metering", "api", ready=b"Application startup complete"
        ) as running:
            yield running, port

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[Running]:
        """Run the worker."""
        async with self.running("services.metering", "worker", ready=b"worker_started") as running:
            yield running

    @asynccontextmanager
    async def database(self) -> AsyncIterator[Database]:
        """Open the database as metering's role."""
        opened = Database(self.urls.urls["metering"], connections=4)
        try:
            yield opened
        finally:
            await opened.close()

    async def query(self, statement: str, **values: Any) -> Sequence[Any]:
        """Return the rows of a statement."""
        async with self.database() as database, database.transaction() as connection:
            result = await connection.execute(text(statement), values)
            return result.all() if result.returns_rows else []

    async def read_from(self, offsets: dict[int, int]) -> None:
        """Let the worker begin at these offsets."""
        async with self.database() as database, database.transaction() as connection:
            await provision(connection, USAGE_RECORDED)
            for partition, offset in offsets.items():
                await connection.execute(
                    text(
                        "update metering.consumer_offset set next_offset = :offset"
                        " where partition = :partition"
                    ),
                    {"offset": offset, "partition": partition},
                )

    async def ends(self) -> dict[int, int]:
        """Return the end offsets of the log."""
        return await log_ends(self.address.kafka_bootstrap)

    async def load(self, load: Load) -> "Loading":
        """Start a load generator; it waits for `go`."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.bench.load"),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stdin
        assert process.stderr
        process.stdin.write(msgspec.json.encode(load) + b"\n")
        line = await process.stderr.readline()
        if line != b"ready\n":
            raise RuntimeError((line + await process.stderr.read()).decode())
        return Loading(process)


@dataclass(frozen=True)
class Loading:
    """A load generator that has its requests ready."""

    process: asyncio.subprocess.Process

    async def go(self) -> Sent:
        """Send everything; raises when an answer was another than 202."""
        output, errors = await self.process.communicate(b"\n")
        if self.process.returncode:
            raise RuntimeError(errors.decode()[-2000:])
        return msgspec.json.decode(output, type=Sent)


async def log_ends(bootstrap: str) -> dict[int, int]:
    """Return the offset after the last record of each partition of `usage.recorded`."""
    ends = KafkaLogEnds(bootstrap)
    await ends.start()
    try:
        return await ends.end_offsets()
    finally:
        await ends.stop()


async def read_log(
    bootstrap: str, begin: dict[int, int], end: dict[int, int]
) -> list[tuple[int, bytes]]:
    """Return the records of [begin, end) with their partitions."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, max_partition_fetch_bytes=RECORD_BYTES_MAX
    )
    await consumer.start()
    try:
        waiting = {p for p, offset in end.items() if offset > begin[p]}
        consumer.assign([TopicPartition(USAGE_RECORDED.name, p) for p in waiting])
        for partition in waiting:
            consumer.seek(TopicPartition(USAGE_RECORDED.name, partition), begin[partition])
        records = []
        while waiting:
            for batch in (await consumer.getmany(timeout_ms=1000)).values():
                for record in batch:
                    if record.offset < end[record.partition]:
                        records.append((record.partition, record.value))
                    if record.offset >= end[record.partition] - 1:
                        waiting.discard(record.partition)
        return records
    finally:
        await consumer.stop()


@asynccontextmanager
async def fresh_rig(address: StackAddress, folder: Path) -> AsyncIterator[Rig]:
    """Yield a database with vendor, tenants and key; counting begins at the end of the log."""
    async with fresh_database(address.admin_database_url) as urls:
        key = mint_key("live")
        opened = Database(urls.urls["accounts"], connections=1)
        async with opened.transaction() as connection:
            await accounts.create_vendor(
                connection, VENDOR, name="Bench", live_from=date(2020, 1, 1)
            )
            for tenant in tenant_names():
                await accounts.put_tenant(connection, ACCOUNT, tenant, TenantWrite(name=tenant))
            await accounts.create_api_key(
                connection,
                ACCOUNT,
                key,
                written=ApiKeyWrite(name="bench", scopes=set(Scope)),
                pepper=SECRET.encode(),
            )
        await opened.close()
        rig = Rig(address, urls, folder, format_key(key))
        await rig.read_from(await rig.ends())
        yield rig
