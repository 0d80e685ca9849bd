"""What drafts wait for: the vendor's setting, and each draft's hold."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.correction_tables import billing_setting, invoice_hold
from services.invoicing.domain.holds import Hold
from services.invoicing.models import Invoice
from shared.accounts.repository import Account

_KEY = ("vendor_id", "mode", "tenant_id", "invoice_id")


@dataclass(frozen=True)
class BillingSetting:
    """For how long drafts wait, and whether a person has to approve them."""

    grace_seconds: int = 0
    approval: bool = False


async def read_setting(connection: AsyncConnection, account: Account) -> BillingSetting:
    """Return a vendor's setting; the default when it has none."""
    table = billing_setting
    query = select(table.c.grace_seconds, table.c.approval).where(
        table.c.vendor_id == account.vendor_id, table.c.mode == account.mode
    )
    row = (await connection.execute(query)).mappings().one_or_none()
    return BillingSetting() if row is None else BillingSetting(**row)


async def put_setting(
    connection: AsyncConnection, account: Account, setting: BillingSetting, now: datetime
) -> None:
    values = asdict(setting) | {"updated_at": now}
    statement = insert(billing_setting).values(
        vendor_id=account.vendor_id, mode=account.mode, **values
    )
    await connection.execute(
        statement.on_conflict_do_update(index_elements=["vendor_id", "mode"], set_=values)
    )


async def insert_hold(connection: AsyncConnection, of: Invoice, hold: Hold) -> None:
    values = {name: getattr(of, name) for name in _KEY} | asdict(hold)
    await connection.execute(insert(invoice_hold).values(values))


async def read_hold(connection: AsyncConnection, of: Invoice) -> Hold | None:
    return (await read_holds(connection, of.account, [of.invoice_id])).get(of.invoice_id)


async def read_holds(
    connection: AsyncConnection, account: Account, invoice_ids: Sequence[str]
) -> dict[str, Hold]:
    """Return what each of these invoices waits for; those without a hold are left out."""
    table = invoice_hold
    query = select(table.c.invoice_id, table.c.until, table.c.approval, table.c.released_at).where(
        table.c.vendor_id == account.vendor_id,
        table.c.mode == account.mode,
        table.c.invoice_id.in_(invoice_ids),
    )
    rows = await connection.execute(query)
    return {row.invoice_id: Hold(row.until, row.approval, row.released_at) for row in rows}


async def release_hold(
    connection: AsyncConnection, of: Invoice, *, by: str, now: datetime
) -> datetime:
    """Release a draft, whether it waits or not; return when it was released first."""
    table = invoice_hold
    statement = insert(table).values(
        **{name: getattr(of, name) for name in _KEY},
        until=now,
        approval=False,
        released_at=now,
        released_by=by,
    )
    released = statement.on_conflict_do_update(
        index_elements=list(_KEY),
        set_={
            "released_at": func.coalesce(table.c.released_at, now),
            "released_by": func.coalesce(table.c.released_by, by),
        },
    ).returning(table.c.released_at)
    moment: datetime = (await connection.execute(released)).scalar_one()
    return moment
