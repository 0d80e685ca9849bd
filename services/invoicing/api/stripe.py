"""Routes of the vendor's Stripe account and of Stripe's webhooks."""

from typing import Annotated

from fastapi import APIRouter, Header, Request
from prometheus_client import Counter

from services.invoicing.api.common import AccountsWriter, Services, account_of
from services.invoicing.repository import invoices
from services.invoicing.repository import stripe as stripe_repository
from services.invoicing.schemas import (
    EventReceived,
    StripeAccountRead,
    StripeAccountWrite,
)
from services.invoicing.sealing import StripeCredentials, seal
from services.invoicing.stripe_accounts import check_key
from services.invoicing.webhooks import WebhookInbox
from shared.accounts.repository import Account
from shared.errors import not_found
from shared.events.message import Mode
from shared.ids import Slug

LAST = 4
"""As much of a secret is shown."""


def stripe_router(services: Services, refused: Counter) -> APIRouter:
    """Return the routes of the vendor's Stripe account and of Stripe's webhooks."""
    router = APIRouter(prefix="/v1", tags=["stripe"])
    webhooks = WebhookInbox(services.database, services.accounts, services.clock, refused)

    @router.put("/stripe-account")
    async def put_stripe_account(
        written: StripeAccountWrite, caller: AccountsWriter
    ) -> StripeAccountRead:
        """Store the vendor's Stripe key, encrypted; waiting invoices then go on."""
        caller.require_vendor_key()
        account = account_of(caller)
        check_key(services.settings, account, written.api_key)
        await _store_account(services, account, written)
        return await _account_read(services, account)

    @router.get("/stripe-account")
    async def get_stripe_account(caller: AccountsWriter) -> StripeAccountRead:
        """Return which account serves the caller's mode; 404 when none does."""
        caller.require_vendor_key()
        return await _account_read(services, account_of(caller))

    @router.post("/webhooks/stripe/{vendor_id}/{mode}")
    async def receive_event(
        vendor_id: Slug,
        mode: Mode,
        request: Request,
        stripe_signature: Annotated[str, Header()] = "",
    ) -> EventReceived:
        """Take an event of Stripe's: signed, at most 512 KiB; processed after the answer.

        Each delivery is signed anew; the same request a second time is refused.
        """
        account = Account(vendor_id, mode)
        await webhooks.receive(account, request.stream(), stripe_signature)
        return EventReceived()

    return router


async def _store_account(services: Services, account: Account, written: StripeAccountWrite) -> None:
    secrets = [s for s in (written.webhook_secret, written.previous_webhook_secret) if s]
    secret_key = services.settings.secret_key.get_secret_value().encode()
    now = services.clock.now()
    values = {
        "sealed": seal(secret_key, account, StripeCredentials(written.api_key, tuple(secrets))),
        "api_key_last4": written.api_key[-LAST:],
        "webhook_secrets_last4": [secret[-LAST:] for secret in secrets],
        "updated_at": now,
    }
    async with services.database.transaction() as connection:
        await stripe_repository.put_account(connection, account, values)
        await invoices.hurry(connection, account, now)


async def _account_read(services: Services, account: Account) -> StripeAccountRead:
    path = f"/v1/webhooks/stripe/{account.vendor_id}/{account.mode}"
    async with services.database.transaction() as connection:
        row = await stripe_repository.read_account(connection, account)
    if row is not None:
        return StripeAccountRead(
            mode=account.mode,
            source="own",
            api_key_last4=row["api_key_last4"],
            webhook_secrets_last4=row["webhook_secrets_last4"],
            webhook_path=path,
            updated_at=row["updated_at"],
        )
    shared = services.accounts.deployment_credentials(account)
    if shared is None:
        raise not_found("stripe_account", f"{account.vendor_id}/{account.mode}")
    return StripeAccountRead(
        mode=account.mode,
        source="deployment",
        api_key_last4=shared.api_key[-LAST:],
        webhook_secrets_last4=[secret[-LAST:] for secret in shared.webhook_secrets],
        webhook_path=path,
        updated_at=None,
    )
