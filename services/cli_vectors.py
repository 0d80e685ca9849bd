"""`tallyrollctl vectors`: golden vectors through the functions that bill."""

from pathlib import Path
from typing import Annotated

import typer

from services.invoicing import vectors as invoicing
from services.pricing.vectors import runners as pricing
from shared.vectors import Runner, read_vectors, run_vectors

app = typer.Typer(help="Golden vectors.", no_args_is_help=True)

Paths = Annotated[list[Path], typer.Argument(help="JSON files of vectors, or folders of them")]


RUNNERS: dict[str, Runner] = {
    **pricing.RUNNERS,
    **invoicing.RUNNERS,
    "minimum": invoicing.with_tax(pricing.RUNNERS["minimum"], "amount", "total_with_tax"),
    "prorated_fee": invoicing.with_tax(pricing.RUNNERS["prorated_fee"], "amount", "total"),
}
"""Each model with the service that owns it; what pricing rates is taxed by invoicing."""


@app.command()
def vectors(paths: Paths) -> None:
    """Run vector files; print mismatches and what was not run. Exit code 1 if a value differs."""
    try:
        outcome = run_vectors(read_vectors(paths), RUNNERS)
    except (OSError, ValueError) as error:
        typer.secho(f"cannot read the vectors: {error}", fg=typer.colors.RED, err=True)
        raise typer.Exit(1) from error
    for mismatch in outcome.mismatches:
        typer.echo(mismatch)
    for name in outcome.not_run:
        typer.echo(f"not run: {name}")
    typer.echo(f"{outcome.passed} passed, {outcome.failed} failed")
    if outcome.failed:
        raise typer.Exit(1)
