"""Sums of usage with a digest of what they are made of, the same wherever usage is kept.

Whoever compares two copies of the usage compares these; so there is one text for both.
"""

from datetime import date
from decimal import Decimal

from sqlalchemy import Result, TextClause, text

UsageKey = tuple[str, date, str, str]
"""(tenant, usage day, model, kind)."""

UsageSum = tuple[Decimal, int, str]
"""(quantity, events, digest of the parts)."""


def sums_of_day(table: str) -> TextClause:
    """Return the query over a table of daily or hourly rows; it takes vendor_id, mode and day.

    The digest is over what else a sum is made of: agents, and all that prices may depend on.
    """
    return text(
        f"""
    select tenant_id, usage_day, model, kind, sum(quantity) as quantity,
        cast(sum(events) as bigint) as events,
        md5(string_agg(concat_ws('|', attributes, trim_scale(quantity), events), e'\\n'
            order by attributes)) as digest
    from (
        select tenant_id, usage_day, model, kind,
            concat_ws('|', provider, agent, context_band, service_tier, batch, speed, region,
                purpose, status, entry) collate "C" as attributes,
            sum(quantity) as quantity, sum(events) as events
        from {table}
        where vendor_id = :vendor_id and mode = :mode and booked_day = :day
        group by 1, 2, 3, 4, 5
    ) rows
    group by 1, 2, 3, 4
    """  # noqa: S608 - the name of a table of ours
    )


def read_sums(rows: Result[tuple[object, ...]]) -> dict[UsageKey, UsageSum]:
    """Return what such a query found."""
    return {
        (row.tenant_id, row.usage_day, row.model, row.kind): (
            Decimal(row.quantity),
            row.events,
            row.digest,
        )
        for row in rows
    }
