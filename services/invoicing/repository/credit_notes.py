"""Credit notes, their lines, numbers and history."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.correction_tables import (
    credit_note,
    credit_note_change,
    credit_note_line,
    credit_note_sequence,
)
from services.invoicing.corrections.models import (
    OPEN_NOTE_STATES,
    CreditNote,
    CreditNoteLine,
)
from shared.accounts.repository import Account
from shared.errors import not_found

_KEY = ("vendor_id", "mode", "tenant_id", "credit_note_id")
_COLUMNS = [credit_note.c[field.name] for field in fields(CreditNote)]
_LINE_COLUMNS = [credit_note_line.c[field.name] for field in fields(CreditNoteLine)]


@dataclass(frozen=True)
class CreditNoteFilter:
    """Which notes of an account to list; `before` is the id of the last one already seen."""

    tenant_id: str | None = None
    invoice_id: str | None = None
    before: str | None = None
    limit: int = 100


def _key_of(note: CreditNote) -> dict[str, Any]:
    return {name: getattr(note, name) for name in _KEY}


async def insert_note(
    connection: AsyncConnection, note: CreditNote, lines: Sequence[CreditNoteLine]
) -> None:
    values = asdict(note) | {"next_attempt_at": note.created_at}
    await connection.execute(insert(credit_note).values(values))
    if lines:
        rows = [_key_of(note) | asdict(line) for line in lines]
        await connection.execute(insert(credit_note_line), rows)
    await _insert_change(connection, note, note.created_at)


async def _insert_change(connection: AsyncConnection, note: CreditNote, now: datetime) -> None:
    table = credit_note_change
    position = select(func.coalesce(func.max(table.c.position), 0) + 1).where(
        *(table.c[name] == value for name, value in _key_of(note).items())
    )
    values = _key_of(note) | {"state": note.state, "reason": note.reason, "changed_at": now}
    await connection.execute(insert(table).values(position=position.scalar_subquery(), **values))


def _of_account(account: Account) -> Select[Any]:
    return select(*_COLUMNS).where(
        credit_note.c.vendor_id == account.vendor_id, credit_note.c.mode == account.mode
    )


async def _read(connection: AsyncConnection, query: Select[Any]) -> Sequence[CreditNote]:
    return [CreditNote(**row) for row in (await connection.execute(query)).mappings()]


async def read_note(
    connection: AsyncConnection,
    account: Account,
    credit_note_id: str,
    *,
    tenant_id: str | None = None,
    lock: bool = False,
) -> CreditNote:
    """Return a note of the account (and tenant, if given); raises `unknown_credit_note`."""
    query = _of_account(account).where(credit_note.c.credit_note_id == credit_note_id)
    if tenant_id is not None:
        query = query.where(credit_note.c.tenant_id == tenant_id)
    found = await _read(connection, query.with_for_update() if lock else query)
    if not found:
        raise not_found("credit_note", credit_note_id)
    return found[0]


async def read_note_by_id(connection: AsyncConnection, credit_note_id: str) -> CreditNote:
    """Return the note that a signed link names; raises `unknown_credit_note`."""
    query = select(*_COLUMNS).where(credit_note.c.credit_note_id == credit_note_id)
    found = await _read(connection, query)
    if not found:
        raise not_found("credit_note", credit_note_id)
    return found[0]


async def list_notes(
    connection: AsyncConnection, account: Account, wanted: CreditNoteFilter
) -> Sequence[CreditNote]:
    """Return notes, newest first."""
    query = _of_account(account)
    if wanted.tenant_id is not None:
        query = query.where(credit_note.c.tenant_id == wanted.tenant_id)
    if wanted.invoice_id is not None:
        query = query.where(credit_note.c.invoice_id == wanted.invoice_id)
    if wanted.before is not None:
        query = query.where(credit_note.c.credit_note_id < wanted.before)
    query = query.order_by(credit_note.c.credit_note_id.desc()).limit(wanted.limit)
    return await _read(connection, query)


async def notes_of_invoice(
    connection: AsyncConnection, account: Account, invoice_id: str
) -> Sequence[CreditNote]:
    """Return every note of an invoice that counts: all but the cancelled ones, oldest first."""
    return (await counted_notes(connection, account, [invoice_id]))[invoice_id]


async def balance_notes(
    connection: AsyncConnection, account: Account, tenant_id: str
) -> set[str | None]:
    """Return Stripe's ids of a tenant's notes that go to its balance; None: one is under way."""
    query = select(credit_note.c.stripe_credit_note_id).where(
        credit_note.c.vendor_id == account.vendor_id,
        credit_note.c.mode == account.mode,
        credit_note.c.tenant_id == tenant_id,
        credit_note.c.settlement == "balance",
        credit_note.c.state.in_(("approved", "issued")),
    )
    return set((await connection.execute(query)).scalars())


async def list_parked_notes(connection: AsyncConnection, account: Account) -> Sequence[CreditNote]:
    query = _of_account(account).where(credit_note.c.state == "parked")
    return await _read(connection, query.order_by(credit_note.c.credit_note_id))


async def list_failing_notes(
    connection: AsyncConnection, account: Account, *, failures: int
) -> Sequence[CreditNote]:
    """Return the notes that failed so often, or more, and are tried on."""
    query = _of_account(account).where(
        credit_note.c.state.in_(OPEN_NOTE_STATES), credit_note.c.failures >= failures
    )
    return await _read(connection, query.order_by(credit_note.c.credit_note_id))


async def list_due_notes(
    connection: AsyncConnection, now: datetime, limit: int
) -> Sequence[CreditNote]:
    query = (
        select(*_COLUMNS)
        .where(credit_note.c.state.in_(OPEN_NOTE_STATES), credit_note.c.next_attempt_at <= now)
        .order_by(credit_note.c.next_attempt_at, credit_note.c.credit_note_id)
        .limit(limit)
    )
    return await _read(connection, query)


async def read_note_lines(
    connection: AsyncConnection, account: Account, credit_note_ids: Sequence[str]
) -> dict[str, list[CreditNoteLine]]:
    """Return the lines of each note in their order."""
    table = credit_note_line
    query = (
        select(table.c.credit_note_id, *_LINE_COLUMNS)
        .where(
            table.c.vendor_id == account.vendor_id,
            table.c.mode == account.mode,
            table.c.credit_note_id.in_(credit_note_ids),
        )
        .order_by(table.c.credit_note_id, table.c.position)
    )
    lines: dict[str, list[CreditNoteLine]] = {identity: [] for identity in credit_note_ids}
    for row in (await connection.execute(query)).mappings():
        values = dict(row)
        lines[values.pop("credit_note_id")].append(CreditNoteLine(**values))
    return lines


async def read_issued_at(connection: AsyncConnection, note: CreditNote) -> datetime:
    """Return when an issued note was issued."""
    table = credit_note_change
    query = select(func.min(table.c.changed_at)).where(
        *(table.c[name] == value for name, value in _key_of(note).items()),
        table.c.state == "issued",
    )
    issued_at: datetime = (await connection.execute(query)).scalar_one()
    return issued_at


async def issued_notes(
    connection: AsyncConnection, account: Account, invoice_ids: Sequence[str]
) -> dict[str, list[CreditNote]]:
    """Return the issued notes of each invoice, the oldest first."""
    found = await counted_notes(connection, account, invoice_ids)
    return {
        identity: [note for note in notes if note.state == "issued"]
        for identity, notes in found.items()
    }


async def counted_notes(
    connection: AsyncConnection, account: Account, invoice_ids: Sequence[str]
) -> dict[str, list[CreditNote]]:
    """Return the notes of each invoice that count: all but the cancelled ones, oldest first."""
    query = _of_account(account).where(
        credit_note.c.invoice_id.in_(invoice_ids), credit_note.c.state != "cancelled"
    )
    notes: dict[str, list[CreditNote]] = {identity: [] for identity in invoice_ids}
    for note in await _read(connection, query.order_by(credit_note.c.credit_note_id)):
        notes[note.invoice_id].append(note)
    return notes


async def update_note(
    connection: AsyncConnection, note: CreditNote, values: dict[str, Any], now: datetime
) -> CreditNote:
    """Change a note; another state or reason goes into its history."""
    statement = (
        update(credit_note)
        .where(*(credit_note.c[name] == value for name, value in _key_of(note).items()))
        .values(values)
        .returning(*_COLUMNS)
    )
    changed = CreditNote(**(await connection.execute(statement)).mappings().one())
    if (changed.state, changed.reason) != (note.state, note.reason):
        await _insert_change(connection, changed, now)
    return changed


async def take_note_position(connection: AsyncConnection, account: Account) -> int:
    """Take the next position of the account's sequence; it is given back if we roll back."""
    statement = insert(credit_note_sequence).values(
        vendor_id=account.vendor_id, mode=account.mode, last_position=1
    )
    taken = statement.on_conflict_do_update(
        index_elements=["vendor_id", "mode"],
        set_={"last_position": credit_note_sequence.c.last_position + 1},
    ).returning(credit_note_sequence.c.last_position)
    return int((await connection.execute(taken)).scalar_one())
