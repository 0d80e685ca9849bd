"""What must always be true of credits, checked on live data from outside."""

from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.wallet.draws import replay

_ENTRIES = text(
    """
    select vendor_id, mode, transaction_id, account, grant_id, denominator,
        sum(numerator) as numerator
    from pricing.ledger_entry
    where (cast(:vendor as text) is null or vendor_id = :vendor)
      and (cast(:mode as text) is null or mode = :mode)
    group by 1, 2, 3, 4, 5, 6
    """
)
_DRAWS = text(
    """
    select vendor_id, mode, transaction_id, content from pricing.ledger_transaction
    where kind = 'draw' and content ? 'parts'
      and (cast(:vendor as text) is null or vendor_id = :vendor)
      and (cast(:mode as text) is null or mode = :mode)
    """
)

Place = tuple[str, str, str]


@dataclass(frozen=True)
class LedgerFinding:
    """How much was looked at, and what is wrong."""

    looked_at: int
    offending: list[str]


async def check_ledger(
    connection: AsyncConnection, vendor_id: str | None, mode: str | None
) -> LedgerFinding:
    """Check that transactions sum to zero, no grant is overdrawn and every draw can be replayed."""
    values = {"vendor": vendor_id, "mode": mode}
    transactions: dict[Place, Fraction] = defaultdict(Fraction)
    grants: dict[Place, Fraction] = defaultdict(Fraction)
    used: dict[Place, dict[str, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
    for row in (await connection.execute(_ENTRIES, values)).all():
        amount = Fraction(int(row.numerator), int(row.denominator))
        place = (row.vendor_id, row.mode, row.transaction_id)
        transactions[place] += amount
        if row.account == "credits":
            grants[row.vendor_id, row.mode, row.grant_id] += amount
        if row.account == "usage":
            used[place][row.grant_id] += amount
    offending = [
        f"{'/'.join(place[:2])}/transaction {place[2]}: sums to {amount}"
        for place, amount in sorted(transactions.items())
        if amount
    ]
    offending += [
        f"{'/'.join(place[:2])}/grant {place[2]}: balance {amount}"
        for place, amount in sorted(grants.items())
        if amount < 0
    ]
    for row in (await connection.execute(_DRAWS, values)).all():
        place = (row.vendor_id, row.mode, row.transaction_id)
        if _replayed(row.content) != dict(used[place]):
            offending.append(f"{'/'.join(place[:2])}/draw {place[2]}: a replay pays otherwise")
    return LedgerFinding(len(transactions), offending)


def _replayed(content: dict[str, object]) -> dict[str, Fraction]:
    sums: dict[str, Fraction] = defaultdict(Fraction)
    for drawn in replay(content).draws:
        sums[drawn.grant_id] += drawn.amount
    return dict(sums)
