"""Events in and what became of them. What needs Postgres gets a connection and never commits."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metering.domain.event import shown
from services.metering.domain.judge import Judged, Rules, judge
from services.metering.domain.plain import read_plain
from services.metering.handlers.meters import announce_meters
from services.metering.ingest.body import EventText, invalid_json, split
from services.metering.ingest.envelope import (
    PlacedEvents,
    Sender,
    as_columns,
    place,
    place_plain,
)
from services.metering.repository import changed_runs, events, meters, seals
from services.metering.repository.events import EventKey
from services.metering.repository.offsets import read_progress
from services.metering.repository.tenants import KnownTenants
from services.metering.schemas import (
    DuplicateOf,
    EventState,
    EventVersion,
    RejectedEvent,
    RepublishAnswer,
)
from services.metering.worker.identity import NATURAL_DUPLICATE
from shared.accounts.access import Caller
from shared.accounts.keys import Scope
from shared.accounts.repository import Account
from shared.clock import Clock
from shared.errors import not_found
from shared.ids import canonical_event_id, partition_of
from shared.topics import USAGE_RECORDED

REJECTIONS_SHOWN = 10
PLAIN_EVENTS_MIN = 8
"""Fewer events are read faster one by one than by columns."""


def account_of(caller: Caller) -> Account:
    """Return the side of the world that a caller acts in."""
    return Account(caller.vendor_id, caller.mode)


@dataclass(frozen=True)
class Needs:
    """What judging a body needs: the tenants, the time, the partitions of the log."""

    tenants: KnownTenants
    clock: Clock
    partitions: int


async def accept_body(body: bytes, caller: Caller, needs: Needs) -> tuple[PlacedEvents, list[Any]]:
    """Return a body's good events, each in its partition, and the answer to every event."""
    texts = split(body)
    sender = Sender(caller.vendor_id, caller.mode, caller.key_id)
    if len(texts) >= PLAIN_EVENTS_MIN:
        events = read_plain(texts, await _rules(caller, needs))
        if events is not None:
            accepted = [
                {"index": index, "event_id": event_id, "status": "accepted"}
                for index, event_id in enumerate(events.ids)
            ]
            return place_plain(events, sender, partitions=needs.partitions), accepted
    judged = await _judge_texts(texts, body, caller, needs)
    placed = [
        place(verdict.event, sender, partitions=needs.partitions, size=verdict.size)
        for verdict in judged
        if verdict.event is not None
    ]
    return as_columns(placed), [result(index, verdict) for index, verdict in enumerate(judged)]


async def judge_body(body: bytes, caller: Caller, needs: Needs) -> list[Judged]:
    """Split a body and judge each event; a tenant's key naming another tenant is refused whole."""
    return await _judge_texts(split(body), body, caller, needs)


async def _rules(caller: Caller, needs: Needs) -> Rules:
    vendor_key = caller.tenant_id is None
    return Rules(
        now=needs.clock.now(),
        bound_tenant=caller.tenant_id,
        known_tenants=await needs.tenants.of(account_of(caller)) if vendor_key else frozenset(),
        backfill=Scope.EVENTS_BACKFILL in caller.scopes,
        corrections=Scope.EVENTS_CORRECT in caller.scopes,
    )


async def _judge_texts(
    texts: Sequence[EventText], body: bytes, caller: Caller, needs: Needs
) -> list[Judged]:
    rules = await _rules(caller, needs)
    judged = _judge_all(texts, rules, body)
    if any(j.fault is not None and j.fault.code == "unknown_tenant" for j in judged):
        known = await needs.tenants.of(account_of(caller), missing=True)
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
        partition = partition_of(partitions, caller.vendor_id, event.tenant_id, event.partition_id)
        answer["event"] = shown(event, partition=partition)
    return answer


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
    account, event_id = question.account, canonical_event_id(question.event_id)
    progress = await read_progress(connection, USAGE_RECORDED)
    partition = partition_of(len(progress), account.vendor_id, question.tenant_id, event_id)
    key = EventKey(account, question.tenant_id, event_id, partition)
    rejections = await events.read_rejections(connection, key, limit=REJECTIONS_SHOWN)
    state: dict[str, Any] = {
        "event_id": event_id,
        "tenant": question.tenant_id,
        "partition": partition,
        "rejections": [RejectedEvent.model_validate(dict(row)) for row in rejections],
    }
    number = await events.read_tenant_number(connection, key)
    known = {} if number is None else await _read_story(connection, key, number)
    if known:
        state |= known
    elif rejections:
        state["state"] = "rejected"
    elif progress[partition].next_offset < question.ends.get(partition, 0):
        state["state"] = "pending"
    else:
        raise not_found("event", question.event_id)
    return EventState.model_validate(state)


async def _read_story(connection: AsyncConnection, key: EventKey, number: int) -> dict[str, Any]:
    """Return what is known of an id as an event and as a correction; empty when nothing is."""
    rows = await events.read_versions(connection, key, number)
    versions = [
        EventVersion.model_validate(
            dict(row) | {"corrects": row["target_id"] if row["is_correction"] else None}
        )
        for row in rows
    ]
    identity = await events.read_identity(connection, key, number)
    if identity is None:
        return {"state": "correction", "versions": versions} if versions else {}
    current = await events.read_overlay(connection, key, number) or identity
    story = {name: identity[name] for name in ("usage_day", "booked_day", "offset", "index")}
    story |= {
        "state": "voided" if current.get("is_void") else "counted",
        "revision": current["revision"],
        "fingerprint": f"{current['digest']:016x}",
        "versions": versions,
    }
    if identity["state"] == NATURAL_DUPLICATE:
        owner = await events.read_natural_duplicate(connection, key, number)
        assert owner is not None, "a duplicate by natural key has a row that says of which"
        story["state"] = "duplicate"
        names = ("instrument", "partition", "offset", "index")
        story["duplicate_of"] = DuplicateOf(**{name: owner[f"owner_{name}"] for name in names})
    return story


async def republish(
    connection: AsyncConnection, account: Account, days: Sequence[date]
) -> RepublishAnswer:
    """Have the sums, seals and runs of days published again, and which meters there are."""
    days = sorted(set(days))
    changed = await seals.mark_days(connection, account, days)
    runs = await changed_runs.mark_days(connection, account, days)
    sealed = await seals.read_sealed_days(connection, account, days)
    await seals.queue_publication(connection, account, sealed)
    await announce_meters(connection, account, await meters.list_meters(connection, account))
    return RepublishAnswer(changed=changed, runs=runs, seals=len(sealed))
