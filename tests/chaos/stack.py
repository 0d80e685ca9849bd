"""The servers and services that the harness torments, with a proxy before each of them."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from deploy.local.kafka import KAFKA, fetch_jars, format_kafka, start_kafka
from deploy.local.ports import free_ports
from deploy.local.postgres import POSTGRES
from deploy.local.stack import EmbeddedStack, discard_stack
from deploy.local.supervisor import Backoff, Process, Supervisor
from shared.accounts import repository as accounts
from shared.accounts.bootstrap import bootstrap_vendor
from shared.accounts.repository import Account
from shared.accounts.schemas import TenantWrite
from shared.clock import Clock
from shared.database import Database, service_database_url
from tests.chaos.proxy import Proxy

ROOT = Path(__file__).resolve().parents[2]
SECRET = "only-for-the-chaos-harness-0123456789"
PASSWORD = "only-for-the-chaos-harness"
API, PUBLISHER = "metering-api", "metering-publisher"
BACKOFF = Backoff(most_seconds=1.0)
"""Faults come faster than in life; a longer wait would hide most of them."""
SETTINGS = {"TALLYROLL_FLUSH_MILLISECONDS": "50", "TALLYROLL_WORKER_STALLED_SECONDS": "20"}


@dataclass(frozen=True)
class Programs:
    """What runs as the ingest API and as the worker: ours, or a broken variant."""

    api: tuple[str, ...] = ("services.metering", "api")
    worker: tuple[str, ...] = ("services.metering", "worker")


class ProxiedStack(EmbeddedStack):
    """An embedded stack whose broker and database are reached through proxies."""

    def __init__(self, root: Path, proxies: dict[str, Proxy]) -> None:
        super().__init__(root)
        self._proxies = proxies

    async def _start_kafka(self) -> None:
        await fetch_jars(self.supervisor)
        await format_kafka(self.supervisor)
        proxy = self._proxies["kafka"]
        proxy.upstream, controller_port = free_ports(2)
        self.kafka_bootstrap = await start_kafka(
            self.supervisor, proxy.upstream, controller_port, advertised_port=proxy.port
        )

    async def _start_postgres(self) -> None:
        await super()._start_postgres()
        self._proxies["postgres"].upstream = urlsplit(self.postgres_url).port or 0


@dataclass(frozen=True)
class Servers:
    """Running servers; `proxies` are named postgres, kafka and api."""

    root: Path
    stack: ProxiedStack
    proxies: dict[str, Proxy]

    def role_url(self, service: str, *, proxied: bool = False) -> str:
        """Return the database URL of a service's role, directly or through the proxy."""
        admin = urlsplit(self.stack.postgres_url)
        if proxied:
            user, _, _ = admin.netloc.rpartition(":")
            admin = admin._replace(netloc=f"{user}:{self.proxies['postgres'].port}")
        return service_database_url(admin.geturl(), service, PASSWORD)

    @property
    def environment(self) -> dict[str, str]:
        """The variables of the services: servers through the proxies."""
        return SETTINGS | {
            "TALLYROLL_KAFKA_BOOTSTRAP": f"127.0.0.1:{self.proxies['kafka'].port}",
            "TALLYROLL_METERING_DATABASE_URL": self.role_url("metering", proxied=True),
            "TALLYROLL_METERING_PORT": str(self.proxies["api"].upstream),
            "TALLYROLL_SECRET_KEY": SECRET,
            "PYTHONPATH": str(ROOT),
        }

    @property
    def operator_environment(self) -> dict[str, str]:
        """The variables of `tallyrollctl`: no proxy before the database."""
        urls = {
            f"TALLYROLL_{service.upper()}_DATABASE_URL": self.role_url(service)
            for service in ("metering", "pricing", "invoicing")
        }
        return self.environment | urls | {"TALLYROLL_ADMIN_DATABASE_URL": self.stack.postgres_url}

    async def control(self, *arguments: str) -> tuple[int, str]:
        """Run `tallyrollctl`; return its exit code and what it printed."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.cli", *arguments),
            cwd=ROOT,
            env=os.environ | self.operator_environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        return process.returncode or 0, output.decode()

    async def create_account(self, account: Account, tenants: tuple[str, ...], clock: Clock) -> str:
        """Create a vendor with tenants; return its API key."""
        database = Database(self.role_url("pricing"), connections=1)
        try:
            key = await bootstrap_vendor(
                database, account, name="Chaos", pepper=SECRET.encode(), clock=clock
            )
            async with database.transaction() as connection:
                for tenant in tenants:
                    await accounts.put_tenant(connection, account, tenant, TenantWrite(name=tenant))
        finally:
            await database.close()
        return key


@dataclass(frozen=True)
class Services:
    """The processes of metering over the servers."""

    servers: Servers
    supervisor: Supervisor
    workers: tuple[str, ...]

    def _supervisor_of(self, name: str) -> Supervisor:
        return self.servers.stack.supervisor if name in (KAFKA, POSTGRES) else self.supervisor

    def pid(self, name: str) -> int | None:
        """Return the process id of a server or service; None while it waits for its restart."""
        return self._supervisor_of(name).pid(name)

    def signal(self, name: str, number: signal.Signals) -> int | None:
        """Send a signal to one that runs; return its process id."""
        pid = self.pid(name)
        if pid is not None:
            os.kill(pid, number)
        return pid


@asynccontextmanager
async def running_servers(root: Path) -> AsyncIterator[Servers]:
    """Start empty servers under `root`, migrated, with their proxies; stop them at the end."""
    discard_stack(root / "stack")
    async with AsyncExitStack() as opened:
        names = ("postgres", "kafka", "api")
        proxies = {name: await opened.enter_async_context(Proxy(name)) for name in names}
        (proxies["api"].upstream,) = free_ports(1)
        stack = await opened.enter_async_context(ProxiedStack(root / "stack", proxies))
        stack.supervisor._backoff = BACKOFF
        servers = Servers(root, stack, proxies)
        code, output = await servers.control("migrate")
        if code != 0:
            raise RuntimeError(f"the databases could not be migrated: {output}")
        yield servers


@asynccontextmanager
async def running_services(
    servers: Servers, programs: Programs, *, workers: int, publisher: bool = True
) -> AsyncIterator[Services]:
    """Start the api, the workers and the publisher; stop them at the end."""
    names = tuple(f"metering-worker-{number}" for number in range(1, workers + 1))
    async with Supervisor(servers.root / "services", backoff=BACKOFF) as supervisor:
        ready = f"http://127.0.0.1:{servers.proxies['api'].upstream}/health/ready"
        processes = [_process(servers, API, programs.api, ready=ready)]
        processes += [_process(servers, name, programs.worker) for name in names]
        if publisher:
            processes.append(_process(servers, PUBLISHER, ("services.metering", "publisher")))
        async with asyncio.TaskGroup() as tasks:
            for process in processes:
                tasks.create_task(supervisor.start(process))
        yield Services(servers, supervisor, names)


def _process(
    servers: Servers, name: str, arguments: tuple[str, ...], *, ready: str | None = None
) -> Process:
    return Process(
        name=name,
        argv=[sys.executable, "-m", *arguments],
        cwd=ROOT,
        env=os.environ | servers.environment,
        ready=ready,
    )
