"""The whole of Tallyroll on one machine: the stack, the Stripe simulator and the services."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.local.errors import StackError
from deploy.local.ports import free_ports
from deploy.local.secrets_file import load_secrets
from deploy.local.stack import Report, Stack, discard_stack, open_stack
from deploy.local.supervisor import Process, Supervisor
from shared.database import service_database_url

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("metering", "pricing", "invoicing")
MODE = "test"
STRIPE_KEY_VARIABLE = "STRIPE_API_KEY"
"""With a test key of Stripe the real thing is used in place of the simulator."""
STRIPE_BASE_VARIABLE = "TALLYROLL_STRIPE_API_BASE"
PROCESSES: dict[str, tuple[str, list[str]]] = {
    "metering-api": ("metering", ["services.metering", "api"]),
    "metering-worker": ("metering", ["services.metering", "worker"]),
    "metering-publisher": ("metering", ["services.metering", "publisher"]),
    "metering-archiver": ("metering", ["services.metering", "archiver"]),
    "pricing": ("pricing", ["services.pricing"]),
    "invoicing": ("invoicing", ["services.invoicing"]),
}
"""Name of each process -> the service it belongs to, and its module with arguments."""

SERVING = {"metering-api": "metering", "pricing": "pricing", "invoicing": "invoicing"}
"""The processes that serve HTTP, and the service whose port they listen on."""


@dataclass(frozen=True)
class Deployment:
    """A running deployment. `environment` is what an operator's commands need."""

    root: Path
    supervisor: Supervisor
    environment: dict[str, str]
    secrets: dict[str, str]
    ports: dict[str, int]

    @property
    def simulates_stripe(self) -> bool:
        """Whether invoices go to the simulator: unless there is a key of Stripe's test mode."""
        return STRIPE_BASE_VARIABLE in self.environment

    @property
    def stripe_key(self) -> str:
        """The key of the Stripe account: one's own, else one that the simulator takes."""
        return os.environ.get(STRIPE_KEY_VARIABLE) or self.secrets["stripe_api_key"]

    def url(self, name: str) -> str:
        """Return the base URL of a service, or of `stripe`."""
        return f"http://127.0.0.1:{self.ports[name]}"

    async def control(self, *arguments: str) -> str:
        """Run `tallyrollctl` and return what it printed; StackError `command_failed` otherwise."""
        command = [sys.executable, "-m", "services.cli", *arguments]
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=ROOT,
            env=os.environ | self.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            output, errors = await process.communicate()
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
        if process.returncode != 0:
            told = (output + errors).decode()[-2000:]
            raise StackError("command_failed", f"tallyrollctl {arguments[0]}: {told}")
        return output.decode().strip()


def _say_nothing(_step: str) -> None:
    pass


@asynccontextmanager
async def running_deployment(
    root: Path, *, vendor: str, report: Report = _say_nothing
) -> AsyncIterator[Deployment]:
    """Start everything under `root`, wait until it is ready, and stop it all at the end.

    `vendor` is the one whose webhooks the Stripe simulator sends; it need not exist yet.
    """
    async with open_stack(root / "stack", report=report) as stack:
        deployment = _describe(root, stack)
        report("Database schemas and topics, Stripe simulator")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(deployment.control("migrate"))
            if deployment.simulates_stripe:
                tasks.create_task(stack.supervisor.start(_simulator(deployment, vendor)))
        report("Services")
        async with asyncio.TaskGroup() as tasks:
            for name in PROCESSES:
                tasks.create_task(stack.supervisor.start(_service(deployment, name)))
        report("")
        yield deployment


def discard_deployment(root: Path) -> None:
    """Remove all data of a deployment that is not running."""
    discard_stack(root / "stack")
    shutil.rmtree(root, ignore_errors=True)


def _describe(root: Path, stack: Stack) -> Deployment:
    secrets = load_secrets(root.resolve() / "secrets.json")
    names = (*SERVICES, "stripe")
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    environment = {
        "TALLYROLL_KAFKA_BOOTSTRAP": stack.kafka_bootstrap,
        "TALLYROLL_ADMIN_DATABASE_URL": stack.postgres_url,
        "TALLYROLL_SECRET_KEY": secrets["secret_key"],
        "TALLYROLL_ARCHIVE_URL": str(root.resolve() / "archive"),
        # A day is rated only after it was counted again.
        "TALLYROLL_RECOUNT": "on",
        "TALLYROLL_PRICING_ACCEPT_UNVERIFIED_DAYS": "false",
        # Receivers to try webhooks with run on this machine, too.
        "TALLYROLL_WEBHOOK_ALLOW_LOOPBACK": "true",
    }
    if own_key := os.environ.get(STRIPE_KEY_VARIABLE):
        if not own_key.startswith("sk_test_"):
            raise StackError(
                "stripe_key_not_test", f"{STRIPE_KEY_VARIABLE} has to be a key of the test mode."
            )
    else:
        environment[STRIPE_BASE_VARIABLE] = f"http://127.0.0.1:{ports['stripe']}"
    for service in SERVICES:
        environment[f"TALLYROLL_{service.upper()}_PORT"] = str(ports[service])
        environment[f"TALLYROLL_{service.upper()}_DATABASE_URL"] = service_database_url(
            stack.postgres_url, service, secrets["database_password"]
        )
    return Deployment(root, stack.supervisor, environment, secrets, ports)


def _service(deployment: Deployment, name: str) -> Process:
    service, arguments = PROCESSES[name]
    serving = SERVING.get(name)
    return Process(
        name=name,
        argv=[sys.executable, "-m", *arguments],
        cwd=ROOT,
        env=os.environ | _least_environment(deployment.environment, service),
        ready=f"{deployment.url(serving)}/health/ready" if serving else None,
    )


def _least_environment(environment: dict[str, str], service: str) -> dict[str, str]:
    """Return what one service needs to know: no process gets another's database URL."""
    foreign = {
        f"TALLYROLL_{other.upper()}_DATABASE_URL" for other in SERVICES if other != service
    } | {"TALLYROLL_ADMIN_DATABASE_URL"}
    return {name: value for name, value in environment.items() if name not in foreign}


def _simulator(deployment: Deployment, vendor: str) -> Process:
    webhooks = f"{deployment.url('invoicing')}/v1/webhooks/stripe/{vendor}/{MODE}"
    return Process(
        name="stripe-simulator",
        argv=[
            *(sys.executable, "-m", "deploy.local.stripe_simulator"),
            *("--port", str(deployment.ports["stripe"])),
            *("--state", str(deployment.root.resolve() / "stripe.sqlite")),
            *("--webhook-url", webhooks),
            *("--webhook-secret", deployment.secrets["webhook_secret"]),
        ],
        cwd=ROOT,
        env=dict(os.environ),
        ready=f"{deployment.url('stripe')}/health/live",
    )
