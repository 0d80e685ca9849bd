"""`tallyrollctl`: what operators do; puts the services' own commands together."""

import asyncio
from typing import Annotated

import typer
from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.invoicing import cli as invoicing
from services.metering import cli as metering
from services.migrations import HISTORIES
from services.pricing import cli as pricing
from shared.accounts.bootstrap import bootstrap_vendor
from shared.accounts.repository import Account
from shared.clock import SystemClock
from shared.database import Database
from shared.errors import TallyrollError
from shared.events.message import Mode
from shared.migrations import create_roles, upgrade
from shared.settings import SharedSettings
from shared.topics import TOPICS, create_topics

app = typer.Typer(no_args_is_help=True, help="Operate a Tallyroll deployment.")
app.add_typer(metering.app)
app.add_typer(pricing.app, name="pricing")
app.add_typer(invoicing.app, name="invoicing")


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


def main() -> None:
    """Run the command line; a refusal is one line and exit code 1."""
    try:
        app()
    except TallyrollError as error:
        typer.secho(str(error), fg=typer.colors.RED, err=True)
        raise SystemExit(1) from error


if __name__ == "__main__":
    main()
