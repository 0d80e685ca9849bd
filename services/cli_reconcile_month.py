"""A month from its events to Stripe: each stage compares two neighbours, as sums."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

import duckdb
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.cli_reconcile_sides import (
    billed_differences,
    copy_differences,
    credited_differences,
    owed,
    seal_differences,
    unpaired,
)
from services.invoicing.reconciling.parts import differences_of_parts
from services.invoicing.reconciling.stripe_month import StripeMonth, StripeReader
from services.invoicing.repository import reconciling as invoiced
from services.invoicing.repository.adjustments import of_statement
from services.invoicing.repository.reconciling import MonthInvoice
from services.invoicing.stripe_types import StripeProblem
from services.metering.reconciling import CountsAgain, reconcile_day
from services.metering.repository import reconciling as counted
from services.pricing.reconciling import bundles_of, differences_of_bundles
from services.pricing.repository import reconciling as priced
from services.pricing.repository.adjustments import list_credited
from services.pricing.repository.invariants import read_sealed_days
from shared.accounts.repository import Account
from shared.database import Database
from shared.differences import Difference, difference
from shared.errors import TallyrollError

DAY = timedelta(days=1)
STATEMENTS_AT_ONCE = 200
UNREADABLE = (TallyrollError, OSError, SQLAlchemyError, StripeProblem, duckdb.Error)
"""What means that a side could not be read; anything else is a fault of ours."""


@dataclass(frozen=True)
class Sides:
    """Where the stages read; none of them is written to."""

    counting: CountsAgain
    counted: Database
    priced: Database
    invoiced: Database
    stripe: Callable[[Account], Awaitable[StripeReader | None]]


@dataclass(frozen=True)
class Bar:
    """A stage's progress: `start` says how many things are compared, `step` that some are."""

    start: Callable[[int], None] = field(default=lambda _total: None)
    step: Callable[[int], None] = field(default=lambda _done: None)


Bars = Callable[[str], Bar]


def _no_bars(_stage: str) -> Bar:
    return Bar()


@dataclass
class Reconciliation:
    """The days [first, end) of an account. `tell` gets each difference as it is found."""

    sides: Sides
    account: Account
    first: date
    end: date
    tell: Callable[[Difference], None]
    bars: Bars = _no_bars
    compared: dict[str, int] = field(default_factory=dict)
    found: int = 0
    unread: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _sealed: Sequence[date] = ()
    _invoices: list[MonthInvoice] = field(default_factory=list)

    async def run(self) -> None:
        """Go through all stages; one that cannot be read does not keep the others."""
        stages = {
            "events and rollups": self._events,
            "rollups and pricing's copy": self._copy,
            "copy and statements": self._statements,
            "statements and invoices": self._invoiced,
            "invoices and Stripe": self._stripe,
        }
        for name, stage in stages.items():
            try:
                await stage(self.bars(name))
            except UNREADABLE as error:
                self.unread.append(f"{name}: {_cause(error)}")

    def summary(self) -> str:
        """Return the last line: what was compared, with counts, and how many differences."""
        counts = [f"{many:,} {what}" for what, many in self.compared.items()]
        told = ", ".join([f"{self.first:%Y-%m}", *counts, *(f"unread {u}" for u in self.unread)])
        return f"reconciled: {told} … {self.found} differences"

    def _tell(self, differences: Sequence[Difference]) -> None:
        self.found += len(differences)
        for one in differences:
            self.tell(one)

    def _count(self, **more: int) -> None:
        for what, many in more.items():
            name = what.replace("_", " ")
            self.compared[name] = self.compared.get(name, 0) + many

    async def _events(self, bar: Bar) -> None:
        """Count each sealed day again from the archive, beside its rollup."""
        async with self.sides.counted.transaction() as connection:
            self._sealed = await counted.list_sealed_days(
                connection, self.account, self.first, self.end
            )
        through = self._sealed[-1] + DAY if self._sealed else self.first
        if through < self.end:
            self.notes.append(f"from {through} on, days are not sealed: they are left out")
        bar.start(len(self._sealed))
        self._count(sealed_days=len(self._sealed), events=0)
        for day in self._sealed:
            outcome = await reconcile_day(self.sides.counting, self.account, day)
            self._count(events=outcome.events)
            self._tell(outcome.differences)
            bar.step(1)

    async def _copy(self, bar: Bar) -> None:
        """Compare each sealed day's rollup with pricing's copy of it."""
        async with self.sides.priced.transaction() as connection:
            known = await read_sealed_days(connection, self.account.vendor_id, self.account.mode)
        arrived = {day for _, _, day in known if self.first <= day < self.end}
        async with self.sides.counted.transaction() as connection:
            # Counting took a while: what was sealed and arrived meanwhile is no difference.
            newer = await counted.list_sealed_days(connection, self.account, self.first, self.end)
        sealed = {*self._sealed, *(day for day in newer if day in arrived)}
        self._tell(list(seal_differences(sealed, arrived)))
        bar.start(len(self._sealed))
        self._count(sums=0)
        for day in self._sealed:
            async with self.sides.counted.transaction() as connection:
                ours = await counted.read_sums_of_day(connection, self.account, day)
            async with self.sides.priced.transaction() as connection:
                theirs = await priced.read_sums_of_day(connection, self.account, day)
            self._count(sums=len(ours.keys() | theirs.keys()))
            self._tell(list(copy_differences(day, ours, theirs)))
            bar.step(1)

    async def _statements(self, bar: Bar) -> None:
        """Compare what was rated, and what is unrated, with the copy that it was rated from."""
        async with self.sides.priced.transaction("REPEATABLE READ") as connection:
            ratings = await priced.list_last_ratings(connection, self.account, self.first, self.end)
            bundles, apart = bundles_of(ratings)
            bar.start(len(bundles))
            self._count(ratings=len(ratings) - len(apart))
            if apart:
                words = "share a tenant's usage over different days"
                self.notes.append(f"{len(apart)} ratings {words}: not compared with the copy")
            for start in range(0, len(bundles), STATEMENTS_AT_ONCE):
                some = bundles[start : start + STATEMENTS_AT_ONCE]
                names = [one.statement_id for bundle in some for one in bundle]
                rated = await priced.read_rated(connection, self.account, names)
                used = await priced.read_used(connection, self.account, [b[0] for b in some])
                self._tell(differences_of_bundles(some, rated=rated, used=used))
                bar.step(len(some))
            self._tell(await self._never_rated(connection))

    async def _never_rated(self, connection: AsyncConnection) -> list[Difference]:
        """Return ended periods without a statement, and usage that no subscription is there for."""
        through = self._sealed[-1] + DAY if self._sealed else self.first
        periods = await priced.list_periods_not_rated(connection, self.account, self.first, through)
        usage = await priced.list_without_subscription(
            connection, self.account, self.first, through
        )
        return [
            difference(
                "period_without_statement",
                {"tenant_id": row.tenant_id, "subscription_id": row.subscription_id},
                {"period": f"{row.next_start}..{row.next_end}", "statement": None},
            )
            for row in periods
        ] + [
            difference(
                "usage_without_subscription",
                {
                    "tenant_id": row.tenant_id,
                    "kind": row.kind,
                    "usage_day": f"{row.first_day}..{row.last_day}",
                },
                {"copy": row.quantity, "rated and unrated": None},
            )
            for row in usage
        ]

    async def _invoiced(self, bar: Bar) -> None:
        """Compare each statement with the invoice that was made of it, and that with its parts."""
        async with self.sides.invoiced.transaction() as connection:
            self._invoices = await invoiced.list_of_month(
                connection, self.account, self.first, self.end
            )
        async with self.sides.priced.transaction() as connection:
            statements = await priced.list_billed(connection, self.account, self.first, self.end)
        self._count(statements=len(statements), invoices=len(self._invoices))
        self._tell(list(unpaired(statements, self._invoices)))
        by_id = {statement.statement_id: statement for statement in statements}
        bar.start(len(self._invoices))
        await self._credited()
        for start in range(0, len(self._invoices), STATEMENTS_AT_ONCE):
            some = self._invoices[start : start + STATEMENTS_AT_ONCE]
            await self._compare_invoices(by_id, some)
            bar.step(len(some))

    async def _credited(self) -> None:
        """Compare what pricing credits of closed periods with what invoicing made of it."""
        async with self.sides.priced.transaction() as connection:
            credited = await list_credited(connection, self.account, self.first, self.end)
        wanted = [one for one in credited if owed(one)]
        async with self.sides.invoiced.transaction() as connection:
            names = sorted({one.invoice.statement_id for one in self._invoices})
            names += [one.statement_id for one in wanted if one.statement_id not in names]
            made = await of_statement(connection, self.account, names)
        if wanted or made:
            self._count(credited_adjustments=len(wanted))
        self._tell(list(credited_differences(wanted, made)))

    async def _compare_invoices(
        self, statements: dict[str, priced.BilledStatement], some: Sequence[MonthInvoice]
    ) -> None:
        names = [s.statement_id for one in some if (s := statements.get(one.invoice.statement_id))]
        async with self.sides.priced.transaction() as connection:
            lines = await priced.read_billed_lines(connection, self.account, names)
        async with self.sides.invoiced.transaction() as connection:
            parts = await invoiced.read_parts(
                connection, self.account, [one.invoice.invoice_id for one in some]
            )
        for one in some:
            own = parts[one.invoice.invoice_id]
            self._tell(list(differences_of_parts(one.invoice, own)))
            statement = statements.get(one.invoice.statement_id)
            if statement is not None:
                stated = lines[statement.statement_id]
                self._tell(list(billed_differences(statement, stated, one, own)))

    async def _stripe(self, bar: Bar) -> None:
        """Compare the invoices with Stripe's, both ways."""
        invoices = [one.invoice for one in self._invoices]
        reader = await self.sides.stripe(self.account)
        if reader is None:
            message = "The vendor has no Stripe account in this mode."
            raise TallyrollError("stripe_account_missing", message)
        bar.start(sum(one.stripe_invoice_id is not None for one in invoices))
        month = StripeMonth(self.sides.invoiced, reader, self.account, invoices, advance=bar.step)
        first, end = (datetime.combine(day, time(), UTC) for day in (self.first, self.end))
        async for one in month.differences(first, end):
            self._tell([one])
        self._count(Stripe_invoices=month.seen)
        if month.notes:
            self._count(credit_notes=month.notes)


def _cause(error: Exception) -> str:
    if isinstance(error, TallyrollError):
        return error.code
    return str(error) if isinstance(error, StripeProblem) else type(error).__name__
