"""What parts of runs cost: texts that queries share, over a `with` query named `parts`.

`parts` has (place, tenant_id, part_key, …) of an account's parts, `place` counting them. Costs are
added up in numerics, in a common fraction of a dollar: exactly.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.agents.run_prices import PricedBy, RunPrices
from services.pricing.domain.growth.kinds import TOKEN_PARTS
from services.pricing.repository.runs.parts import OWN

_TYPES = {"batch": "boolean[]", "usage_day": "date[]"}
_COLUMNS = ", ".join(PricedBy._fields)
_ARRAYS = ", ".join(f"cast(:{name} as {_TYPES.get(name, 'text[]')})" for name in PricedBy._fields)
_USED = f"""
    parts join (
        select tenant_id, part_key, {_COLUMNS}, quantity from pricing.run_usage
        where {OWN} and quantity <> 0 and not starts_with(kind, 'meter:')
    ) used using (tenant_id, part_key)
"""  # noqa: S608 - our own names
_PRICES = f"""
    prices as (
        select * from unnest({_ARRAYS}, cast(:units as numeric[])) as prices ({_COLUMNS}, units)
    )
"""  # noqa: S608 - our own names
COSTS = f"""
    {_PRICES}, costs as (
        select place, coalesce(sum(quantity * units), 0) as cost,
            bool_or(units is null and kind <> :outcome) as unpriced,
            coalesce(sum(quantity) filter (where kind = any(cast(:tokens as text[]))), 0) as tokens,
            CARRIED
        from {_USED} left join prices using ({_COLUMNS})
        group by place
    )
"""  # noqa: S608 - our own names
"""What `parts` used and cost, in 1/scale dollars; `:outcome` counts outcomes and needs no price."""


def costs_with(*carried: str) -> str:
    """Return the `with` queries `prices` and `costs`, which carries columns of its parts.

    So nothing is joined to it: the planner takes parts for few, and would join them badly.
    """
    columns = ", ".join(f"min({name}) as {name}" for name in carried)
    return COSTS.replace("CARRIED", columns)


async def read_circumstances(
    connection: AsyncConnection, parts: str, values: Mapping[str, Any]
) -> list[PricedBy]:
    """Return what the prices of the usage of `parts`, a list of `with` queries, depend on."""
    query = text(f"with {parts} select distinct {_COLUMNS} from {_USED}")  # noqa: S608 - our own names
    return [PricedBy(*row) for row in (await connection.execute(query, dict(values))).all()]


async def read_unpriced(
    connection: AsyncConnection, parts: str, values: Mapping[str, Any], *, by: Sequence[str]
) -> Sequence[Any]:
    """Return (what `by` names of parts, kind, quantity) of usage whose price nobody knows."""
    columns = ", ".join((*by, "kind"))
    query = text(
        f"""
        with {parts}, {_PRICES}
        select {columns}, sum(quantity) from {_USED} join prices using ({_COLUMNS})
        where units is null and kind <> :outcome
        group by {columns} having sum(quantity) <> 0 order by {columns}
        """  # noqa: S608 - our own names
    )
    return (await connection.execute(query, dict(values))).all()


def price_values(prices: RunPrices) -> dict[str, Any]:
    """Return the parameters that tell a query the prices."""
    columns = {name: [] for name in PricedBy._fields} | {
        name: list(column)
        for name, column in zip(
            PricedBy._fields, zip(*prices.circumstances, strict=True), strict=False
        )
    }
    units = [None if one is None else Decimal(one) for one in prices.units]
    return {**columns, "units": units, "tokens": list(TOKEN_PARTS)}
