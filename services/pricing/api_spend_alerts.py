"""The HTTP API of pricing: at which spend of a subscription's period somebody is told."""

from fastapi import APIRouter

from services.pricing.api import BillingReader, CatalogWriter, vendor_of
from services.pricing.api_subscriptions import SubscriptionId, visible
from services.pricing.handlers import spend_alerts
from services.pricing.handlers.idempotency import once
from services.pricing.handlers.subscriptions import read_subscription
from services.pricing.schemas.spend_alert import SpendAlerts
from shared.accounts.repository import Account
from shared.database import Database
from shared.idempotency import OptionalIdempotencyKey


def spend_alerts_router(database: Database) -> APIRouter:
    """Return the routes of `/v1/subscriptions/{subscription_id}/spend-alerts`."""
    path = "/v1/subscriptions/{subscription_id}/spend-alerts"
    router = APIRouter(tags=["subscriptions"])

    @router.put(path)
    async def put_spend_alerts(
        subscription_id: SubscriptionId,
        written: SpendAlerts,
        caller: CatalogWriter,
        key: OptionalIdempotencyKey = None,
    ) -> SpendAlerts:
        """Replace the amounts of spend that are told; the answer has them rising, each once."""
        account = vendor_of(caller)
        async with database.transaction() as connection:

            async def write() -> SpendAlerts:
                await read_subscription(connection, account, subscription_id)
                amounts = await spend_alerts.put_amounts(
                    connection, account, subscription_id, written.amounts
                )
                return SpendAlerts(amounts=amounts)

            return await once(
                connection,
                account,
                key,
                request=(f"subscriptions/{subscription_id}/spend-alerts", written),
                answer=SpendAlerts,
                write=write,
            )

    @router.get(path)
    async def get_spend_alerts(
        subscription_id: SubscriptionId, caller: BillingReader
    ) -> SpendAlerts:
        """Return the amounts of spend that are told."""
        account = Account(caller.vendor_id, caller.mode)
        async with database.transaction() as connection:
            await visible(connection, account, caller, subscription_id)
            amounts = await spend_alerts.read_amounts(connection, account, subscription_id)
        return SpendAlerts(amounts=amounts)

    return router
