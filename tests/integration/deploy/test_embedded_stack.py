"""The real servers: data that stays, and ends that leave nothing."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local.errors import StackError
from deploy.local.guardian import is_running
from deploy.local.stack import EmbeddedStack, discard_stack

REPOSITORY = Path(__file__).parents[3]
BOUND_SECONDS = 90.0
POLL_SECONDS = 0.05


@pytest.fixture(name="root")
async def _root(tmp_path: Path) -> AsyncIterator[Path]:
    root = tmp_path / "stack"
    yield root
    discard_stack(root)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition on other processes, within a bound."""
    async with asyncio.timeout(BOUND_SECONDS):
        while not condition():  # noqa: ASYNC110 - other processes set no event
            await asyncio.sleep(POLL_SECONDS)


def processes_of(root: Path) -> list[str]:
    """Return the running processes that name the stack's folders or were started for them."""
    folders = [os.fsencode(root)]
    if (pointer := root / "postgres.location").exists():
        folders.append(pointer.read_bytes().strip())
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            try:
                command = (process / "cmdline").read_bytes()
                opened = {os.fsencode(file.readlink()) for file in (process / "fd").iterdir()}
            except OSError:
                continue
            if any(f in text for f in folders for text in (command, *opened)):
                found.append(f"{process.name} {command[:80]!r}")
    return found


async def start_command(root: Path, *command: str) -> asyncio.subprocess.Process:
    """Start `python -m deploy.local exec` on a folder."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy.local", "exec", "--root", str(root), "--", *command),
        cwd=REPOSITORY,
        stdin=asyncio.subprocess.DEVNULL,
    )


async def test_a_second_start_finds_the_data_of_the_first(root: Path) -> None:
    """A table row and a topic survive a stop; a second stack on the folder is refused meanwhile."""
    async with EmbeddedStack(root) as stack:
        with pytest.raises(StackError) as refused:
            await EmbeddedStack(root).__aenter__()
        connection = await asyncpg.connect(stack.postgres_url)
        await connection.execute("create table kept as select 42 as answer")
        await connection.close()
        admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap)
        await admin.start()
        await admin.create_topics([NewTopic("kept", num_partitions=3, replication_factor=1)])
        await admin.close()

    assert "stack_already_running" == refused.value.code
    assert [] == processes_of(root)

    async with EmbeddedStack(root) as stack:
        connection = await asyncpg.connect(stack.postgres_url)
        answer = await connection.fetchval("select answer from kept")
        settings = await connection.fetchrow(
            "select current_setting('fsync'), current_setting('synchronous_commit'),"
            " current_setting('listen_addresses'), current_setting('unix_socket_directories'),"
            " (select string_agg(distinct auth_method, ',') from pg_hba_file_rules)"
        )
        await connection.close()
        admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap)
        await admin.start()
        topics = await admin.list_topics()
        await admin.close()

    assert 42 == answer
    assert settings is not None
    assert ("on", "on", "127.0.0.1", "", "scram-sha-256") == tuple(settings)
    assert "kept" in topics


@pytest.mark.parametrize("moment", ["initdb", "kafka", "command"])
async def test_an_interrupt_leaves_no_process(root: Path, moment: str) -> None:
    """SIGINT while data is initialised, while Kafka starts, or later: nothing stays."""
    process = await start_command(root, "sleep", "600")
    markers = {
        "initdb": (root / "logs/initdb.log").exists,
        "kafka": (root / "run/kafka.pid").exists,
        "command": lambda: any("'sleep" in line for line in processes_of_child(process.pid)),
    }
    await until(markers[moment])
    assert processes_of(root)

    process.send_signal(signal.SIGINT)
    async with asyncio.timeout(BOUND_SECONDS):
        code = await process.wait()

    assert 130 == code
    assert [] == processes_of(root)


async def test_a_killed_parent_leaves_no_process(root: Path) -> None:
    """After kill -9 of the stack its servers and its command end, and it can start again."""
    process = await start_command(root, "sleep", "600")
    await until(lambda: any("'sleep" in line for line in processes_of_child(process.pid)))
    children = processes_of_child(process.pid)
    assert len(children) == 4, children

    process.kill()
    await process.wait()

    await until(lambda: not processes_of(root))
    await until(lambda: not any(is_running(int(line.split()[0])) for line in children))
    again = await start_command(root, "true")
    async with asyncio.timeout(BOUND_SECONDS):
        assert 0 == await again.wait()


def processes_of_child(parent: int) -> list[str]:
    """Return the children of a process: the guardian, the servers, the command."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                fields = (process / "stat").read_text().rpartition(")")[2].split()
                command = (process / "cmdline").read_bytes()
            except OSError:
                continue
            if int(fields[1]) == parent:
                found.append(f"{process.name} {command[:80]!r}")
    return found
