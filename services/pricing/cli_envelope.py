"""`tallyrollctl envelope …`: budgets of teams and agents, over pricing's HTTP API."""

import asyncio
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import httpx
import typer
import yaml
from rich.console import Console

from services.pricing.api_client import connect, send
from services.pricing.domain.envelopes.envelope import Ledger
from services.pricing.envelope_words import show_bias, show_list, show_state
from shared.errors import TallyrollError

app = typer.Typer(no_args_is_help=True, help="Budgets with two ledgers and a ladder.")

LOCAL = "http://127.0.0.1:8002"
MOMENTS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"]
Url = Annotated[
    str, typer.Option(envvar=["TALLYROLL_PRICING_URL", "PRICING"], help="base URL of pricing")
]
ApiKey = Annotated[str, typer.Option(envvar="TALLYROLL_API_KEY", help="with budgets:write")]
Name = Annotated[str, typer.Argument(help="of the envelope")]
Reason = Annotated[str, typer.Option(help="why, for whoever asks later")]
Until = Annotated[datetime, typer.Option(formats=MOMENTS, help="UTC, exclusive")]
AsJson = Annotated[bool, typer.Option("--json", help="print the answer as it is")]
Key = Annotated[str | None, typer.Option("--key", help="the same key again is the same write")]


@app.command("ls")
def list_envelopes(*, as_json: AsJson = False, url: Url = LOCAL, api_key: ApiKey = "") -> None:
    """List the envelopes with their scopes and amounts."""
    _show(_ask((url, api_key), "GET", ""), show_list, as_json)


@app.command("show")
def show_envelope(
    name: Name, *, as_json: AsJson = False, url: Url = LOCAL, api_key: ApiKey = ""
) -> None:
    """Show both ledgers: what is used, how fast, where that leads."""
    _show(_ask((url, api_key), "GET", f"/{name}/state"), show_state, as_json)


@app.command("set")
def set_envelopes(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="YAML: name -> it")],
    url: Url = LOCAL,
    api_key: ApiKey = "",
) -> None:
    """Set each envelope of a file; those that it does not name stay as they are."""
    for name, written in _read(file).items():
        _ask((url, api_key), "PUT", f"/{name}", written)
        typer.echo(f"{name} is set")


@app.command("raise")
def raise_ledger(
    name: Name,
    amount: Annotated[str, typer.Argument(help="US dollars")],
    reason: Reason,
    until: Until,
    *,
    ledger: Annotated[Ledger, typer.Option(help="which one gets it")] = Ledger.RUN,
    key: Key = None,
    url: Url = LOCAL,
    api_key: ApiKey = "",
) -> None:
    """Give a ledger of the open period more, until an end."""
    body = {"ledger": ledger.value, "amount": amount, **_why(reason, until)}
    _show(_ask((url, api_key), "POST", f"/{name}/raises", body, key), show_state)


@app.command("approve")
def approve_run(
    name: Name,
    run: Annotated[str, typer.Argument(help="that may begin")],
    reason: Reason,
    until: Until,
    *,
    key: Key = None,
    url: Url = LOCAL,
    api_key: ApiKey = "",
) -> None:
    """Let a run begin although its envelope asks."""
    body = {"run": run, **_why(reason, until)}
    _show(_ask((url, api_key), "POST", f"/{name}/approvals", body, key), show_state)


@app.command("bias")
def bias(
    name: Name,
    capped_on: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="default: when it was set")
    ] = None,
    *,
    as_json: AsJson = False,
    url: Url = LOCAL,
    api_key: ApiKey = "",
) -> None:
    """Tell by which signs a cap pushed people to safe work."""
    query = f"?capped_on={capped_on.date()}" if capped_on else ""
    _show(_ask((url, api_key), "GET", f"/{name}/bias{query}"), show_bias, as_json)


def _why(reason: str, until: datetime) -> dict[str, str]:
    return {"reason": reason, "until": f"{until.isoformat()}Z"}


def _show(
    answer: dict[str, Any], words: Callable[[Console, dict[str, Any]], None], as_json: bool = False
) -> None:
    if as_json:
        typer.echo(json.dumps(answer, indent=2))
    else:
        words(Console(highlight=False), answer)


def _read(file: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{file} is no YAML") from error
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise typer.BadParameter(f"{file} holds no mapping of names to envelopes")
    return content


def _ask(
    at: tuple[str, str], method: str, path: str, body: Any = None, key: str | None = None
) -> dict[str, Any]:
    """Return what (URL, key) answer; a refusal is told with its faults, and exit code 1."""
    url, api_key = at
    headers = {"Idempotency-Key": key or str(uuid4())} if method == "POST" else None

    async def ask() -> dict[str, Any]:
        async with connect(url, api_key) as client:
            return await send(client, method, f"/v1/envelopes{path}", body, headers)

    try:
        return asyncio.run(ask())
    except TallyrollError as error:
        typer.echo(f"{error.code}: {error}", err=True)
        for fault in error.faults:
            typer.echo(f"  {fault.path}: {fault.message} ({fault.code})", err=True)
        raise typer.Exit(1) from error
    except httpx.HTTPError as error:
        typer.echo(f"{url} cannot be reached: {error}", err=True)
        raise typer.Exit(1) from error
