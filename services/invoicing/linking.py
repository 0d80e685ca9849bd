"""Tenants whose customers exist at Stripe already: checked and linked before anything is made."""

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from services.invoicing.domain.idempotency import idempotency_key
from services.invoicing.models import StripeJob
from services.invoicing.repository import stripe as stripe_repository
from services.invoicing.repository import stripe_jobs
from services.invoicing.repository.stripe import CustomerLink
from services.invoicing.repository.stripe_jobs import ClosedJob
from services.invoicing.stripe_sync.requests import canonical_json
from services.invoicing.stripe_types import Stripe, StripeCustomer
from shared.accounts.repository import Account, read_tenants
from shared.clock import Clock
from shared.database import Database, lock_transaction

HEADER = ["tenant", "customer"]


@dataclass(frozen=True)
class Link:
    """A line of the file: the tenant's customer at Stripe (`cus_…`)."""

    line: int
    tenant_id: str
    customer_id: str


@dataclass(frozen=True)
class Fault:
    """Why a line cannot be linked; `code` is stable."""

    line: int
    code: str
    subject: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.code} {self.subject}"


def read_links(lines: Iterable[str]) -> tuple[list[Link], list[Fault]]:
    """Read CSV with the columns tenant, customer; each may occur once."""
    rows = list(enumerate(csv.reader(lines), start=1))
    if not rows or [cell.strip() for cell in rows[0][1]] != HEADER:
        return [], [Fault(1, "header_missing", ",".join(HEADER))]
    links, faults = [], []
    for number, cells in rows[1:]:
        values = [cell.strip() for cell in cells]
        if len(values) == len(HEADER) and all(values):
            links.append(Link(number, *values))
        elif any(values):
            faults.append(Fault(number, "invalid_line", ",".join(values)))
    tenants = Counter(link.tenant_id for link in links)
    customers = Counter(link.customer_id for link in links)
    for link in links:
        if tenants[link.tenant_id] > 1:
            faults.append(Fault(link.line, "duplicate_tenant", link.tenant_id))
        if customers[link.customer_id] > 1:
            faults.append(Fault(link.line, "duplicate_customer", link.customer_id))
    return links, faults


@dataclass
class Linking:
    """Links the tenants of one account; with any fault, none."""

    database: Database
    stripe: Stripe
    account: Account
    clock: Clock

    async def link(self, links: Sequence[Link]) -> list[Fault]:
        """Link all of them, or return every fault. A link that is there already is no fault."""
        found: dict[str, StripeCustomer] = {}
        faults = []
        for link in links:
            customer = await self.stripe.retrieve_customer(link.customer_id)
            if customer is None:
                faults.append(Fault(link.line, "customer_missing", link.customer_id))
            else:
                found[link.customer_id] = customer
        async with self.database.transaction() as connection:
            # Two who link at once would not see each other's rows.
            await lock_transaction(connection, "link", self.account.vendor_id, self.account.mode)
            rows = await read_tenants(connection, self.account, [one.tenant_id for one in links])
            tenants = {row["tenant_id"] for row in rows}
            owners = await stripe_repository.find_customer_owners(
                connection, self.account, [one.customer_id for one in links]
            )
            new = []
            for link in links:
                known = await stripe_repository.read_customer_id(
                    connection, self.account, link.tenant_id
                )
                fault = _fault(link, tenants, owners, known)
                if fault is not None:
                    faults.append(fault)
                elif known is None:
                    new.append(link)
            if faults:
                return sorted(faults, key=lambda fault: fault.line)
            if new:
                owned = [CustomerLink(self.account, one.tenant_id, one.customer_id) for one in new]
                await stripe_repository.insert_customer_ids(connection, owned)
                jobs = [self._baseline(link, found[link.customer_id]) for link in new]
                opened = await stripe_jobs.open_jobs(connection, jobs)
                done = [ClosedJob(job, "done", job.target) for job in opened]
                await stripe_jobs.close_jobs(connection, done)
        return []

    def _baseline(self, link: Link, customer: StripeCustomer) -> StripeJob:
        """Return what Stripe holds as if we had sent it: only what differs is sent later."""
        material = f"cus-link/{link.customer_id}/{link.tenant_id}"
        params = {
            "name": customer.name,
            "email": customer.email,
            "address": customer.address,
            "preferred_locales": list(customer.preferred_locales),
        }
        return StripeJob(
            vendor_id=self.account.vendor_id,
            mode=self.account.mode,
            tenant_id=link.tenant_id,
            material=material,
            step="link_customer",
            target=link.customer_id,
            params=canonical_json(params),
            idempotency_key=idempotency_key(
                self.account.mode, f"{self.account.vendor_id}/{material}"
            ),
            state="pending",
            attempts=1,
            first_attempted_at=self.clock.now(),
            response_id=None,
        )


def _fault(
    link: Link, tenants: set[str], owners: dict[str, str], known: str | None
) -> Fault | None:
    if link.tenant_id not in tenants:
        return Fault(link.line, "unknown_tenant", link.tenant_id)
    if owners.get(link.customer_id, link.tenant_id) != link.tenant_id:
        return Fault(link.line, "customer_linked", link.customer_id)
    if known not in (None, link.customer_id):
        return Fault(link.line, "tenant_has_customer", link.tenant_id)
    return None
