"""Where the envelopes stand that some work falls into: everything that a decision needs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.envelopes.balance import (
    Balance,
    Hold,
    Raise,
    Spent,
    balance_of,
)
from services.pricing.domain.envelopes.envelope import Envelope, Ledger
from services.pricing.repository.envelopes import definitions, reservations, spending
from services.pricing.schemas.envelope import EnvelopeWrite
from shared.accounts.repository import Account
from shared.money import parse_exact


@dataclass(frozen=True)
class Standing:
    """Envelopes with their settings, at one moment."""

    envelopes: Mapping[str, Envelope]
    settings: Mapping[str, EnvelopeWrite]
    periods: dict[str, date]
    spent: Mapping[tuple[str, Ledger], Spent]
    raises: Mapping[str, Sequence[Raise]]
    holds: Mapping[str, Sequence[Hold]]
    now: datetime

    def balance(self, name: str, ledger: Ledger) -> Balance:
        """Return a ledger of an envelope."""
        return balance_of(
            self.envelopes[name],
            ledger,
            self.spent.get((name, ledger), Spent()),
            now=self.now,
            raises=self.raises.get(name, ()),
            holds=self.holds.get(name, ()),
        )

    def balances(self, ledger: Ledger) -> list[Balance]:
        """Return one ledger of each envelope, by name."""
        return [self.balance(name, ledger) for name in sorted(self.envelopes)]


async def standing_of(
    connection: AsyncConnection,
    account: Account,
    rows: Iterable[RowMapping],
    now: datetime,
    *,
    without: str = "",
) -> Standing:
    """Return where envelopes stand; `without` is a reservation that is about to change."""
    settings = {row["name"]: EnvelopeWrite.model_validate(row["content"]) for row in rows}
    envelopes = {name: written.to_domain(name) for name, written in settings.items()}
    periods = {name: one.span_at(now.date()).start for name, one in envelopes.items()}
    if not periods:
        return Standing({}, {}, {}, {}, {}, {}, now)
    noted = await spending.read_spent(connection, account, list(periods))
    moved = await definitions.movements(connection, account, periods)
    held = await reservations.holds(connection, account, list(periods))
    return Standing(
        envelopes=envelopes,
        settings=settings,
        periods=periods,
        spent={
            (name, ledger): _spent(noted[name, ledger.value, start])
            for name, start in periods.items()
            for ledger in Ledger
            if (name, ledger.value, start) in noted
        },
        raises=_grouped(moved, raise_of),
        holds=_grouped((row for row in held if row["reservation_id"] != without), _hold),
        now=now,
    )


def _grouped(rows: Iterable[RowMapping], read: Any) -> dict[str, list[Any]]:
    groups: dict[str, list[Any]] = {}
    for row in rows:
        groups.setdefault(row["name"], []).append(read(row))
    return groups


def _spent(row: RowMapping) -> Spent:
    forecast = row["forecast"]
    return Spent(
        metered=parse_exact(row["metered_exact"]),
        watermark=row["watermark"],
        overdrawn_before=parse_exact(row["overdrawn_before_exact"]),
        forecast=parse_exact(forecast["p50"]) if forecast else None,
    )


def raise_of(row: RowMapping) -> Raise:
    """Return a movement as what it adds to its ledger."""
    return Raise(Ledger(row["ledger"]), parse_exact(row["amount_exact"]), row["until"])


def _hold(row: RowMapping) -> Hold:
    return Hold(
        ledger=Ledger(row["ledger"]),
        estimate=parse_exact(row["estimate_exact"]),
        state=row["state"],
        expires_at=row["expires_at"],
        committed=parse_exact(row["committed_exact"] or "0"),
        committed_at=row["committed_at"],
    )
