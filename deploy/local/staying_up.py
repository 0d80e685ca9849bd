"""`make up`: a deployment that stays, with a vendor and a key to begin with."""

import asyncio
import shlex
from pathlib import Path

from rich.console import Console
from rich.table import Table

from deploy.local.deployment import Deployment, running_deployment
from deploy.local.secrets_file import store_secrets
from deploy.local.stack import Report

VENDOR = "demo"


async def stay_up(root: Path, console: Console, report: Report) -> int:
    """Start everything under `root`, show where it is, and wait until somebody ends it."""
    async with running_deployment(root, vendor=VENDOR, report=report) as deployment:
        api_key = await first_key(deployment)
        report("")
        variables = write_variables(deployment, api_key)
        console.print(addresses(deployment, api_key))
        console.print(f"For your shell: [bold]. {variables}[/]", highlight=False)
        console.print("Ctrl-C stops it; the next start goes on with the same data.")
        await asyncio.Event().wait()
    return 0


async def first_key(deployment: Deployment) -> str:
    """Return the vendor's first API key, made on the first start and remembered."""
    if "api_key" not in deployment.secrets:
        made = await deployment.control("bootstrap", "--vendor", VENDOR, "--name", "Demo vendor")
        deployment.secrets["api_key"] = made
        store_secrets(deployment.root / "secrets.json", deployment.secrets)
    return deployment.secrets["api_key"]


def write_variables(deployment: Deployment, api_key: str) -> Path:
    """Write a file for a shell to source: base URLs, keys, and what `tallyrollctl` needs."""
    variables = {
        **{name.upper(): deployment.url(name) for name in ("metering", "pricing", "invoicing")},
        "TALLYROLL_ENDPOINT": deployment.url("metering"),
        "TALLYROLL_API_KEY": api_key,
        "TALLYROLL_SPOOL_DIR": str(deployment.root / "spool"),
        "STRIPE_KEY": deployment.stripe_key,
        "STRIPE_WEBHOOK_SECRET": deployment.secrets["webhook_secret"],
        **deployment.environment,
    }
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()]
    path = deployment.root / "env"
    path.touch(mode=0o600)
    path.write_text("".join(lines), encoding="utf-8")
    return path


def addresses(deployment: Deployment, api_key: str) -> Table:
    """Return what somebody needs to start working."""
    table = Table(show_header=False, border_style="dim", title="Tallyroll is up")
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for service in ("metering", "pricing", "invoicing"):
        table.add_row(service, f"{deployment.url(service)}/docs")
    simulator = deployment.simulates_stripe
    table.add_row("Stripe", deployment.url("stripe") + " (simulator)" if simulator else "test mode")
    table.add_row("Kafka", deployment.environment["TALLYROLL_KAFKA_BOOTSTRAP"])
    table.add_row("API key", api_key)
    table.add_row("Logs", str(deployment.root / "stack" / "logs"))
    return table
