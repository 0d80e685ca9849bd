"""Wallets as they are shown: balance, grants, ledger."""

from datetime import date

from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.wallet.changes import may_spend
from services.pricing.domain.wallet.grants import grant_content
from services.pricing.handlers.wallets import spendable
from services.pricing.repository import wallets
from services.pricing.repository.wallets import Wallet
from services.pricing.schemas.wallet import (
    EntryRead,
    GrantRead,
    LedgerPage,
    TopUpRule,
    TransactionRead,
    WalletRead,
)
from shared.money import format_exact, format_shown


async def read_wallet(connection: AsyncConnection, held: Wallet, *, today: date) -> WalletRead:
    """Return a wallet; one that nobody wrote is empty and bills overage."""
    settings = await wallets.read_settings(connection, held)
    states = await wallets.read_states(connection, held)
    balance = spendable(states, on=today)
    on_empty = settings["on_empty"] if settings else "overage"
    rule = None
    if settings and settings["top_up_below"] is not None:
        rule = TopUpRule(
            below=settings["top_up_below"],
            amount=settings["top_up_amount"],
            by=settings["top_up_by"],
        )
    return WalletRead(
        tenant_id=held.tenant_id,
        currency=held.currency,
        on_empty=on_empty,
        automatic_top_up=rule,
        low_balance=settings["low_balance"] if settings else None,
        may_spend=may_spend(balance, hard_stop=on_empty == "hard_stop"),
        balance_exact=format_exact(balance),
        balance_shown=format_shown(balance),
        grants=[
            GrantRead(
                grant_id=state.grant.grant_id,
                terms=grant_content(state.grant),
                balance_exact=format_exact(state.balance),
                expires_on=state.expires_on,
            )
            for state in states
        ],
    )


async def read_ledger(
    connection: AsyncConnection, held: Wallet, *, after: int, limit: int
) -> LedgerPage:
    """Return a page of transactions with their entries."""
    rows = await wallets.list_transactions(connection, held, after=after, limit=limit)
    entries: dict[str, list[EntryRead]] = {row["transaction_id"]: [] for row in rows}
    for entry in await wallets.read_entries(connection, held, list(entries)):
        shown = EntryRead(
            account=entry["account"],
            grant_id=entry["grant_id"],
            line_key=entry["line_key"],
            amount_exact=format_exact(wallets.amount_of(entry)),
        )
        entries[entry["transaction_id"]].append(shown)
    return LedgerPage(
        transactions=[
            TransactionRead(**_shown(dict(row)), entries=entries[row["transaction_id"]])
            for row in rows
        ],
        next_after=rows[-1]["position"] if len(rows) == limit else None,
    )


def _shown(row: dict[str, object]) -> dict[str, object]:
    return {name: row[name] for name in TransactionRead.model_fields if name != "entries"}
