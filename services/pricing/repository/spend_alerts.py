"""Spend alerts: the amounts of a subscription, whose bill to look at, what was told."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import and_, delete, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.repository.progressive import SAME_SUBSCRIPTION, SAME_TENANT
from services.pricing.repository.selection import keys, owned
from services.pricing.spend_alert_tables import spend_alert, spend_alert_look, spend_alert_told
from services.pricing.tables import parked_tenant, subscription, usage_watermark
from shared.accounts.repository import Account


def _same(one: Any, other: Any, names: tuple[str, ...]) -> Any:
    return and_(*(one.c[name] == other.c[name] for name in names))


async def read_amounts(
    connection: AsyncConnection, account: Account, subscription_id: str
) -> list[str]:
    """Return the amounts of a subscription, exact, in no order."""
    query = select(spend_alert.c.amount_exact).where(
        owned(spend_alert, account, subscription_id=subscription_id)
    )
    return list((await connection.scalars(query)).all())


async def replace_amounts(
    connection: AsyncConnection, account: Account, subscription_id: str, amounts: Sequence[str]
) -> None:
    """Set the amounts of a subscription, whose bill is then looked at again."""
    of = {"subscription_id": subscription_id}
    for table in (spend_alert, spend_alert_look):
        await connection.execute(delete(table).where(owned(table, account, **of)))
    if amounts:
        rows = [{**keys(account), **of, "amount_exact": amount} for amount in amounts]
        await connection.execute(insert(spend_alert), rows)


async def list_to_look_at(connection: AsyncConnection, *, limit: int) -> list[tuple[Account, str]]:
    """Return subscriptions with alerts to which usage came since the last look, of all accounts.

    Parked tenants, whose copy is in doubt, are left out.
    """
    unseen = or_(
        spend_alert_look.c.changes.is_distinct_from(usage_watermark.c.changes),
        spend_alert_look.c.sequence.is_distinct_from(subscription.c.next_sequence),
    )
    parked = select(parked_tenant.c.tenant_id).where(
        _same(parked_tenant, subscription, SAME_TENANT)
    )
    query = (
        select(*(subscription.c[name] for name in SAME_SUBSCRIPTION))
        .distinct()
        .join(spend_alert, _same(spend_alert, subscription, SAME_SUBSCRIPTION))
        .join(usage_watermark, _same(usage_watermark, subscription, SAME_TENANT))
        .outerjoin(spend_alert_look, _same(spend_alert_look, subscription, SAME_SUBSCRIPTION))
        .where(subscription.c.next_start.is_not(None), unseen, ~parked.exists())
        .order_by(*(subscription.c[name] for name in SAME_SUBSCRIPTION))
        .limit(limit)
    )
    rows = (await connection.execute(query)).all()
    return [(Account(row.vendor_id, row.mode), row.subscription_id) for row in rows]


async def note_look(
    connection: AsyncConnection,
    account: Account,
    subscription_id: str,
    *,
    sequence: int,
    changes: int,
) -> None:
    """Note how much usage of a subscription's open period was looked at."""
    seen = {"sequence": sequence, "changes": changes}
    written = insert(spend_alert_look).values(
        **keys(account), subscription_id=subscription_id, **seen
    )
    await connection.execute(
        written.on_conflict_do_update(
            index_elements=list(spend_alert_look.primary_key.columns), set_=seen
        )
    )


async def note_told(
    connection: AsyncConnection,
    account: Account,
    subscription_id: str,
    *,
    sequence: int,
    amount_exact: str,
) -> bool:
    """Note that an amount is told of a period; False when it was before."""
    written = insert(spend_alert_told).values(
        **keys(account),
        subscription_id=subscription_id,
        sequence=sequence,
        amount_exact=amount_exact,
    )
    made = await connection.execute(
        written.on_conflict_do_nothing().returning(spend_alert_told.c.sequence)
    )
    return made.first() is not None
