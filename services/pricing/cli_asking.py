"""How commands ask pricing's API, and tell a refusal."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import httpx
import typer

from shared.errors import TallyrollError

Answer = TypeVar("Answer")


def answer_of(url: str, ask: Callable[[], Coroutine[Any, Any, Answer]]) -> Answer:
    """Return what the API answers; a refusal is told with its faults, and is exit code 1."""
    try:
        return asyncio.run(ask())
    except TallyrollError as error:
        tell(error)
        raise typer.Exit(1) from error
    except httpx.HTTPError as error:
        message = f"{url} does not answer: {error or type(error).__name__}"
        typer.secho(message, fg=typer.colors.RED, err=True)
        raise typer.Exit(1) from error


def tell(error: TallyrollError) -> None:
    """Write a refusal, each fault with its place."""
    typer.secho(str(error), fg=typer.colors.RED, err=True)
    for fault in error.faults:
        typer.echo(f"  {fault.path}: {fault.message} ({fault.code})", err=True)
