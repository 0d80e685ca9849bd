"""January 2026 of one tenant, closed: the rows of every service, written as they write them."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from services.cli_reconcile_month import Reconciliation, Sides
from services.invoicing.reconciling.stripe_month import StripeReader
from services.metering.archive.recount import Recounted
from services.pricing.repository import statements
from shared.accounts.repository import Account
from shared.database import Database, asyncpg_url
from shared.events.statement_rated import StatementDetail, StatementLine, StatementRated
from shared.topics import USAGE_AGGREGATED
from tests.support.database import TestDatabase

FIRST, END = date(2026, 1, 1), date(2026, 2, 1)
USED_ON = date(2026, 1, 5)
KINDS = {"input_uncached": 3000, "output_text": 1000}
USAGE = {
    "tenant_id": "acme",
    **dict.fromkeys(("context_band", "service_tier", "speed", "region"), ""),
    "provider": "openai",
    "agent": "coder",
    "model": "gpt-5",
    "purpose": "production",
    "status": "completed",
    "entry": "usage",
    "batch": False,
}


@dataclass
class Counting:
    """Stands for the archive: it agrees with the rollup unless a day is given its own outcome."""

    events: int = 1
    outcomes: dict[date, Recounted] = field(default_factory=dict)

    async def count_again(self, account: Account, day: date) -> Recounted:
        agreed = Recounted(self.events if day == USED_ON else 0, 0)
        return self.outcomes.get(day, agreed)


@dataclass
class ClosedMonth:
    """The databases of a vendor's closed month, and what reconciling it says."""

    database: TestDatabase
    account: Account
    stripe: StripeReader | None
    counting: Counting = field(default_factory=Counting)

    async def tamper(self, *queries: str, **values: Any) -> None:
        """Change rows behind the services' backs, also those that never change."""
        engine = create_async_engine(asyncpg_url(self.database.admin_url))
        async with engine.begin() as connection:
            await connection.execute(text("set local session_replication_role = replica"))
            for query in queries:
                of = {"vendor": self.account.vendor_id, "mode": self.account.mode}
                named = {name: v for name, v in (of | values).items() if f":{name}" in query}
                await connection.execute(text(query), named)
        await engine.dispose()

    async def write(self, statement: StatementRated) -> None:
        """Write the month: usage of one day on both sides, every seal, and the statement."""
        await self.seal()
        for kind, quantity in KINDS.items():
            await self.count(kind, quantity)
            await self.copy(kind, quantity)
        await self.subscribe()
        await self.issue(statement)

    async def issue(self, statement: StatementRated) -> None:
        database = Database(self.database.urls["pricing"], connections=1)
        async with database.transaction() as connection:
            await statements.issue(connection, [statement])
        await database.close()

    async def seal(self) -> None:
        days = [FIRST + timedelta(days=number) for number in range((END - FIRST).days)]
        await self.tamper(
            "insert into metering.seal (vendor_id, mode, day, offsets, recount, sealed_at) "
            "select :vendor, :mode, unnest(cast(:days as date[])), '{}', 'agreed', now()",
            "insert into pricing.sealed_day "
            "(vendor_id, mode, topic_partition, day, version, recount) "
            "select :vendor, :mode, p, d, 1, 'agreed' "
            "from generate_series(1, :partitions) as p, unnest(cast(:days as date[])) as d",
            days=days,
            partitions=USAGE_AGGREGATED.partitions,
        )

    async def count(self, kind: str, quantity: int, **values: Any) -> None:
        """Put a row into metering's rollup."""
        row = {"usage_day": USED_ON, "booked_day": USED_ON, **USAGE, **values, "kind": kind}
        await self._insert(
            "metering.rollup",
            row | {"partition": 0, "hour": 1, "events": 1, "quantity": quantity},
            row_key="uuid_send(gen_random_uuid())",
        )

    async def copy(self, kind: str, quantity: int, **values: Any) -> None:
        """Put a row into pricing's copy."""
        row = {"usage_day": USED_ON, "booked_day": USED_ON, **USAGE, **values, "kind": kind}
        more = {"events": 1, "version": 1, "quantity": quantity}
        await self._insert("pricing.usage_daily", row | more)

    async def subscribe(self, subscription_id: str = "sub-1", **values: Any) -> None:
        row = {
            "subscription_id": subscription_id,
            "tenant_id": "acme",
            "price_book": "standard",
            "plan": "pro",
            "starts_on": FIRST,
            "anchor_day": 1,
            "seats": 0,
            "topic_partition": 1,
            "next_sequence": 2,
            "next_start": END,
            "next_end": date(2026, 3, 1),
        }
        await self._insert("pricing.subscription", row | values)

    async def _insert(self, table: str, row: dict[str, Any], **expressions: str) -> None:
        columns = ", ".join(f'"{name}"' for name in (*row, *expressions))
        values = ", ".join([*(f":{name}" for name in row), *expressions.values()])
        owned = f"(vendor_id, mode, {columns}) values (:vendor, :mode, {values})"
        await self.tamper(f"insert into {table} {owned}", **row)

    async def reconcile(self) -> Reconciliation:
        """Run all stages; `lines` hold what was told."""
        opened = [
            Database(self.database.urls[name], connections=2)
            for name in ("metering", "pricing", "invoicing")
        ]

        counted, priced, invoiced = opened

        async def stripe(_account: Account) -> StripeReader | None:
            return self.stripe

        self.lines: list[str] = []
        done = Reconciliation(
            Sides(self.counting, counted, priced, invoiced, stripe),
            self.account,
            FIRST,
            END,
            tell=lambda one: self.lines.append(one.line()),
        )
        await done.run()
        for database in opened:
            await database.close()
        assert len(self.lines) == done.found
        return done

    async def codes(self) -> list[str]:
        """Return the codes of all differences, each once."""
        done = await self.reconcile()
        assert done.unread == []
        return sorted({line.partition(" ")[0] for line in self.lines})


def usage_line(key: str, kind: str, quantity: int, amount: str, **values: Any) -> StatementLine:
    """Return a line that claims what was used of a kind."""
    detail = StatementDetail(
        agent="coder",
        model="gpt-5",
        kind=kind,
        usage_day=USED_ON,
        quantity=str(quantity),
        amount_exact=amount,
    )
    fields: dict[str, Any] = {
        "line_key": key,
        "charge": key,
        "model": "per_unit",
        "description": f"Tokens of {key}",
        "quantity": str(quantity),
        "unit": "tokens",
        "amount_exact": amount,
        "steps": [],
        "details": [detail],
    }
    return StatementLine(**(fields | values))
