"""Orders of credit that wait for a person: not paid, or paid back."""

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.repository import top_ups
from shared.accounts.repository import Account
from shared.attention import AttentionItem, call

ORDERS_MAX = 100


async def unsettled_top_ups(connection: AsyncConnection, account: Account) -> list[AttentionItem]:
    """Return an item for each order that nobody has dealt with yet."""
    rows = await top_ups.list_to_settle(connection, account, limit=ORDERS_MAX)
    return [_item(row) for row in rows]


def _item(row: RowMapping) -> AttentionItem:
    tenant, amount = row["tenant_id"], f"{row['content']['amount']} {row['currency']}"
    if row["taken_back"]:
        code = "top_up_taken_back"
        message = f"Money for {amount} of credit of {tenant!r} went back; the credit is there."
        words = "Settle with the tenant what of the credit is left, then dismiss it."
    else:
        code = "top_up_unpaid"
        message = f"The invoice for {amount} of credit of {tenant!r} was not paid: none is granted."
        words = "Ask the tenant, order anew if need be, then dismiss it."
    wallet = f"/v1/tenants/{tenant}/wallets/{row['currency']}"
    return AttentionItem(
        code=code,
        subject=row["order_id"],
        ids={"order_id": row["order_id"], "tenant_id": tenant},
        message=message,
        since=row["created_at"],
        action=call("POST", f"{wallet}/top-up-orders/{row['order_id']}/dismiss", words),
    )
