"""The processes as they run in a deployment: clean ends, kills, the command line."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import date
from typing import Any

import httpx
import psutil
import pytest
from sqlalchemy import text

from deploy.local.ports import free_ports
from services.metering.ingest.envelope import Sender, as_columns, place
from services.metering.ingest.gather import Gatherer
from services.metering.ingest.log import KafkaLogEnds, KafkaUsageLog
from shared.database import Database
from tests.support.database import TestDatabase
from tests.support.stack import ROOT, StackAddress

from .conftest import Ledger, make_event

EVENTS = 3_000
WAIT_SECONDS = 240.0
CONNECTIONS = 64
COMMAND = "import sys; from services.metering.cli import app; app(sys.argv[1:])"


@pytest.fixture(name="environment")
async def _environment(
    stack: StackAddress, database: TestDatabase, metering: Database
) -> Mapping[str, str]:
    """Return the variables of a deployment whose log holds nothing that is not counted."""
    await _skip_to_ends(stack, metering)
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "TALLYROLL_KAFKA_BOOTSTRAP": stack.kafka_bootstrap,
        "TALLYROLL_METERING_DATABASE_URL": database.urls["metering"],
        "TALLYROLL_METERING_PORT": "0",
        "TALLYROLL_SECRET_KEY": "a-secret-of-more-than-thirty-two-characters",
        "TALLYROLL_FLUSH_MILLISECONDS": "20",
        "TALLYROLL_EVENTS_PER_FLUSH": "100",
    }


async def _skip_to_ends(stack: StackAddress, metering: Database) -> None:
    ends = KafkaLogEnds(stack.kafka_bootstrap)
    await ends.start()
    offsets = await ends.end_offsets()
    await ends.stop()
    async with metering.transaction() as connection:
        for partition, offset in offsets.items():
            await connection.execute(
                text("update metering.consumer_offset set next_offset = :o where partition = :p"),
                {"o": offset, "p": partition},
            )


@pytest.fixture(name="counted_always")
async def _counted_always(stack: StackAddress, metering: Database) -> AsyncIterator[None]:
    """Count in a worker's stead: other databases' tests write to the same log meanwhile."""
    done = asyncio.Event()

    async def skip_until_done() -> None:
        while not done.is_set():
            await _skip_to_ends(stack, metering)

    async with asyncio.TaskGroup() as group:
        group.create_task(skip_until_done())
        yield
        done.set()


@asynccontextmanager
async def _process(environment: Mapping[str, str], *arguments: str) -> AsyncIterator[Any]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, env=environment, cwd=ROOT,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _until_logged(process: Any, event: bytes) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while event not in (line := await process.stderr.readline()):
            assert line, "the process has ended"


@pytest.mark.parametrize(
    ("name", "ready"),
    [
        ("api", b"Uvicorn running"),
        ("worker", b"worker_started"),
        ("publisher", b"publisher_started"),
        ("archiver", b"archiver_started"),
    ],
)
async def test_a_process_ends_cleanly(
    environment: Mapping[str, str], name: str, ready: bytes
) -> None:
    """SIGTERM ends each process with exit code 0."""
    async with _process(environment, "-m", "services.metering", name) as process:
        await _until_logged(process, ready)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(WAIT_SECONDS):
            await process.communicate()

    assert 0 == process.returncode


async def test_several_api_processes_share_a_port(environment: Mapping[str, str]) -> None:
    """A killed process is replaced, SIGTERM ends all, and none outlives a killed parent."""
    (port,) = free_ports(1)
    several = {"TALLYROLL_METERING_API_PROCESSES": "2", "TALLYROLL_METERING_PORT": str(port)}
    for end, code in ((signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)):
        arguments = ("-m", "services.metering", "api")
        async with _process({**environment, **several}, *arguments) as parent:
            for _ in range(2):
                await _until_logged(parent, b"Application startup complete")
            first, *_ = psutil.Process(parent.pid).children()
            first.kill()
            await _until_logged(parent, b"Application startup complete")
            answer = await asyncio.to_thread(httpx.get, f"http://127.0.0.1:{port}/health/ready")
            children = psutil.Process(parent.pid).children()
            shares = await _connections_of(children, port)
            parent.send_signal(end)
            async with asyncio.timeout(WAIT_SECONDS):
                # The pipe is shared by all: it ends when the last of them has ended.
                await parent.communicate()

        assert (200, 2, code) == (answer.status_code, len(children), parent.returncode)
        assert min(shares) > 0
        assert CONNECTIONS == sum(shares)
        async with asyncio.timeout(WAIT_SECONDS):
            while any(map(_lives, children)):  # noqa: ASYNC110 - other processes end
                await asyncio.sleep(0.05)


async def _connections_of(processes: list[psutil.Process], port: int) -> list[int]:
    """Return how many of as many connections each process accepts."""
    async with AsyncExitStack() as stack:
        for _ in range(CONNECTIONS):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            stack.callback(writer.close)
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                shares = [
                    sum(
                        one.status == psutil.CONN_ESTABLISHED and one.laddr.port == port
                        for one in process.net_connections("tcp")
                    )
                    for process in processes
                ]
                if sum(shares) >= CONNECTIONS:
                    return shares
                await asyncio.sleep(0.05)


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


async def test_a_killed_worker_changes_nothing(
    environment: Mapping[str, str], ledger: Ledger, stack: StackAddress
) -> None:
    """Killed in the middle and started again, the worker counts each event once."""
    await _send(ledger, stack)
    kills = 0
    async with asyncio.timeout(WAIT_SECONDS):
        while await _counted(ledger) < EVENTS:
            async with _process(environment, "-m", "services.metering", "worker") as worker:
                # Two flushes in: the next one is under way when the process is killed.
                await _until_logged(worker, b"flushed")
                if kills < 2:
                    await _until_logged(worker, b"flushed")
                    worker.kill()
                    kills += 1
                    await worker.wait()
                else:
                    await _until_counted(ledger)

    expected = {5 * EVENTS, 2 * EVENTS}
    assert (2, expected) == (kills, set((await ledger.usage()).values()))


async def _send(ledger: Ledger, stack: StackAddress) -> None:
    log = KafkaUsageLog(stack.kafka_bootstrap)
    gatherer = Gatherer(log)
    for start in range(0, EVENTS, 20):
        events = [make_event(f"e-{i}") for i in range(start, start + 20)]
        placed = [place(e, Sender(ledger.vendor_id, "live"), partitions=4) for e in events]
        await gatherer.write(as_columns(placed))
    await gatherer.close()
    await log.stop()


async def _counted(ledger: Ledger) -> int:
    rows = await ledger.query(
        "select coalesce(sum(counted), 0) from metering.counting_statistic "
        "where vendor_id = :vendor"
    )
    return int(rows[0][0])


async def _until_counted(ledger: Ledger) -> None:
    while await _counted(ledger) < EVENTS:  # noqa: ASYNC110 - another process counts
        await asyncio.sleep(0.05)


@pytest.mark.usefixtures("counted_always")
async def test_close_on_the_command_line(
    environment: Mapping[str, str], ledger: Ledger, writer: Any
) -> None:
    """`close` prints the range it sealed, then that it is sealed; refusals have a code."""
    await writer(ledger.vendor_id, live_from=date(2026, 1, 1))
    lines = []
    for vendor, through in [
        (ledger.vendor_id, "2026-01-31"),
        (ledger.vendor_id, "2026-01-31"),
        (ledger.vendor_id, "2999-01-01"),
        ("nobody", "2026-01-31"),
    ]:
        arguments = (
            "-c",
            COMMAND,
            "close",
            "--vendor",
            vendor,
            "--through",
            through,
            "--mode",
            "live",
        )
        async with _process(environment, *arguments) as process:
            out, err = await process.communicate()
            lines.append((process.returncode, (out or err).decode().strip().split("\n")[-1]))

    who = f"{ledger.vendor_id} live"
    assert [
        (0, f"{who}: sealed 2026-01-31 through 2026-01-31"),
        (0, f"{who}: already sealed through 2026-01-31"),
        (1, "day_not_over: A day is sealed after its end."),
        (1, "unknown_vendor: There is no vendor 'nobody'."),
    ] == lines
