"""The use cases of the API. Those that need Postgres get a connection and never commit."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import msgspec
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metering.domain.event import shown
from services.metering.domain.judge import Judged, Rules, judge
from services.metering.ingest.body import EventText, invalid_json, split
from services.metering.ingest.envelope import Placed, place
from services.metering.repository import seals, usage
from services.metering.repository.offsets import read_progress, read_watermark
from services.metering.repository.tenants import KnownTenants
from services.metering.repository.usage import Window
from services.metering.schemas import (
    EventState,
    RejectedEvent,
    RepublishAnswer,
    Statistics,
    UsageAnswer,
)
from services.metering.tables import rollup, user_rollup
from shared.accounts.access import Caller
from shared.accounts.keys import Scope
from shared.accounts.repository import Account
from shared.clock import Clock
from shared.errors import TallyrollError, not_found
from shared.ids import canonical_event_id, partition_of
from shared.money import format_decimal
from shared.topics import USAGE_RECORDED

ROWS_MAX = 10_000
REJECTIONS_SHOWN = 10

_SHARED_DIMENSIONS = ("agent", "model", "purpose", "kind", "usage_day", "booked_day", "entry")
_PRICE_DIMENSIONS = (
    *("provider", "context_band", "service_tier", "batch", "speed", "region", "status", "hour"),
)


def _columns(*names: str) -> dict[str, str]:
    return {"tenant": "tenant_id", **{name: name for name in (*_SHARED_DIMENSIONS, *names)}}


USAGE_DIMENSIONS = _columns(*_PRICE_DIMENSIONS)
USER_DIMENSIONS = _columns("team", "user")


def account_of(caller: Caller) -> Account:
    """Return the side of the world that a caller acts in."""
    return Account(caller.vendor_id, caller.mode)


async def judge_body(
    body: bytes, caller: Caller, *, tenants: KnownTenants, clock: Clock
) -> list[Judged]:
    """Split a body and judge each event; a tenant's key naming another tenant is refused whole."""
    texts = split(body)
    rules = Rules(
        now=clock.now(),
        bound_tenant=caller.tenant_id,
        known_tenants=frozenset(),
        backfill=Scope.EVENTS_BACKFILL in caller.scopes,
    )
    if caller.tenant_id is None:
        rules = replace(rules, known_tenants=await tenants.of(account_of(caller)))
    judged = _judge_all(texts, rules, body)
    if any(j.fault is not None and j.fault.code == "unknown_tenant" for j in judged):
        known = await tenants.of(account_of(caller), missing=True)
        if known != rules.known_tenants:
            judged = _judge_all(texts, replace(rules, known_tenants=known), body)
    for verdict in judged:
        if verdict.named_tenant is not None:
            caller.tenant(verdict.named_tenant)
    return judged


def _judge_all(texts: Sequence[EventText], rules: Rules, body: bytes) -> list[Judged]:
    verdicts = []
    for text in texts:
        try:
            verdicts.append(judge(text, rules))
        except msgspec.DecodeError as error:
            base = max(body.find(bytes(memoryview(text))), 0)
            raise invalid_json(body, error, base=base) from error
    return verdicts


def place_all(judged: Sequence[Judged], caller: Caller, partitions: int) -> list[Placed]:
    """Return the accepted events, each in its partition."""
    return [
        place(
            verdict.event,
            vendor_id=caller.vendor_id,
            mode=caller.mode,
            partitions=partitions,
            size=verdict.size,
        )
        for verdict in judged
        if verdict.event is not None
    ]


def result(index: int, verdict: Judged) -> dict[str, Any]:
    """Return the answer to one event."""
    answer: dict[str, Any] = {"index": index, "event_id": verdict.event_id, "status": "accepted"}
    if verdict.fault is not None:
        fault = verdict.fault
        answer |= {"status": "rejected", "code": fault.code, "field": fault.field}
        answer["message"] = fault.message
    return answer


def dry_result(index: int, verdict: Judged, caller: Caller, partitions: int) -> dict[str, Any]:
    """Return the answer to one event of a dry run."""
    answer = result(index, verdict)
    if verdict.event is not None:
        event = verdict.event
        partition = partition_of(partitions, caller.vendor_id, event.tenant_id, event.event_id)
        answer["event"] = shown(event, partition=partition)
    return answer


@dataclass(frozen=True)
class UsageQuestion:
    """Usage of one or all tenants by dimensions; `by_user` asks the rollup of users."""

    window: Window
    group_by: tuple[str, ...]
    by_user: bool = False


async def read_usage(connection: AsyncConnection, question: UsageQuestion) -> UsageAnswer:
    """Return sums of usage, true for the watermark in them."""
    known = USER_DIMENSIONS if question.by_user else USAGE_DIMENSIONS
    for name in question.group_by:
        if name not in known:
            message = f"Usage can be grouped by {', '.join(known)}."
            raise TallyrollError("unknown_dimension", message, subject=name[:128])
    # Quantities of different kinds do not add up.
    names = list(dict.fromkeys((*question.group_by, "kind")))
    as_of = await read_watermark(connection, USAGE_RECORDED)
    rows = await usage.sum_usage(
        connection,
        user_rollup if question.by_user else rollup,
        question.window,
        dimensions=[known[name] for name in names],
        limit=ROWS_MAX + 1,
    )
    if len(rows) > ROWS_MAX:
        message = f"The answer has more than {ROWS_MAX} rows: ask for fewer days or dimensions."
        raise TallyrollError("too_many_rows", message)
    return UsageAnswer.model_validate(
        {
            "as_of": as_of,
            "from": question.window.first,
            "to": question.window.end,
            "mode": question.window.account.mode,
            "rows": [_shown_row(row, names, known) for row in rows],
        }
    )


def _shown_row(row: RowMapping, names: Sequence[str], known: dict[str, str]) -> dict[str, Any]:
    answer = {name: row[known[name]] for name in names}
    return answer | {"quantity": format_decimal(row["quantity"]), "events": int(row["events"])}


@dataclass(frozen=True)
class EventQuestion:
    """One event of a tenant; `ends` are the ends of the log when the question was asked."""

    account: Account
    tenant_id: str
    event_id: str
    ends: dict[int, int]


async def read_event_state(connection: AsyncConnection, question: EventQuestion) -> EventState:
    """Return where an event stands, from one snapshot; raises `unknown_event`.

    An unknown id is pending until its partition is read to where it ended when we were asked.
    """
    event_id = canonical_event_id(question.event_id)
    key = (question.account, question.tenant_id, event_id)
    progress = await read_progress(connection, USAGE_RECORDED)
    account = question.account
    partition = partition_of(len(progress), account.vendor_id, question.tenant_id, event_id)
    state: dict[str, Any] = {
        "event_id": event_id,
        "tenant": question.tenant_id,
        "partition": partition,
    }
    rejections = await usage.read_rejections(connection, *key, limit=REJECTIONS_SHOWN)
    state["rejections"] = [RejectedEvent.model_validate(dict(row)) for row in rejections]
    identity = await usage.read_identity(connection, *key)
    if identity is not None:
        names = ("usage_day", "booked_day", "offset", "index")
        state |= {"state": "counted", "fingerprint": identity["fingerprint"].hex()}
        state |= {name: identity[name] for name in names}
    elif rejections:
        state["state"] = "rejected"
    elif progress[partition].next_offset < question.ends.get(partition, 0):
        state["state"] = "pending"
    else:
        raise not_found("event", question.event_id)
    return EventState.model_validate(state)


async def republish(
    connection: AsyncConnection, account: Account, days: Sequence[date]
) -> RepublishAnswer:
    """Have the sums and seals of days published again."""
    days = sorted(set(days))
    changed = await seals.mark_days(connection, account, days)
    sealed = await seals.read_sealed_days(connection, account, days)
    await seals.queue_publication(connection, account, sealed)
    return RepublishAnswer(changed=changed, seals=len(sealed))


async def read_statistics(connection: AsyncConnection, account: Account) -> Statistics:
    """Return what the account has counted, seen twice and rejected."""
    as_of = await read_watermark(connection, USAGE_RECORDED)
    counts = await usage.read_statistics(connection, account)
    return Statistics.model_validate({"mode": account.mode, "as_of": as_of, **counts})
