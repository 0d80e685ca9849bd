"""What we know of tenants' customers at Stripe, read for many tenants at once."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.models import StripeJob
from services.invoicing.repository import stripe as stripe_repository
from services.invoicing.repository import stripe_jobs
from shared.accounts.repository import Account


@dataclass(frozen=True)
class Known:
    """What we know of a tenant's customer: its id, if it has one, and what was sent of it."""

    customer_id: str | None
    jobs: Sequence[StripeJob] = ()


async def read_known(
    connection: AsyncConnection, account: Account, tenant_ids: Sequence[str]
) -> dict[str, Known]:
    """Return what is known of each tenant's customer."""
    ids = await stripe_repository.read_customer_ids(connection, account, tenant_ids)
    jobs = await stripe_jobs.list_customer_jobs(connection, account, list(ids)) if ids else {}
    return {one: Known(ids.get(one), jobs.get(one, ())) for one in tenant_ids}
