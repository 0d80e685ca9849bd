"""What an operator does about a dead letter: send the event again, or close it.

A replay is a row of the outbox, written in the transaction of its audit row. The relay may send it
twice after a crash; the event keeps its id, so it still counts once.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metering.domain.versions import Position
from services.metering.ingest.batch import encode_envelope
from services.metering.ingest.envelope import HEADERS
from services.metering.repository import deadletters as repository
from services.metering.repository.offsets import read_progress
from services.metering.repository.tenants import read_tenants
from services.metering.tables import outbox
from services.metering.worker.json_records import Written, read_json_record
from services.metering.worker.reading import Record, read_records
from shared.accounts.repository import Account
from shared.errors import TallyrollError, conflict, not_found
from shared.events.usage_recorded import SCHEMA
from shared.ids import partition_of
from shared.topics import USAGE_RECORDED

CONFLICT_CODES = frozenset({"conflicting_event"})


@dataclass(frozen=True)
class Operator:
    """Who acts, and why; both stand in the audit row."""

    actor: str
    reason: str


def parse_position(text: str) -> Position:
    """Read `partition:offset:index`; raises `invalid_position`."""
    parts = text.split(":")
    if len(parts) != 3 or not all(part.isascii() and part.isdecimal() for part in parts):  # noqa: PLR2004 - the three parts of a position
        message = "A dead letter is named partition:offset:index, such as 2:1841:0."
        raise TallyrollError("invalid_position", message, subject=text[:64])
    partition, offset, index = (int(part) for part in parts)
    return partition, offset, index


def format_position(row: RowMapping) -> str:
    """Return a dead letter's name."""
    return f"{row['partition']}:{row['offset']}:{row['index']}"


async def replay(connection: AsyncConnection, position: Position, operator: Operator) -> str:
    """Queue the event for the log again, or note why it cannot be; returns "" or the reason."""
    row = await _read_open(connection, position)
    partitions = len(await read_progress(connection, USAGE_RECORDED))
    try:
        envelope, partition = _rebuild(row, await _event(connection, row), partitions)
    except TallyrollError as refusal:
        await _note(connection, position, operator, action="replay", refusal=str(refusal))
        return str(refusal)
    headers = {name: value.decode() for name, value in HEADERS}
    await connection.execute(
        outbox.insert(),
        [
            {
                "topic": USAGE_RECORDED.name,
                "partition": partition,
                "key": None,
                "headers": {**headers, "replays": format_position(row)},
                "payload": envelope,
            }
        ],
    )
    await _note(connection, position, operator, action="replay")
    return ""


async def discard(connection: AsyncConnection, position: Position, operator: Operator) -> None:
    """Close a dead letter: its event is never counted."""
    await _read_open(connection, position)
    await _note(connection, position, operator, action="discard")


async def _read_open(connection: AsyncConnection, position: Position) -> RowMapping:
    row = await repository.read_dead_letter(connection, position)
    name = ":".join(str(part) for part in position)
    if row is None:
        raise not_found("dead_letter", name)
    if row["state"] != "open":
        done = {"replay": "replayed", "discard": "discarded"}[row["state"]]
        raise conflict("dead_letter_closed", f"This dead letter was {done} already.", subject=name)
    return row


async def _note(
    connection: AsyncConnection,
    position: Position,
    operator: Operator,
    *,
    action: str,
    refusal: str = "",
) -> None:
    done = {"replay": "queued", "discard": "closed"}[action]
    values = {
        "action": action,
        "actor": operator.actor,
        "reason": operator.reason,
        "result": "refused" if refusal else done,
        "message": refusal,
    }
    await repository.insert_action(connection, position, values)


async def _event(connection: AsyncConnection, row: RowMapping) -> dict[str, Any]:
    """Return the event as a row of the envelope; one that was written as JSON is judged again."""
    event: dict[str, Any] = dict(row["event"])
    text = event.get("written")
    if not text:
        return event
    account = Account(row["vendor_id"], row["mode"])
    head = f'{{"vendor_id":"{account.vendor_id}","mode":"{account.mode}","events":['
    value = f"{head}{text}]}}".encode()
    tenants = await read_tenants(connection, account)
    reading = read_json_record(Written(value, row["rejected_at"], tenants))
    if reading.faults:
        fault = reading.faults[0]
        raise TallyrollError(fault.code, f"It would be rejected again: {fault.message}")
    judged: dict[str, Any] = reading.rows.to_pylist()[0]
    return judged | {"fingerprint": judged["fingerprint"].hex()}


def _rebuild(row: RowMapping, event: dict[str, Any], partitions: int) -> tuple[bytes, int]:
    """Return the event as an envelope, checked as the worker will check it, and its partition."""
    if row["code"] in CONFLICT_CODES:
        message = "Another content of this id is counted; correct that event instead."
        raise TallyrollError("still_conflicting", message)
    if event.keys() != set(SCHEMA.names):
        message = "What is kept of the record is no whole event; its producer has to send it again."
        raise TallyrollError("event_incomplete", message)
    placing = event["corrects"] or event["event_id"]
    partition = partition_of(partitions, event["vendor_id"], event["tenant_id"], placing)
    envelope = _encode(event)
    checked = read_records([Record(partition, 0, envelope)], partitions=partitions)
    if checked.rejections:
        fault = checked.rejections[0]
        raise TallyrollError(fault.code, f"It would be rejected again: {fault.message}")
    return envelope, partition


def _encode(event: dict[str, Any]) -> bytes:
    try:
        event["fingerprint"] = bytes.fromhex(event["fingerprint"])
        if isinstance(event["occurred_at"], str):
            event["occurred_at"] = datetime.fromisoformat(event["occurred_at"])
        return encode_envelope([tuple(event[name] for name in SCHEMA.names)])
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        message = "What is kept of the event does not have the form of the envelope."
        raise TallyrollError("event_incomplete", message) from error
