"""What Stripe must know of tax before a draft: the tenant's tax ids, and the vendor's product."""

import json
from dataclasses import dataclass

from services.invoicing.domain.wire import to_wire
from services.invoicing.models import Invoice, InvoiceLine, StripeJob, TaxId, Tenant
from services.invoicing.repository import stripe_jobs, tenant_tax
from services.invoicing.stripe_sync import tax_params
from services.invoicing.stripe_sync.journal import Journal
from services.invoicing.stripe_sync.requests import StripeCall
from services.invoicing.stripe_types import EXISTS, RequestRefused, Stripe
from shared.accounts.repository import Account
from shared.database import Database
from shared.money import CURRENCIES

PRODUCT_NAME = "Usage and services"
NO_TENANT = "-"
"""Stands where a tenant's id does: the product is the vendor's."""


@dataclass
class TaxAtStripe:
    """Tells Stripe about the tax of one invoice's tenant; nothing is asked when all is told."""

    database: Database
    stripe: Stripe
    journal: Journal
    invoice: Invoice
    tenant: Tenant

    async def tell(self, customer_id: str) -> None:
        """Give the customer its tax ids; with automatic tax, make the product, once."""
        if set(self.tenant.tax.tax_ids) != set(self.tenant.tax.at_stripe):
            await self._tell_tax_ids(customer_id)
        if self.invoice.tax_treatment == "automatic":
            await self._make_product()

    async def _tell_tax_ids(self, customer_id: str) -> None:
        """Make Stripe's tax ids ours; those that are not of our making stay."""
        wanted, ours = self.tenant.tax.tax_ids, self.tenant.tax.at_stripe
        there = {
            TaxId(one.type, one.value): one.id
            for one in await self.stripe.list_tax_ids(customer_id)
        }
        for gone in [one for one in ours if one not in wanted]:
            await self.stripe.delete_tax_id(customer_id, ours[gone])
        told = {
            one: there[one] if one in there else await self._create(customer_id, one)
            for one in wanted
        }
        async with self.database.transaction() as connection:
            await tenant_tax.put_tax_ids(
                connection, self.invoice.account, self.invoice.tenant_id, told
            )

    async def _create(self, customer_id: str, tax_id: TaxId) -> str:
        async with self.database.transaction() as connection:
            jobs = await stripe_jobs.list_jobs(
                connection, self.invoice.account, step="create_tax_id", target=customer_id
            )
        wanted = {"type": tax_id.type, "value": tax_id.value}
        # It is not there: what was made before is deleted, and is made anew.
        number = sum(job.state == "done" and json.loads(job.params) == wanted for job in jobs)

        async def look(_job: StripeJob) -> str | None:
            for one in await self.stripe.list_tax_ids(customer_id):
                if (one.type, one.value) == (tax_id.type, tax_id.value):
                    return one.id
            return None

        return await self.journal.perform(
            lambda attempt: tax_id_call(
                self.invoice.account,
                self.invoice.tenant_id,
                customer_id,
                tax_id,
                number=number,
                attempt=attempt,
            ),
            look,
        )

    async def _make_product(self) -> None:
        account = self.invoice.account
        identity = tax_params.product_id(account)
        async with self.database.transaction() as connection:
            jobs = await stripe_jobs.list_jobs(
                connection, account, step="create_product", target=identity
            )
        if any(job.state == "done" for job in jobs):
            return

        async def look(_job: StripeJob) -> str | None:
            """Send it again: the id is ours, so that a second one is refused."""
            return None

        try:
            await self.journal.perform(lambda attempt: product_call(account, attempt=attempt), look)
        except RequestRefused as refusal:
            if refusal.code != EXISTS:
                raise
            await self.journal.adopt(product_call(account, attempt=0), identity)


def has_negative_line(invoice: Invoice, lines: list[InvoiceLine]) -> bool:
    """Tell whether an invoice holds what never goes to Stripe beside automatic tax."""
    automatic = invoice.tax_treatment == "automatic"
    return automatic and any(line.stripe_amount < 0 for line in lines)


def own_tax_on_wire(invoice: Invoice) -> int | None:
    """Return our tax in Stripe's integers; None where it is not ours."""
    if not invoice.has_own_tax:
        return None
    return to_wire(invoice.tax_minor or 0, CURRENCIES[invoice.currency])


def product_call(account: Account, *, attempt: int) -> StripeCall:
    """Return the call that makes the product which every line with automatic tax is of."""
    identity = tax_params.product_id(account)
    params = {
        "id": identity,
        "name": PRODUCT_NAME,
        "metadata": {"vendor_id": account.vendor_id, "mode": account.mode},
    }
    return StripeCall(
        account, NO_TENANT, "create_product", identity, f"product/{identity}/{attempt}", params
    )


def tax_id_call(
    account: Account, tenant_id: str, customer_id: str, tax_id: TaxId, *, number: int, attempt: int
) -> StripeCall:
    """Return the call that gives a customer a tax id; `number` counts how often it was given."""
    material = f"tax-id/{customer_id}/{tax_id.type}/{tax_id.value}/{number}/{attempt}"
    params = {"type": tax_id.type, "value": tax_id.value}
    return StripeCall(account, tenant_id, "create_tax_id", customer_id, material, params)
