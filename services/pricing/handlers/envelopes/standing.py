"""Where the envelopes stand that some work falls into: everything that a decision needs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
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
from services.pricing.domain.envelopes.loops import LoopRule
from services.pricing.repository.envelopes.facts import Facts, Row, moment, read_facts
from services.pricing.schemas.envelope import EnvelopeWrite
from shared.accounts.repository import Account
from shared.money import parse_exact

ENVELOPES_KEPT = 4_096
"""As read from what is stored; to read one takes as long as to decide by it."""


@dataclass(frozen=True)
class Defined:
    """Envelopes as they are set, and the first day of the period that each is in."""

    envelopes: Mapping[str, Envelope]
    settings: Mapping[str, EnvelopeWrite]
    loops: Mapping[str, LoopRule]
    periods: dict[str, date]


@dataclass(frozen=True)
class Standing(Defined):
    """Envelopes with their settings, at one moment. `looked_at` is None before the first look."""

    spent: Mapping[tuple[str, Ledger], Spent]
    raises: Mapping[str, Sequence[Raise]]
    holds: Mapping[str, Sequence[Hold]]
    now: datetime
    looked_at: datetime | None = None
    unpriced: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Name -> provider/model/kind -> quantity that has no price."""

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


def define(rows: Iterable[RowMapping], now: datetime) -> Defined:
    """Return stored envelopes as they are at a moment."""
    read = {row["name"]: _read(row["name"], row["written"]) for row in rows}
    return Defined(
        envelopes={name: envelope for name, (_, envelope, _) in read.items()},
        settings={name: settings for name, (settings, _, _) in read.items()},
        loops={name: loop for name, (_, _, loop) in read.items()},
        periods={name: one.span_at(now.date()).start for name, (_, one, _) in read.items()},
    )


@lru_cache(maxsize=ENVELOPES_KEPT)
def _read(name: str, written: str) -> tuple[EnvelopeWrite, Envelope, LoopRule]:
    settings = EnvelopeWrite.model_validate_json(written)
    return settings, settings.to_domain(name), settings.loop.to_domain()


async def standing_of(
    connection: AsyncConnection, account: Account, rows: Iterable[RowMapping], now: datetime
) -> Standing:
    """Return where envelopes stand."""
    defined = define(rows, now)
    return stand(defined, await read_facts(connection, account, defined.periods, now), now)


def stand(defined: Defined, facts: Facts, now: datetime) -> Standing:
    """Return where envelopes stand by facts that were read for the same moment."""
    look = facts.look
    watermark = moment(look["watermark"]) if look and look["watermark"] else None
    unpriced: dict[str, dict[str, str]] = {}
    for row in facts.spent:
        unpriced.setdefault(row["name"], {}).update(row["unpriced"])
    return Standing(
        envelopes=defined.envelopes,
        settings=defined.settings,
        loops=defined.loops,
        periods=defined.periods,
        spent={(row["name"], Ledger(row["ledger"])): _spent(row, watermark) for row in facts.spent},
        raises=_grouped(facts.movements, raise_of),
        holds=_grouped(facts.holds, _hold),
        now=now,
        looked_at=moment(look["looked_at"]) if look else None,
        unpriced=unpriced,
    )


def _grouped(rows: Iterable[Row], read: Any) -> dict[str, list[Any]]:
    groups: dict[str, list[Any]] = {}
    for row in rows:
        groups.setdefault(row["name"], []).append(read(row))
    return groups


def _spent(row: Row, watermark: datetime | None) -> Spent:
    forecast = row["forecast"]
    return Spent(
        metered=parse_exact(row["metered_exact"]),
        watermark=watermark,
        overdrawn_before=parse_exact(row["overdrawn_before_exact"]),
        forecast=parse_exact(forecast["p50"]) if forecast else None,
    )


def raise_of(row: Row) -> Raise:
    """Return a movement as what it adds to its ledger."""
    return Raise(Ledger(row["ledger"]), parse_exact(row["amount_exact"]), moment(row["until"]))


def _hold(row: Row) -> Hold:
    at = row["committed_at"]
    return Hold(
        ledger=Ledger(row["ledger"]),
        estimate=parse_exact(row["estimate_exact"]),
        state=row["state"],
        expires_at=moment(row["expires_at"]),
        committed=parse_exact(row["committed_exact"] or "0"),
        committed_at=moment(at) if at else None,
    )
