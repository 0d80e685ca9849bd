"""What the passage of an invoice begins with, read for many invoices at once."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import RowMapping

from services.invoicing.domain.holds import Hold
from services.invoicing.models import Invoice, InvoiceLine, Tenant, TenantTax
from services.invoicing.repository import holds
from services.invoicing.repository import invoices as repository
from services.invoicing.repository.documents import VENDOR_ITSELF, read_locales
from services.invoicing.repository.tenant_tax import read_tenants_tax
from services.invoicing.stripe_sync.known_customers import Known, read_known
from services.invoicing.stripe_types import Stripe
from shared.accounts.repository import Account, read_tenants
from shared.database import Database
from shared.errors import TallyrollError


class StripeProvider(Protocol):
    """Finds the Stripe account that serves a vendor's mode."""

    def gateway(self, account: Account) -> Awaitable[Stripe | None]: ...


@dataclass(frozen=True)
class Loaded:
    """An invoice with its lines as Stripe gets them; `tenant` is None for one that is unknown.

    `stripe` is None without an account, and the refusal where the account's key cannot be used.
    """

    invoice: Invoice
    lines: list[InvoiceLine]
    tenant: Tenant | None
    stripe: Stripe | TallyrollError | None
    hold: Hold | None = None
    customer: Known | None = None


async def load_invoices(
    database: Database, accounts: StripeProvider, wanted: Sequence[tuple[Account, str]]
) -> list[Loaded]:
    """Return the invoices, account by account, each as it is now."""
    by_account: dict[Account, list[str]] = {}
    for account, invoice_id in wanted:
        by_account.setdefault(account, []).append(invoice_id)
    loaded: list[Loaded] = []
    for account, invoice_ids in by_account.items():
        stripe = await _stripe(accounts, account)
        async with database.transaction() as connection:
            invoices = await repository.read_invoices(connection, account, invoice_ids)
            lines = await repository.read_all_sent_lines(connection, account, invoice_ids)
            held = await holds.read_holds(connection, account, invoice_ids)
            tenant_ids = {invoice.tenant_id for invoice in invoices}
            tenants = await read_tenants(connection, account, sorted(tenant_ids))
            taxed = await read_tenants_tax(connection, account, sorted(tenant_ids))
            customers = await read_known(connection, account, sorted(tenant_ids))
            locales = await read_locales(connection, account, tenant_ids)
        known = {
            row["tenant_id"]: _tenant(
                row,
                taxed.get(row["tenant_id"], TenantTax()),
                locales.get(row["tenant_id"]) or locales.get(VENDOR_ITSELF),
            )
            for row in tenants
        }
        loaded += [
            Loaded(
                one,
                lines[one.invoice_id],
                known.get(one.tenant_id),
                stripe,
                held.get(one.invoice_id),
                customers[one.tenant_id],
            )
            for one in invoices
        ]
    return loaded


async def _stripe(accounts: StripeProvider, account: Account) -> Stripe | TallyrollError | None:
    try:
        return await accounts.gateway(account)
    except TallyrollError as refusal:
        return refusal


def _tenant(row: RowMapping, tax: TenantTax, locale: str | None) -> Tenant:
    return Tenant(
        name=row["legal_name"],
        billing_email=row["billing_email"],
        address=row["address"],
        purchase_order=row["purchase_order"],
        billing=row["billing"],
        tax=tax,
        locale=locale,
    )
