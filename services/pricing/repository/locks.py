"""Who may close periods: one transaction at a time for a partition of tenants.

A seal, a new subscription and a new price version each may be the last thing that a period waits
for. Each takes this lock before it writes, so that none overlooks what another has just written.
"""

from collections.abc import Iterable

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.accounts.repository import Account
from shared.database import lock_transaction
from shared.ids import partition_of
from shared.topics import USAGE_AGGREGATED

ALL_PARTITIONS = range(USAGE_AGGREGATED.partitions)


def tenant_partition(account: Account, tenant_id: str) -> int:
    """Return the partition of `usage.aggregated` that holds a tenant's usage and seals."""
    return partition_of(USAGE_AGGREGATED.partitions, account.vendor_id, tenant_id)


async def lock_closing(
    connection: AsyncConnection, account: Account, partitions: Iterable[int]
) -> None:
    """Take the lock of each partition, in rising order, until the transaction ends."""
    for partition in sorted(partitions):
        await lock_transaction(
            connection, "pricing.closing", account.vendor_id, account.mode, str(partition)
        )
