"""Additive meters in the flush: their values travel as rows of `kind = meter:<name>@<version>`.

A meter counts the flushes that see it. It is created under the account's exclusive lock, which
flushes hold shared before they look for meters, and keeps the offsets that it then finds: whatever
lies below them is the backfill's, all the rest is counted here, nothing twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metering.domain.meters.definition import Definition, kind_of
from services.metering.repository import meters as repository
from services.metering.worker.counting import DESCRIBING, QUANTITY, Account, accounts_of
from services.metering.worker.measuring import event_values, matching


@dataclass(frozen=True)
class LiveMeter:
    """One version of a meter."""

    account: Account
    name: str
    version: int
    definition: Definition

    @property
    def kind(self) -> str:
        return kind_of(self.name, self.version)


@dataclass
class KnownMeters:
    """Definitions by id. A version never changes, so what is read once stays true."""

    known: dict[int, LiveMeter] = field(default_factory=dict)

    async def of(self, connection: AsyncConnection, accounts: Sequence[Account]) -> list[LiveMeter]:
        """Return the additive meters of these accounts that this transaction sees."""
        ids = await repository.list_additive_ids(connection, accounts)
        for row in await repository.read_meters(connection, sorted(set(ids) - self.known.keys())):
            self.known[row["id"]] = LiveMeter(
                (row["vendor_id"], row["mode"]),
                row["name"],
                row["version"],
                Definition.model_validate(row["definition"]),
            )
        return [self.known[number] for number in ids]


async def metered(
    connection: AsyncConnection, entries: pl.DataFrame, known: KnownMeters
) -> list[pl.DataFrame]:
    """Return what the accounts' additive meters add, in the form of `counting.by_kind`."""
    meters = await known.of(connection, accounts_of(entries))
    return [rows for meter in meters if not (rows := meter_rows(entries, meter)).is_empty()]


def meter_rows(entries: pl.DataFrame, meter: LiveMeter) -> pl.DataFrame:
    """Return one row per event that the meter counts: `kind`, exact `quantity`, and `events`."""
    vendor_id, mode = meter.account
    own = entries.filter(pl.col("vendor_id") == vendor_id, pl.col("mode") == mode)
    own = matching(own, meter.definition)
    values = pl.Series(event_values(own, meter.definition), dtype=QUANTITY)
    return own.select(
        *DESCRIBING,
        pl.lit(meter.kind).alias("kind"),
        quantity=(pl.lit(values) * pl.col("sign")).cast(QUANTITY),
        events=pl.col("sign").cast(pl.Int64),
    )
