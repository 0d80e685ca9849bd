"""How periods that turn out cheaper are settled, and what was credited of them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, Literal

from sqlalchemy import Text, bindparam, cast, select
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.adjustment_tables import adjustment_credit, adjustment_setting
from services.pricing.repository.selection import keys, owned
from services.pricing.tables import outbox
from shared.accounts.repository import Account
from shared.events.statement_rated import AdjustmentCredited
from shared.outbox import Outgoing, put_rows

VENDOR_ITSELF = ""
"""Stands where a tenant's id does: for all tenants without a setting of their own."""


@dataclass(frozen=True)
class AdjustmentSetting:
    """What becomes of a difference below zero, and where what is paid of it goes."""

    negative_adjustments: Literal["next_statement", "credit_note"] = "next_statement"
    settlement: Literal["balance", "refund", "out_of_band"] = "balance"

    @property
    def credits(self) -> bool:
        return self.negative_adjustments == "credit_note"


async def put_setting(
    connection: AsyncConnection,
    account: Account,
    tenant_id: str,
    setting: AdjustmentSetting,
    now: datetime,
) -> None:
    values = asdict(setting) | {"updated_at": now}
    written = insert(adjustment_setting).values(**keys(account), tenant_id=tenant_id, **values)
    await connection.execute(
        written.on_conflict_do_update(
            index_elements=["vendor_id", "mode", "tenant_id"], set_=values
        )
    )


async def read_setting(
    connection: AsyncConnection, account: Account, tenant_id: str
) -> AdjustmentSetting:
    """Return the setting in force for a tenant: its own, the vendor's, or the default."""
    table = adjustment_setting
    query = select(table.c.negative_adjustments, table.c.settlement).where(
        owned(table, account), table.c.tenant_id.in_([tenant_id, VENDOR_ITSELF])
    )
    # The vendor's is the empty text, which comes last.
    query = query.order_by(table.c.tenant_id.desc()).limit(1)
    row = (await connection.execute(query)).mappings().one_or_none()
    return AdjustmentSetting() if row is None else AdjustmentSetting(**row)


async def add_credit(
    connection: AsyncConnection, credited: AdjustmentCredited, *, sequence: int, tell: bool
) -> None:
    """Store what is credited of a closed period and, if anything is left to, tell invoicing."""
    row = Outgoing(credited, message_id=credited.adjustment_id).row()
    content = cast(bindparam("content", type_=Text), JSONB)
    values: dict[str, Any] = {
        **keys(Account(credited.vendor_id, credited.mode)),
        "adjustment_id": credited.adjustment_id,
        "tenant_id": credited.tenant_id,
        "statement_id": credited.statement_id,
        "subscription_id": credited.subscription_id,
        "sequence": sequence,
        "revision": credited.revision,
        "period_end": credited.period_end,
    }
    await connection.execute(
        insert(adjustment_credit).values(content=content, **values),
        {"content": row["payload"].decode()},
    )
    if tell:
        await put_rows(connection, outbox, [row])


async def list_credited(
    connection: AsyncConnection, account: Account, first: date, end: date
) -> list[AdjustmentCredited]:
    """Return what was credited of the periods whose last day lies in [first, end)."""
    table = adjustment_credit
    query = select(table.c.content).where(
        owned(table, account), table.c.period_end > first, table.c.period_end <= end
    )
    rows = await connection.scalars(query.order_by(table.c.adjustment_id))
    return [AdjustmentCredited.model_validate(content) for content in rows]


async def list_credits(
    connection: AsyncConnection, account: Account, statement_id: str
) -> Sequence[AdjustmentCredited]:
    """Return what was credited of a statement's period, the oldest first."""
    table = adjustment_credit
    query = select(table.c.content).where(owned(table, account, statement_id=statement_id))
    rows = await connection.scalars(query.order_by(table.c.revision))
    return [AdjustmentCredited.model_validate(content) for content in rows]
