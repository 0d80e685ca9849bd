"""`tallyroll emit`: one event from options, or from JSON on standard input."""

import sys
import time
from typing import Annotated, Any, NoReturn

import msgspec
import typer
from rich.text import Text

from tallyroll import InvalidEventError, Meter, Spool
from tallyroll.cli.options import Account, ApiKey, AsJson, Directory, Endpoint
from tallyroll.cli.output import (
    ExitCode,
    console,
    end,
    is_hopeless,
    messages,
    print_json,
    refuse_usage,
    trouble,
)
from tallyroll.configuration import is_spool_off
from tallyroll.event import new_event_id
from tallyroll.pastusage.events import Mapped, event_of
from tallyroll.pastusage.rows import row_of_json

Said = str | None
Pairs = list[str] | None
Agent = Annotated[Said, typer.Option(help="What acted.")]
Model = Annotated[Said, typer.Option(help="What it ran on.")]
Provider = Annotated[Said, typer.Option(help="Such as openai, anthropic.")]
Tenant = Annotated[Said, typer.Option(help="Who is billed.")]
ResponseId = Annotated[Said, typer.Option(help="The provider's id of the response.")]
OccurredAt = Annotated[Said, typer.Option(help="ISO 8601 with a time zone; else now.")]
Token = Annotated[Pairs, typer.Option(metavar="TYPE=COUNT", help="Repeatable.")]
Unit = Annotated[Pairs, typer.Option(metavar="NAME=QUANTITY", help="Repeatable.")]
Tag = Annotated[Pairs, typer.Option(metavar="NAME=VALUE", help="Repeatable.")]
EventId = Annotated[Said, typer.Option(help="Sent twice it counts once.")]
Stdin = Annotated[
    bool, typer.Option("--stdin", help="Read the event as JSON; options win over it.")
]
Patience = Annotated[float, typer.Option(min=0, help="Seconds to wait for the answer.")]
LOOK_SECONDS = 0.1


def emit(
    *,
    agent: Agent = None,
    model: Model = None,
    provider: Provider = None,
    tenant: Tenant = None,
    user: Annotated[Said, typer.Option()] = None,
    team: Annotated[Said, typer.Option()] = None,
    run_id: Annotated[Said, typer.Option()] = None,
    response_id: ResponseId = None,
    occurred_at: OccurredAt = None,
    token: Token = None,
    unit: Unit = None,
    tag: Tag = None,
    event_id: EventId = None,
    stdin: Stdin = False,
    endpoint: Endpoint = None,
    api_key: ApiKey = None,
    account: Account = None,
    directory: Directory = None,
    timeout: Patience = 10.0,
    as_json: AsJson = False,
) -> None:
    """Record one event and wait for the server's answer.

    Without an answer the event stays in the spool (exit code 3): the next process of this endpoint
    and account sends it, or `tallyroll spool flush`.
    """
    given = {
        "agent": agent,
        "model": model,
        "provider": provider,
        "tenant": tenant,
        "user": user,
        "team": team,
        "run_id": run_id,
        "response_id": response_id,
        "occurred_at": occurred_at,
        "event_id": event_id,
        **_pairs("tokens", "--token", token),
        **_pairs("units", "--unit", unit),
        **_pairs("tags", "--tag", tag),
    }
    fields = {name: value for name, value in given.items() if value is not None}
    text = sys.stdin.buffer.read() if stdin else b"{}"
    identity, values = _checked(text, fields, as_json=as_json)
    spool = None if is_spool_off() else Spool(directory=directory, account=account)
    try:
        meter = Meter(endpoint, api_key, spool=spool, strict=True)
    except ValueError as error:
        refuse_usage(str(error))
    _send(meter, identity, values, timeout=timeout, as_json=as_json)


def _send(
    meter: Meter, identity: str, values: dict[str, Any], *, timeout: float, as_json: bool
) -> NoReturn:
    meter.record(event_id=identity, **values)
    ends_at = time.monotonic() + timeout
    while not meter.flush(LOOK_SECONDS) and time.monotonic() < ends_at:
        if is_hopeless(meter.stats()):
            break
    why = trouble(meter.stats())
    answered = meter.close(0)
    found = next((r for r in meter.rejected if r.event_id == identity), None)
    if found is not None:
        fault = {"code": found.code, "field": found.field, "message": found.message}
        _refuse(identity, [fault], as_json=as_json)
    status = "accepted" if answered else "lost" if meter.stats().lost else "spooled"
    _report(identity, status, why, as_json=as_json)
    end(ExitCode.DONE if answered else ExitCode.NOT_DONE)


def _pairs(group: str, option: str, texts: Pairs) -> dict[str, str]:
    found = {}
    for text in texts or []:
        name, equals, value = text.partition("=")
        if not name or not equals:
            refuse_usage(f"{option} {text}: write NAME=VALUE")
        found[f"{group}.{name}"] = value
    return found


def _checked(text: bytes, given: dict[str, Any], *, as_json: bool) -> tuple[str, dict[str, Any]]:
    row = row_of_json(text)
    values = dict(row.values)
    for name, value in given.items():
        group, dot, key = name.partition(".")
        inner = values.get(group)
        if dot and isinstance(inner, dict):
            values[group] = {**inner, key: value}
        else:
            values[name] = value
    identity = values.setdefault("event_id", new_event_id())
    try:
        event = event_of(msgspec.structs.replace(row, values=values), Mapped(), needs_time=False)
    except InvalidEventError as error:
        faults = [msgspec.structs.asdict(fault) for fault in error.faults]
        _refuse(str(identity), faults, as_json=as_json)
    return event.event_id, event.fields


def _refuse(identity: str, faults: list[dict[str, Any]], *, as_json: bool) -> NoReturn:
    if as_json:
        print_json({"event_id": identity, "status": "rejected", "faults": faults})
    for fault in faults if not as_json else ():
        told = Text("rejected: ", style="bold")
        told.append(fault["code"], style="red")
        told.append(f" {fault['field'] or 'event'} {fault['message'] or ''}", style="not bold")
        messages().print(told, soft_wrap=True)
    end(ExitCode.REFUSED)


def _report(identity: str, status: str, why: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"event_id": identity, "status": status, "reason": why or None})
        return
    style = {"accepted": "green", "spooled": "yellow", "lost": "red"}[status]
    told = Text(status, style=style).append(f" {identity}", style="default")
    console().print(told, soft_wrap=True)
    if status == "spooled":
        messages().print(Text(f"No answer yet{': ' if why else ''}{why}. The event is kept."))
