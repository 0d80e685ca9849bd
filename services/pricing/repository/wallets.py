"""Wallets: settings, grants and the ledger, of which rows are only added."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from fractions import Fraction
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Table, func, literal_column, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.wallet.draws import Draw
from services.pricing.domain.wallet.grants import Grant, GrantState, grant_content, grant_from
from services.pricing.domain.wallet.ledger import Transaction
from services.pricing.repository.selection import owned
from services.pricing.tables import subscription
from services.pricing.wallet_tables import credit_grant, ledger_entry, ledger_transaction, wallet
from shared.accounts.repository import Account
from shared.database import lock_transaction
from shared.ids import new_id


@dataclass(frozen=True)
class Wallet:
    """The credits of a tenant in a currency."""

    vendor_id: str
    mode: str
    tenant_id: str
    currency: str

    def rows(self, table: Table, **values: Any) -> ColumnElement[bool]:
        """Return the condition for this wallet's rows with the given values."""
        return owned(
            table, self.account, tenant_id=self.tenant_id, currency=self.currency, **values
        )

    @property
    def account(self) -> Account:
        return Account(self.vendor_id, "live" if self.mode == "live" else "test")


async def lock_wallet(connection: AsyncConnection, held: Wallet) -> None:
    """Let one transaction at a time move a wallet's credit."""
    await lock_transaction(
        connection, "pricing.wallet", held.vendor_id, held.mode, held.tenant_id, held.currency
    )


async def read_settings(connection: AsyncConnection, held: Wallet) -> RowMapping | None:
    query = select(wallet).where(held.rows(wallet))
    row: RowMapping | None = (await connection.execute(query)).mappings().one_or_none()
    return row


async def put_settings(connection: AsyncConnection, held: Wallet, values: dict[str, Any]) -> None:
    written = insert(wallet).values(**asdict(held), **values)
    await connection.execute(
        written.on_conflict_do_update(index_elements=list(wallet.primary_key.columns), set_=values)
    )


async def add_grant(connection: AsyncConnection, held: Wallet, grant: Grant) -> None:
    await connection.execute(
        insert(credit_grant).values(
            **asdict(held), grant_id=grant.grant_id, content=grant_content(grant)
        )
    )


async def exists(connection: AsyncConnection, held: Wallet) -> bool:
    """Tell whether somebody gave the wallet credit or said how it behaves."""
    granted = select(credit_grant.c.currency).where(held.rows(credit_grant))
    written = select(wallet.c.currency).where(held.rows(wallet))
    return await connection.scalar(granted.union_all(written).limit(1)) is not None


async def read_states(connection: AsyncConnection, held: Wallet) -> list[GrantState]:
    """Return every grant of a wallet with what is left of it, in the order of granting."""
    balances = await _balances(connection, held)
    extended = await _extensions(connection, held)
    query = select(credit_grant).where(held.rows(credit_grant)).order_by(credit_grant.c.position)
    states = []
    for row in (await connection.execute(query)).mappings():
        grant = grant_from(row["content"], row["position"])
        until = extended.get(grant.grant_id)
        expires_on = max(grant.expires_on, until) if grant.expires_on and until else None
        states.append(GrantState(grant, balances[grant.grant_id], expires_on or grant.expires_on))
    return states


async def _balances(connection: AsyncConnection, held: Wallet) -> dict[str, Fraction]:
    """Return what is left of each grant; numerators are added where denominators are equal."""
    entry, moved = ledger_entry.c, ledger_transaction.c
    query = (
        select(entry.grant_id, entry.denominator, func.sum(entry.numerator))
        .join_from(
            ledger_entry,
            ledger_transaction,
            (entry.vendor_id == moved.vendor_id)
            & (entry.mode == moved.mode)
            & (entry.transaction_id == moved.transaction_id),
        )
        .where(held.rows(ledger_transaction), entry.account == "credits")
        .group_by(entry.grant_id, entry.denominator)
    )
    balances: dict[str, Fraction] = defaultdict(Fraction)
    for grant_id, denominator, numerator in (await connection.execute(query)).all():
        balances[grant_id] += Fraction(int(numerator), int(denominator))
    return balances


async def _extensions(connection: AsyncConnection, held: Wallet) -> dict[str, date]:
    """Return until when grants live because something returned to them."""
    returned = func.jsonb_each_text(ledger_transaction.c.content["expires"]).table_valued(
        "key", "value"
    )
    query = (
        select(returned.c.key, func.max(returned.c.value))
        .select_from(ledger_transaction)
        .join(returned, literal_column("true"))
        .where(held.rows(ledger_transaction, kind="return"))
        .group_by(returned.c.key)
    )
    rows = (await connection.execute(query)).all()
    return {grant_id: date.fromisoformat(until) for grant_id, until in rows}


async def book(connection: AsyncConnection, held: Wallet, transaction: Transaction) -> str:
    """Add a transaction with its entries; return its id."""
    transaction_id = new_id()
    await connection.execute(
        insert(ledger_transaction).values(
            **asdict(held),
            transaction_id=transaction_id,
            kind=transaction.kind,
            booked_on=transaction.booked_on,
            reference=transaction.reference,
            content=dict(transaction.content),
        )
    )
    rows = [
        {
            "vendor_id": held.vendor_id,
            "mode": held.mode,
            "transaction_id": transaction_id,
            "number": number,
            "account": entry.account,
            "grant_id": entry.grant_id,
            "line_key": entry.line_key,
            "numerator": entry.amount.numerator,
            "denominator": entry.amount.denominator,
        }
        for number, entry in enumerate(transaction.entries)
    ]
    if rows:
        await connection.execute(insert(ledger_entry), rows)
    return transaction_id


async def read_draw(
    connection: AsyncConnection, held: Wallet, statement_id: str
) -> RowMapping | None:
    """Return the transaction in which a statement drew; None when it did not draw yet."""
    query = select(ledger_transaction).where(
        held.rows(ledger_transaction, kind="draw", reference=statement_id)
    )
    row: RowMapping | None = (await connection.execute(query)).mappings().one_or_none()
    return row


async def read_drawn(connection: AsyncConnection, held: Wallet, statement_id: str) -> list[Draw]:
    """Return what a statement still holds of its draws, in the order of drawing."""
    query = select(ledger_transaction.c.transaction_id).where(
        held.rows(ledger_transaction, reference=statement_id),
        ledger_transaction.c.kind.in_(("draw", "return")),
    )
    transactions = await connection.scalars(query.order_by(ledger_transaction.c.position))
    sums: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
    for row in await read_entries(connection, held, transactions.all()):
        if row["account"] == "usage":
            sums[row["grant_id"], row["line_key"]] += amount_of(row)
    taxes = {state.grant.grant_id: state.grant.tax for state in await read_states(connection, held)}
    return [
        Draw(grant_id, line_key, amount, taxes[grant_id])
        for (grant_id, line_key), amount in sums.items()
        if amount
    ]


def amount_of(row: RowMapping) -> Fraction:
    return Fraction(int(row["numerator"]), int(row["denominator"]))


async def read_entries(
    connection: AsyncConnection, held: Wallet, transactions: Sequence[str]
) -> Sequence[RowMapping]:
    """Return the entries of transactions, transaction by transaction as given."""
    places = {transaction_id: place for place, transaction_id in enumerate(transactions)}
    query = select(ledger_entry).where(
        owned(ledger_entry, held.account), ledger_entry.c.transaction_id.in_(transactions)
    )
    rows = (await connection.execute(query)).mappings().all()
    return sorted(rows, key=lambda row: (places[row["transaction_id"]], row["number"]))


async def list_transactions(
    connection: AsyncConnection, held: Wallet, *, after: int, limit: int
) -> Sequence[RowMapping]:
    """Return transactions behind a position, oldest first."""
    query = (
        select(ledger_transaction)
        .where(held.rows(ledger_transaction), ledger_transaction.c.position > after)
        .order_by(ledger_transaction.c.position)
        .limit(limit)
    )
    return (await connection.execute(query)).mappings().all()


async def open_until(connection: AsyncConnection, held: Wallet) -> date | None:
    """Return the first end (exclusive) of a tenant's days that no statement has drawn for yet.

    Of an opening that is to come, the day is the first that is charged.
    """
    opens = func.least(subscription.c.next_end, subscription.c.opens_on + 1)
    query = select(func.min(opens)).where(
        subscription.c.next_end.is_not(None),
        owned(subscription, held.account, tenant_id=held.tenant_id),
    )
    end: date | None = await connection.scalar(query)
    return end


async def list_wallets(connection: AsyncConnection, account: Account) -> list[Wallet]:
    """Return the wallets of an account, in order; one look instead of one for each statement."""
    names = ("vendor_id", "mode", "tenant_id", "currency")
    granted, written = (
        select(*(table.c[name] for name in names)).where(owned(table, account))
        for table in (credit_grant, wallet)
    )
    rows = (await connection.execute(granted.union(written))).all()
    return [Wallet(*row) for row in sorted(tuple(row) for row in rows)]
