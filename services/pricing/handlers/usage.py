"""Usage and seals as they come from metering."""

from collections.abc import Iterable
from datetime import date
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.handlers.closing import close_periods
from services.pricing.repository import sealing, usage
from services.pricing.repository.locks import lock_closing, tenant_partition
from services.pricing.repository.usage import DaySums
from shared.accounts.repository import Account
from shared.events.usage_aggregated import DaySealed, TenantDay, UsageAggregated
from shared.money import format_decimal

logger = structlog.get_logger()


async def store_usage(connection: AsyncConnection, message: UsageAggregated) -> None:
    """Store the rows; a tenant that was parked for missing ones is checked again."""
    account = Account(message.vendor_id, message.mode)
    await usage.store(connection, message)
    parked = await sealing.list_parked(connection, account, message.tenant_id)
    if not parked:
        return
    partition = tenant_partition(account, message.tenant_id)
    await lock_closing(connection, account, [partition])
    for row in parked:
        expected = {message.tenant_id: row["expected"]}
        copy = await usage.sums_of_day(connection, account, row["day"], tenant_id=message.tenant_id)
        await _judge(connection, account, row["day"], expected=expected, found=_found(copy))
    await close_periods(connection, account, partition, message.tenant_id)


async def record_seal(
    connection: AsyncConnection, message: DaySealed, partition: int, *, accepted: Iterable[str]
) -> None:
    """Store a part of a seal; with the last part check the copy and close what became due.

    `partition` is where the seal was read: it speaks of that partition's tenants only. `accepted`
    names the recounts whose days are rated.
    """
    account = Account(message.vendor_id, message.mode)
    await lock_closing(connection, account, [partition])
    await sealing.store_part(connection, message, partition)
    tenants = await sealing.read_complete(
        connection, account, partition=partition, day=message.day, version=message.version
    )
    if tenants is None or not await sealing.store_sealed_day(connection, message, partition):
        return
    expected = {tenant.tenant_id: _expected(tenant) for tenant in tenants}
    copy = await usage.sums_of_day(connection, account, message.day)
    own = {
        name: sums for name, sums in copy.items() if tenant_partition(account, name) == partition
    }
    await _judge(connection, account, message.day, expected=expected, found=_found(own))
    await sealing.advance_sealed_through(
        connection, account, partition=partition, first_day=message.first_day, accepted=accepted
    )
    await close_periods(connection, account, partition)


async def _judge(
    connection: AsyncConnection,
    account: Account,
    day: date,
    *,
    expected: dict[str, dict[str, Any]],
    found: dict[str, dict[str, Any]],
) -> None:
    """Park the tenants whose copy is not what the seal says, release those where it agrees."""
    nothing: dict[str, Any] = {"rows": 0, "sums": {}}
    agreeing = []
    for tenant_id in sorted(expected.keys() | found.keys()):
        said = expected.get(tenant_id, nothing)
        have = found.get(tenant_id, nothing)
        if said == have:
            agreeing.append(tenant_id)
            continue
        logger.error(
            "tenant_parked",
            vendor_id=account.vendor_id,
            tenant_id=tenant_id,
            day=day.isoformat(),
            reason="usage_differs_from_seal",
        )
        await sealing.park(
            connection, account, day=day, tenant_id=tenant_id, expected=said, found=have
        )
    for tenant_id in await sealing.unpark(connection, account, day=day, tenants=agreeing):
        logger.info("tenant_released", vendor_id=account.vendor_id, tenant_id=tenant_id)


def _expected(tenant: TenantDay) -> dict[str, Any]:
    sums = {kind: format_decimal(value) for kind, value in tenant.sums.items() if value}
    return {"rows": tenant.rows, "sums": sums}


def _found(copy: dict[str, DaySums]) -> dict[str, dict[str, Any]]:
    return {
        tenant_id: {
            "rows": sum(rows for rows, _ in kinds.values()),
            "sums": {kind: format_decimal(value) for kind, (_, value) in kinds.items() if value},
        }
        for tenant_id, kinds in copy.items()
    }
