"""The tenant's customer at Stripe: made once, and told what changed before the next invoice."""

import json
from dataclasses import dataclass
from typing import Any

from services.invoicing.models import StripeJob, Tenant
from services.invoicing.repository import stripe as stripe_repository
from services.invoicing.repository import stripe_jobs
from services.invoicing.stripe_sync import requests
from services.invoicing.stripe_sync.drafts import NotSendable
from services.invoicing.stripe_sync.journal import Journal, TooManyAttempts
from services.invoicing.stripe_types import Stripe
from shared.accounts.repository import Account
from shared.database import Database

CHANGES_MAX = 3
"""A tenant that changes again while its change is sent is looked at so often."""


@dataclass
class Customers:
    """Finds, makes and updates the customer of one tenant."""

    database: Database
    stripe: Stripe
    journal: Journal
    account: Account
    tenant_id: str
    tenant: Tenant
    locate: bool = False
    """Whether the address must tell where tax is due."""

    async def current(self) -> str:
        """Return the customer's id; Stripe has the tenant's name, e-mail and address by then.

        What was sent last is compared, not what Stripe holds: an edit in the dashboard stays
        while the tenant is as it was. Raises `NotSendable` when both changed the same.
        """
        customer_id, jobs = await self._known()
        if customer_id is None:
            return await self._create()
        wanted = requests.customer_fields(self.tenant)
        for _ in range(CHANGES_MAX):
            done = sorted((job for job in jobs if job.state == "done"), key=_number)
            sent = requests.sent_fields([json.loads(job.params) for job in done])
            changes = {name: wanted[name] for name in wanted if wanted[name] != sent[name]}
            if not changes:
                return customer_id
            await self._check_unedited(customer_id, sent, changes)
            await self._update(customer_id, len(done), changes)
            customer_id, jobs = await self._known()
            assert customer_id is not None, "a customer is never forgotten"
        raise TooManyAttempts("update_customer")

    async def _known(self) -> tuple[str | None, list[StripeJob]]:
        async with self.database.transaction() as connection:
            customer_id = await stripe_repository.read_customer_id(
                connection, self.account, self.tenant_id
            )
            if customer_id is None:
                return None, []
            jobs = await stripe_jobs.list_customer_jobs(connection, self.account, self.tenant_id)
        return customer_id, list(jobs)

    async def _create(self) -> str:
        customer_id = await self.journal.perform(
            lambda attempt: requests.customer_call(
                self.account, self.tenant_id, self.tenant, attempt=attempt, locate=self.locate
            ),
            self._look_for_customer,
        )
        async with self.database.transaction() as connection:
            await stripe_repository.insert_customer_id(
                connection, self.account, self.tenant_id, customer_id
            )
        return customer_id

    async def _look_for_customer(self, job: StripeJob) -> str | None:
        wanted = (job.vendor_id, job.mode, job.tenant_id)
        found = await self.stripe.list_customers(created_from=requests.created_from(job))
        owners = [
            (one.id, tuple(one.metadata.get(name) for name in ("vendor_id", "mode", "tenant_id")))
            for one in found
        ]
        return next((identity for identity, owner in owners if owner == wanted), None)

    async def _check_unedited(
        self, customer_id: str, sent: dict[str, Any], changes: dict[str, Any]
    ) -> None:
        """Overwrite nothing that somebody edited at Stripe since we sent it."""
        held = await self.stripe.retrieve_customer(customer_id)
        if held is None:
            raise NotSendable("customer_missing_at_stripe")
        found = requests.held_fields(held)
        edited = [name for name in changes if found[name] not in (sent[name], changes[name])]
        if edited:
            raise NotSendable(f"customer_edited_at_stripe:{','.join(edited)}")

    async def _update(self, customer_id: str, number: int, changes: dict[str, Any]) -> None:
        await self.journal.perform(
            lambda attempt: requests.customer_update_call(
                self.account,
                self.tenant_id,
                changes,
                customer_id=customer_id,
                number=number,
                attempt=attempt,
                locate=self.locate,
            ),
            self._look_for_update,
        )

    async def _look_for_update(self, _job: StripeJob) -> str | None:
        """Send it again: twice the same is the same."""
        return None


def _number(job: StripeJob) -> int:
    """Return an update's place among them; what made or linked the customer was before all."""
    return int(job.material.split("/")[-2]) if job.step == "update_customer" else -1
