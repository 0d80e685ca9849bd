"""The stack as an object: a PostgreSQL, a Kafka, and a supervisor for what runs on them."""

import asyncio
import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import structlog

from deploy.local.errors import StackError, first_refusal
from deploy.local.kafka import KAFKA, fetch_jars, format_kafka, start_kafka
from deploy.local.ports import free_ports
from deploy.local.postgres import POSTGRES, initialise_postgres, start_postgres
from deploy.local.postgres_home import discard
from deploy.local.root_lock import RootLock
from deploy.local.supervisor import Supervisor

logger = structlog.get_logger()

DEFAULT_ROOT = Path("var/stack")
STACK_VARIABLE = "TALLYROLL_STACK"
DATABASE_VARIABLE = "TALLYROLL_ADMIN_DATABASE_URL"
KAFKA_VARIABLE = "TALLYROLL_KAFKA_BOOTSTRAP"

START_ATTEMPTS_MAX = 3

Report = Callable[[str], None]


class Stack(Protocol):
    """What callers get, whoever runs the servers. An async context manager."""

    postgres_url: str
    """`postgresql://USER:PASSWORD@HOST:PORT/DATABASE` of a superuser."""
    kafka_bootstrap: str
    """`HOST:PORT`."""
    supervisor: Supervisor
    """Runs further processes; they end before the servers do."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def _say_nothing(_step: str) -> None:
    pass


def open_stack(root: Path = DEFAULT_ROOT, *, report: Report = _say_nothing) -> Stack:
    """Return the stack that `TALLYROLL_STACK` names: `embedded` (the default) or `external`."""
    kind = os.environ.get(STACK_VARIABLE, "embedded")
    if kind == "embedded":
        return EmbeddedStack(root, report=report)
    if kind == "external":
        return ExternalStack(root)
    raise StackError(
        "unknown_stack", f"{STACK_VARIABLE} is {kind!r}; it can be 'embedded' or 'external'."
    )


def discard_stack(root: Path) -> None:
    """Remove a stack's data, wherever it is; refused while a stack runs on it.

    As root part of it lies outside `root`: removing the folder alone would leave that behind.
    """
    if root.exists():
        with RootLock(root):
            discard(root)


class EmbeddedStack:
    """Servers of our own, their data under `root`, kept from one start to the next.

    `report` is called with what is being waited for. Entering raises StackError; whatever happens,
    a cancellation included, nothing stays behind.
    """

    def __init__(self, root: Path, *, report: Report = _say_nothing) -> None:
        self.root = root.resolve()
        self.postgres_url = ""
        self.kafka_bootstrap = ""
        self._report = report
        self._opened = AsyncExitStack()
        self.supervisor: Supervisor

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as opened:
            lock = opened.enter_context(RootLock(self.root))
            self.supervisor = await opened.enter_async_context(
                Supervisor(self.root, lock_descriptor=lock.descriptor)
            )
            opened.push_async_callback(self._stop)
            await self._start()
            self._opened = opened.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._opened.aclose()

    async def _start(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._start_postgres())
                tasks.create_task(self._start_kafka())
        except ExceptionGroup as failures:
            if (refusal := first_refusal(failures)) is None:
                raise
            raise refusal from None

    async def _start_postgres(self) -> None:
        self._report("PostgreSQL: data directory")
        home = await initialise_postgres(self.supervisor)
        for attempt in range(1, START_ATTEMPTS_MAX + 1):
            self._report("PostgreSQL: connection")
            try:
                (port,) = free_ports(1)
                self.postgres_url = await start_postgres(self.supervisor, home, port)
            except StackError as error:
                _refuse_unless_port_taken(error, attempt)
            else:
                return

    async def _start_kafka(self) -> None:
        self._report("Kafka: jars")
        await fetch_jars(self.supervisor)
        self._report("Kafka: format")
        await format_kafka(self.supervisor)
        for attempt in range(1, START_ATTEMPTS_MAX + 1):
            self._report("Kafka: metadata")
            try:
                self.kafka_bootstrap = await start_kafka(self.supervisor, *free_ports(2))
            except StackError as error:
                _refuse_unless_port_taken(error, attempt)
            else:
                return

    async def _stop(self) -> None:
        supervisor = self.supervisor
        servers = (KAFKA, POSTGRES)
        await supervisor.stop(*(name for name in supervisor.names if name not in servers))
        for name in servers:
            if name in supervisor.names:
                await supervisor.stop(name)


class ExternalStack:
    """Servers that somebody else runs; ours is only the supervisor."""

    def __init__(self, root: Path) -> None:
        missing = [v for v in (DATABASE_VARIABLE, KAFKA_VARIABLE) if not os.environ.get(v)]
        if missing:
            raise StackError(
                "external_stack_incomplete",
                f"{STACK_VARIABLE}=external also needs {' and '.join(missing)}.",
            )
        self.postgres_url = os.environ[DATABASE_VARIABLE]
        self.kafka_bootstrap = os.environ[KAFKA_VARIABLE]
        self.supervisor = Supervisor(root.resolve())

    async def __aenter__(self) -> Self:
        await self.supervisor.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.supervisor.stop(*self.supervisor.names)
        await self.supervisor.__aexit__(kind, error, trace)


def _refuse_unless_port_taken(error: StackError, attempt: int) -> None:
    taken = "ddress already in use" in error.message
    if error.code != "process_ended" or not taken or attempt == START_ATTEMPTS_MAX:
        raise error
    logger.info("port_taken", attempt=attempt)
