"""Events in their partitions, as rows and as columns of the envelope."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import methodcaller
from typing import Any
from zlib import crc32

import msgspec

from services.metering.domain.event import Outcome, TokenEvent, fingerprint, microseconds
from services.metering.domain.plain import Column, PlainEvents
from shared.context_bands import context_band
from shared.events.message import Mode
from shared.events.usage_recorded import CONTENT_TYPE
from shared.ids import length_prefixed, partition_of

HEADERS = [("content-type", CONTENT_TYPE.encode())]

NO_TAGS = "{}"
Row = tuple[Any, ...]
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Sender:
    """Who sent an event: the key, and what it belongs to."""

    vendor_id: str
    mode: Mode
    key_id: str = ""


class Placed(msgspec.Struct, frozen=True, gc=False):
    """An event on its way to a partition, as a row of the envelope; `size` in bytes of JSON."""

    partition: int
    row: Row
    size: int


@dataclass(frozen=True)
class PlacedEvents:
    """Events on their way to their partitions: the columns of the envelope, in its order.

    `sizes` are bytes of JSON.
    """

    partitions: Sequence[int]
    columns: Sequence[Column]
    sizes: Sequence[int]

    def __len__(self) -> int:
        return len(self.partitions)


def as_columns(placed: Sequence[Placed]) -> PlacedEvents:
    """Return rows as columns."""
    return PlacedEvents(
        [event.partition for event in placed],
        list(zip(*[event.row for event in placed], strict=True)),
        [event.size for event in placed],
    )


def place(event: TokenEvent, sender: Sender, *, partitions: int, size: int = 0) -> Placed:
    """Return an event as a row, with the partition where every re-send of it goes as well."""
    vendor_id, mode = sender.vendor_id, sender.mode
    partition = partition_of(partitions, vendor_id, event.tenant_id, event.partition_id)
    row = (
        vendor_id,
        mode,
        event.tenant_id,
        event.event_id,
        fingerprint(event),
        None if event.occurred_at is None else microseconds(event.occurred_at),
        event.agent,
        event.model,
        event.provider,
        tuple(event.tokens),
        tuple(event.tokens.values()),
        tuple(event.units),
        tuple(event.units.values()),
        event.band,
        event.context_input_tokens,
        event.service_tier,
        event.batch,
        event.speed,
        event.region,
        event.user,
        event.team,
        event.run_id,
        event.parent_run_id,
        event.purpose,
        event.status,
        event.response_id,
        event.line,
        event.instrument,
        _tags_text(event.tags),
        event.revision,
        event.corrects,
        event.action,
        event.reason,
        sender.key_id if event.corrects else "",
        _outcome_text(event.outcome),
        event.reservation_id,
    )
    return Placed(partition, row, size)


def place_plain(events: PlainEvents, sender: Sender, *, partitions: int) -> PlacedEvents:
    """Return what `place` returns for each of these events."""
    count = len(events.ids)
    tenants, ids, times, agents, models, providers, tokens, units, *others = events.columns
    context, tier, batch, speed, region, user, team, run, parent, *others = others
    purpose, status, tags, response, line, instrument, *others = others
    revision, corrects, action, reason, outcome, reservation = others
    nothing = ("",) * count
    columns: list[Column] = [
        *((sender.vendor_id,) * count, (sender.mode,) * count, tenants, ids),
        *(events.fingerprints(), times, agents, models, providers),
        *_lists(tokens),
        *_lists(units),
        *(_bands(context), context, tier, batch, speed, region, user, team),
        *(run, parent, purpose, status, response, line, instrument),
        *(list(map(_tags_text, tags)) if any(tags) else (NO_TAGS,) * count, revision),
        *(corrects, action, reason, nothing),
        *(list(map(_outcome_text, outcome)) if any(outcome) else nothing, reservation),
    ]
    places = _partitions(partitions, sender.vendor_id, tenants, ids)
    return PlacedEvents(list(places), columns, events.sizes)


def _bands(context: Column) -> Column:
    bands = {value: context_band(value) for value in set(context)}
    return [bands[value] for value in context]


def _partitions(count: int, vendor_id: str, tenants: Column, ids: Column) -> Iterator[int]:
    # A CRC goes on from what comes before: only the id is new from event to event.
    begins = {tenant: crc32(length_prefixed(vendor_id, tenant)) for tenant in set(tenants)}
    for tenant, event_id in zip(tenants, ids, strict=True):
        encoded = event_id.encode()
        yield crc32(b"%d:%b" % (len(encoded), encoded), begins[tenant]) % count


_values = methodcaller("values")


def _lists(maps: Column) -> tuple[Column, Column]:
    """Return the keys and the values of each map."""
    if not any(maps):
        nothing = ((),) * len(maps)
        return nothing, nothing
    return list(map(tuple, maps)), list(map(tuple, map(_values, maps)))


def _tags_text(tags: dict[str, str]) -> str:
    return _encode(tags).decode() if tags else NO_TAGS


def _outcome_text(outcome: Outcome | None) -> str:
    return _encode(outcome).decode() if outcome else ""
