"""The double-entry ledger of a wallet: every movement is entries that sum to zero.

`credits` is what the tenant holds in a grant, `funding` where credit comes from, `usage` what
statements used of it, `breakage` what expired. An amount raises its account.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import Any, Literal

from services.pricing.domain.wallet.changes import Expiry, Return
from services.pricing.domain.wallet.draws import DrawnStatement, draw_content
from services.pricing.domain.wallet.grants import Grant

EntryAccount = Literal["credits", "funding", "usage", "breakage"]
TransactionKind = Literal["grant", "draw", "return", "expiry"]
Origin = Literal["grant", "top_up", "automatic_top_up", "paid_top_up"]


@dataclass(frozen=True)
class Entry:
    """One side of a movement; `line_key` names the line of a statement that is paid."""

    account: EntryAccount
    grant_id: str
    amount: Fraction
    line_key: str = ""


@dataclass(frozen=True)
class Transaction:
    """A movement of credit; `reference` is the statement or the grant that it is about."""

    kind: TransactionKind
    booked_on: date
    reference: str
    entries: tuple[Entry, ...]
    content: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if sum((entry.amount for entry in self.entries), Fraction(0)):
            raise ValueError("the entries of a transaction sum to zero")


def _move(
    grant_id: str, amount: Fraction, other: EntryAccount, line_key: str = ""
) -> tuple[Entry, Entry]:
    """Return both sides of what comes into a grant (or, below 0, leaves it)."""
    return Entry("credits", grant_id, amount, line_key), Entry(other, grant_id, -amount, line_key)


def grant_transaction(grant: Grant, *, on: date, origin: Origin) -> Transaction:
    """Book a new grant."""
    entries = _move(grant.grant_id, grant.amount, "funding")
    return Transaction("grant", on, grant.grant_id, entries, {"origin": origin})


def draw_transaction(drawn: DrawnStatement) -> Transaction:
    """Book what a statement draws, with all that it was computed from."""
    statement = drawn.statement
    entries = [
        entry
        for draw in drawn.draws
        for entry in _move(draw.grant_id, -draw.amount, "usage", draw.line_key)
    ]
    return Transaction(
        "draw",
        statement.last_day,
        statement.statement_id,
        tuple(entries),
        draw_content(drawn),
    )


def return_transaction(statement_id: str, returns: Iterable[Return], *, on: date) -> Transaction:
    """Book what returns of a statement; `expires` says how long the grants live at least."""
    returned = list(returns)
    entries = [
        entry
        for one in returned
        for entry in _move(one.grant_id, one.amount, "usage", one.line_key)
    ]
    expires = {one.grant_id: one.expires_on.isoformat() for one in returned if one.expires_on}
    return Transaction("return", on, statement_id, tuple(entries), {"expires": expires})


def expiry_transaction(expiry: Expiry, *, on: date) -> Transaction:
    """Book the end of a grant: breakage, and what moves to the grant that carries it on."""
    entries = list(_move(expiry.grant_id, -expiry.lost, "breakage") if expiry.lost else ())
    if expiry.carried is not None:
        amount = expiry.carried.amount
        entries += [
            Entry("credits", expiry.grant_id, -amount),
            Entry("credits", expiry.carried.grant_id, amount),
        ]
    return Transaction("expiry", on, expiry.grant_id, tuple(entries))
