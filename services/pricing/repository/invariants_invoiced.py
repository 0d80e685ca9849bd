"""What must always be true of what is invoiced before its time, checked on live data."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.repository.invariants_ledger import LedgerFinding
from shared.money import parse_exact

_PROGRESSIVE = text(
    """
    select p.vendor_id, p.mode, p.statement_id, p.total_exact, own.total_exact as stated,
        (v.statement_id is not null) as is_void, period.statement_id as period_id,
        array(select l ->> 'amount_exact'
              from jsonb_array_elements(period.content -> 'lines') as l
              where l ->> 'credited' = p.statement_id) as credited
    from pricing.progressive_statement p
    left join pricing.statement own
        on own.vendor_id = p.vendor_id and own.mode = p.mode
        and own.statement_id = p.statement_id and own.kind = 'progressive'
    left join pricing.statement period
        on period.vendor_id = p.vendor_id and period.mode = p.mode
        and period.subscription_id = p.subscription_id and period.sequence = p.sequence
        and period.kind = 'period'
    left join pricing.progressive_void v
        on v.vendor_id = p.vendor_id and v.mode = p.mode and v.statement_id = p.statement_id
    where (cast(:vendor as text) is null or p.vendor_id = :vendor)
      and (cast(:mode as text) is null or p.mode = :mode)
    order by p.vendor_id, p.mode, p.subscription_id, p.number
    """
)
_TOP_UPS = text(
    """
    select o.vendor_id, o.mode, o.order_id, o.content ->> 'amount' as ordered,
        g.content ->> 'amount' as granted, (e.order_id is not null) as is_paid
    from pricing.top_up_order o
    left join pricing.top_up_event e
        on e.vendor_id = o.vendor_id and e.mode = o.mode and e.order_id = o.order_id
        and e.event = 'paid'
    left join pricing.credit_grant g
        on g.vendor_id = o.vendor_id and g.mode = o.mode and g.grant_id = 'top-up-' || o.order_id
    where (cast(:vendor as text) is null or o.vendor_id = :vendor)
      and (cast(:mode as text) is null or o.mode = :mode)
    order by o.vendor_id, o.mode, o.order_id
    """
)


async def check_invoiced_before(
    connection: AsyncConnection, vendor_id: str | None, mode: str | None
) -> LedgerFinding:
    """Check that closed periods are credited what was invoiced of them, and orders granted if paid.

    A progressive statement that is void may be credited or not: the void may have come later.
    """
    values = {"vendor": vendor_id, "mode": mode}
    progressive = (await connection.execute(_PROGRESSIVE, values)).all()
    top_ups = (await connection.execute(_TOP_UPS, values)).all()
    offending = []
    for row in progressive:
        place = f"{row.vendor_id}/{row.mode}/progressive {row.statement_id}"
        if row.stated != row.total_exact:
            offending.append(f"{place}: its statement says {row.stated}, not {row.total_exact}")
        taken_off = [parse_exact(amount) for amount in row.credited]
        settled = taken_off == [-parse_exact(row.total_exact)] or (row.is_void and not taken_off)
        if row.period_id is not None and not settled:
            told = ", ".join(row.credited) or "nothing"
            offending.append(f"{place}: {row.period_id} takes off {told}, not {row.total_exact}")
    for row in top_ups:
        if row.granted != (row.ordered if row.is_paid else None):
            due = row.ordered if row.is_paid else "nothing"
            place = f"{row.vendor_id}/{row.mode}/top-up {row.order_id}"
            offending.append(f"{place}: {row.granted or 'nothing'} is granted, {due} is due")
    return LedgerFinding(len(progressive) + len(top_ups), offending)
