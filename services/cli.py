"""`tallyrollctl`: what operators do; puts the services' own commands together."""

import asyncio
from collections.abc import Mapping
from typing import Annotated

import typer
from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict
from rich.console import Console

from services import cli_attention, cli_reconcile, cli_vectors
from services.invoicing import cli as invoicing
from services.invoicing import cli_focus, cli_tenants, cli_webhooks
from services.metering import cli as metering
from services.metering.invariants.checking import Checked
from services.metering.invariants.rule import Finding, Scope
from services.metering.repository import invariants as rollup
from services.metering.settings import MeteringSettings
from services.migrations import HISTORIES
from services.pricing import cli as pricing
from services.pricing import (
    cli_agents,
    cli_cost,
    cli_efficiency,
    cli_envelope,
    cli_growth,
    cli_pricebook,
    cli_simulate,
)
from services.pricing.repository import invariants as copy
from services.pricing.repository.invariants_invoiced import check_invoiced_before
from services.pricing.repository.invariants_ledger import check_ledger
from shared.accounts.bootstrap import bootstrap_vendor
from shared.accounts.repository import Account
from shared.clock import SystemClock
from shared.database import Database
from shared.errors import TallyrollError
from shared.events.message import Mode
from shared.logging import configure_logging
from shared.migrations import create_roles, upgrade
from shared.settings import SharedSettings
from shared.topics import TOPICS, create_topics

app = typer.Typer(no_args_is_help=True, help="Operate a Tallyroll deployment.")
app.add_typer(metering.app)
app.add_typer(pricing.app, name="pricing")
app.add_typer(cli_vectors.app)
app.add_typer(cli_reconcile.app)
app.add_typer(cli_attention.app)
app.add_typer(cli_cost.app)
app.add_typer(cli_efficiency.app)
app.add_typer(cli_pricebook.app, name="pricebook")
app.add_typer(cli_growth.app, name="growth")
app.add_typer(cli_envelope.app, name="envelope")
app.add_typer(cli_simulate.app)
app.add_typer(cli_growth.top_app)
app.add_typer(cli_agents.app, name="agents")
app.add_typer(invoicing.app, name="invoicing")
app.add_typer(cli_focus.app)
app.add_typer(cli_tenants.app, name="tenants")
app.add_typer(cli_webhooks.app, name="webhooks")


class OperatorSettings(BaseSettings):
    """The databases as an operator reaches them: as owner, and as each service's role."""

    model_config = SettingsConfigDict(env_prefix="TALLYROLL_", extra="ignore")

    admin_database_url: SecretStr
    metering_database_url: SecretStr
    pricing_database_url: SecretStr
    invoicing_database_url: SecretStr

    def service_urls(self) -> dict[str, str]:
        """Return the URL of the role that owns each schema; `accounts` is pricing's."""
        return {
            "accounts": self.pricing_database_url.get_secret_value(),
            "metering": self.metering_database_url.get_secret_value(),
            "pricing": self.pricing_database_url.get_secret_value(),
            "invoicing": self.invoicing_database_url.get_secret_value(),
        }


@app.command()
def migrate(
    replication: Annotated[int, typer.Option(help="replicas of each Kafka topic")] = 1,
) -> None:
    """Create roles and schemas, apply every migration, create the topics. Idempotent."""
    operator = OperatorSettings()
    shared = SharedSettings()
    urls = operator.service_urls()
    asyncio.run(create_roles(operator.admin_database_url.get_secret_value(), urls))
    for schema, folder in HISTORIES.items():
        upgrade(folder, urls[schema])
        typer.echo(f"schema {schema} is up to date")
    asyncio.run(create_topics(shared.kafka_bootstrap, replication=replication))
    typer.echo(f"{len(TOPICS)} topics exist")


@app.command()
def bootstrap(
    vendor: Annotated[str, typer.Option(help="id of the vendor, a slug")],
    name: Annotated[str | None, typer.Option(help="its display name")] = None,
    mode: Annotated[str, typer.Option(help="test or live")] = "test",
) -> None:
    """Create a vendor and print its first API key, which is shown once and has every scope."""
    if mode not in ("test", "live"):
        raise typer.BadParameter("the mode is test or live")
    typed_mode: Mode = "live" if mode == "live" else "test"
    typer.echo(asyncio.run(_bootstrap(vendor, name or vendor, typed_mode)))


async def _bootstrap(vendor: str, name: str, mode: Mode) -> str:
    database = Database(OperatorSettings().service_urls()["accounts"], connections=1)
    pepper = SharedSettings().secret_key.get_secret_value().encode()
    try:
        return await bootstrap_vendor(
            database, Account(vendor, mode), name=name, pepper=pepper, clock=SystemClock()
        )
    finally:
        await database.close()


@app.command()
def verify(
    vendor: Annotated[str | None, typer.Option(help="whose data; everybody's by default")] = None,
    mode: Annotated[Mode | None, typer.Option(help="test or live; both by default")] = None,
) -> None:
    """Check on live data what must always be true of the count. Exit code 1 when it is not."""
    configure_logging("tallyrollctl", "console")
    scope = Scope(vendor, mode)
    checked = asyncio.run(_verify(scope))
    Console().print(metering.findings_table(checked))
    if any(one.finding.offending for one in checked):
        raise typer.Exit(1)


async def _verify(scope: Scope) -> list[Checked]:
    checked = await metering.verify_count(MeteringSettings(), scope)
    urls = OperatorSettings().service_urls()
    counted, priced = (Database(urls[name], connections=1) for name in ("metering", "pricing"))
    try:
        checked += [
            await check_copy(counted, priced, scope),
            await check_copy_by_user(priced, scope),
            await check_credits(priced, scope),
            await check_invoiced(priced, scope),
        ]
        return checked
    finally:
        await counted.close()
        await priced.close()


async def check_copy(counted: Database, priced: Database, scope: Scope) -> Checked:
    """Compare pricing's copy with the rollup, on days that are sealed and so never change."""
    async with priced.transaction("REPEATABLE READ") as connection:
        days = await copy.read_sealed_days(connection, scope.vendor_id, scope.mode)
        copied = await copy.read_sums(connection, days)
    async with counted.transaction() as connection:
        summed = await rollup.read_sums(connection, days)
    finding = _compared(("counted", summed), ("copied", copied))
    return Checked("rollup = pricing's copy of sealed days", finding)


async def check_copy_by_user(priced: Database, scope: Scope) -> Checked:
    """Compare pricing's two copies of sealed days: pools of seats are burnt by usage by user."""
    async with priced.transaction("REPEATABLE READ") as connection:
        days = await copy.read_sealed_days(connection, scope.vendor_id, scope.mode)
        copied = await copy.read_sums(connection, days)
        by_user = await copy.read_sums(connection, days, by_user=True)
    finding = _compared(("copied", copied), ("by user", by_user))
    return Checked("pricing's copy = its copy by user", finding)


def _compared(
    one: tuple[str, Mapping[copy.Key, object]], other: tuple[str, Mapping[copy.Key, object]]
) -> Finding:
    """Return the keys at which two named sums differ."""
    (name, sums), (other_name, other_sums) = one, other
    keys = sorted(sums.keys() | other_sums.keys())
    offending = [
        f"{'/'.join(map(str, key))}: {name} {sums.get(key)}, {other_name} {other_sums.get(key)}"
        for key in keys
        if sums.get(key) != other_sums.get(key)
    ]
    return Finding(len(keys), offending)


async def check_credits(priced: Database, scope: Scope) -> Checked:
    """Check the ledger: sums of zero, no grant overdrawn, draws as they were computed."""
    async with priced.transaction("REPEATABLE READ") as connection:
        finding = await check_ledger(connection, scope.vendor_id, scope.mode)
    return Checked("credits balance", Finding(finding.looked_at, finding.offending))


async def check_invoiced(priced: Database, scope: Scope) -> Checked:
    """Check that what is invoiced before its time is credited, or granted, once."""
    async with priced.transaction("REPEATABLE READ") as connection:
        finding = await check_invoiced_before(connection, scope.vendor_id, scope.mode)
    offending = Finding(finding.looked_at, finding.offending)
    return Checked("what is invoiced ahead is settled once", offending)


def main() -> None:
    """Run the command line; a refusal is one line and exit code 1."""
    try:
        app()
    except TallyrollError as error:
        typer.secho(str(error), fg=typer.colors.RED, err=True)
        raise SystemExit(1) from error


if __name__ == "__main__":
    main()
