"""What invoices under way write: entries, many of which are committed by one transaction.

Each kind of row is written by one statement, however many entries there are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing import handlers
from services.invoicing.handlers import Change
from services.invoicing.models import Invoice, StripeJob
from services.invoicing.repository import invoices, stripe, stripe_jobs
from services.invoicing.repository.stripe import CustomerLink
from services.invoicing.repository.stripe_jobs import ClosedJob
from services.invoicing.stripe_sync.known_customers import Known, read_known
from services.invoicing.stripe_sync.together import Together
from shared.accounts.repository import Account
from shared.clock import Clock
from shared.database import Database

GATHER_SECONDS = 0.005
"""So long the first entry waits for others: a transaction costs more than what it writes."""


@dataclass(frozen=True)
class Updated:
    """Columns of an invoice to change, beside its state."""

    invoice: Invoice
    values: dict[str, Any]

    def result(self) -> Invoice:
        return replace(self.invoice, **self.values)


@dataclass(frozen=True)
class Changed:
    """A state to move an invoice to."""

    invoice: Invoice
    change: Change

    def result(self) -> Invoice:
        change = self.change
        values = dict(change.values) | {"state": change.state, "reason": change.reason}
        return replace(self.invoice, **values)


@dataclass(frozen=True)
class Approved:
    """An invoice that has passed the gate and gets its number."""

    invoice: Invoice


Write = Updated | Changed | Approved | CustomerLink


@dataclass(frozen=True)
class Entry:
    """What one invoice writes at a moment, all of it or nothing, in this order.

    A job that ended, a change, and a job to begin, which must be committed before its call.
    """

    closed: ClosedJob | None = None
    write: Write | None = None
    opened: StripeJob | None = None


@dataclass(frozen=True)
class Written:
    """The invoice after the change of an entry, and its opened job as it is stored."""

    invoice: Invoice | None
    job: StripeJob | None


class Writer:
    """Commits entries: those that come while one transaction runs share the next.

    `customer` reads what is known of a tenant's customer in the same way.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self.write: Together[Entry, Written] = Together(self._commit, gather_seconds=GATHER_SECONDS)
        self.customer: Together[tuple[Account, str], Known] = Together(
            self._customers, gather_seconds=GATHER_SECONDS
        )

    async def _commit(self, entries: list[Entry]) -> list[Written]:
        async with self._database.transaction() as connection:
            return await write_entries(connection, entries, self._clock)

    async def _customers(self, wanted: list[tuple[Account, str]]) -> list[Known]:
        found: dict[tuple[Account, str], Known] = {}
        async with self._database.transaction() as connection:
            for account in {account for account, _ in wanted}:
                tenant_ids = [tenant_id for of, tenant_id in wanted if of == account]
                known = await read_known(connection, account, tenant_ids)
                found |= {(account, tenant_id): one for tenant_id, one in known.items()}
        return [found[one] for one in wanted]


async def write_entries(
    connection: AsyncConnection, entries: Sequence[Entry], clock: Clock
) -> list[Written]:
    """Write entries, each about another invoice; return what came of each."""
    closed = [entry.closed for entry in entries if entry.closed is not None]
    await stripe_jobs.close_jobs(connection, closed)
    changed = await _change(connection, [entry.write for entry in entries], clock)
    opened = [entry.opened for entry in entries if entry.opened is not None]
    jobs = iter(await stripe_jobs.open_jobs(connection, opened))
    return [
        Written(invoice, None if entry.opened is None else next(jobs))
        for entry, invoice in zip(entries, changed, strict=True)
    ]


async def _change(
    connection: AsyncConnection, writes: Sequence[Write | None], clock: Clock
) -> list[Invoice | None]:
    """Write each kind of change at once; return the invoices in the order of the writes."""
    links = [one for one in writes if isinstance(one, CustomerLink)]
    await stripe.insert_customer_ids(connection, links)
    updated = [(one.invoice, one.values) for one in writes if isinstance(one, Updated)]
    changed = [(one.invoice, one.change) for one in writes if isinstance(one, Changed)]
    approved = [one.invoice for one in writes if isinstance(one, Approved)]
    now = [
        *await invoices.update_invoices(connection, updated),
        *await handlers.change_states(connection, changed, clock),
        *await handlers.approve_invoices(connection, approved, clock),
    ]
    by_id = {one.invoice_id: one for one in now}
    return [
        None if one is None or isinstance(one, CustomerLink) else by_id[one.invoice.invoice_id]
        for one in writes
    ]
