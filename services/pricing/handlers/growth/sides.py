"""What there was in two spans of days, from the rows that tell of it: no database, no waiting."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

from services.pricing.domain.growth.cohorts import UnitUse
from services.pricing.domain.growth.factors import ZERO, Cell
from services.pricing.domain.growth.growth import Side
from services.pricing.domain.growth.kinds import TOKEN_PARTS
from services.pricing.domain.growth.windows import Window
from services.pricing.repository.growth.revenue import Fee, UsageRevenue
from services.pricing.repository.growth.usage import UnitTokens

Unit = Literal["user", "agent", "tenant"]

ActiveDays = Mapping[tuple[int, str, str], int]
"""By (window, tenant, unit)."""


@dataclass(frozen=True)
class Used:
    """Rows of usage; `earlier` are the (tenant, unit) that were active before both windows."""

    tokens: Sequence[UnitTokens]
    days: ActiveDays
    earlier: Collection[tuple[str, str]]


@dataclass(frozen=True)
class Sold:
    """Rows of revenue: of usage by (tenant, agent, model, kind), and fees."""

    usage: Sequence[UsageRevenue] = ()
    fees: Sequence[Fee] = ()


def sides_of(
    unit: Unit, windows: tuple[Window, Window], used: Used, sold: Sold | None
) -> tuple[Side, Side]:
    """Return the earlier and the later side; without revenue, if nothing sold is asked for."""
    one, other = (
        _side_of([row for row in used.tokens if row.window == number], used.days)
        for number in (0, 1)
    )
    if sold is None:
        return one, other
    return _priced(one, unit, sold, 0, windows[0]), _priced(other, unit, sold, 1, windows[1])


def name_of(tenant: str, unit: str) -> str:
    """Return the name of a unit among those of all tenants."""
    return f"{tenant}/{unit}"


def unnamed_in(side: Side, unit: Unit) -> int:
    """Return how many units stand for usage that names none; a tenant always is named."""
    if unit == "tenant":
        return 0
    return sum(name == name_of(use.group, "") for name, use in side.units.items())


def _side_of(rows: Iterable[UnitTokens], days: ActiveDays) -> Side:
    """Return a side without revenue; units without an active day are idle."""
    uses: dict[str, UnitUse] = {}
    idle = ZERO
    by_unit: dict[tuple[int, str, str], dict[Cell, Fraction]] = defaultdict(dict)
    for row in rows:
        by_unit[row.window, row.tenant, row.unit][Cell(row.model, row.kind)] = row.tokens
    for key, tokens in by_unit.items():
        _, tenant, name = key
        active, total = days.get(key, 0), sum(tokens.values(), ZERO)
        if active and total > 0:
            uses[name_of(tenant, name)] = UnitUse(tenant, active, tokens, {})
        else:
            idle += total
    return Side(uses, idle)


def _priced(side: Side, unit: Unit, sold: Sold, number: int, window: Window) -> Side:
    """Return a side with what it brought in."""
    by_group: dict[str, dict[Cell, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
    by_unit: dict[str, dict[Cell, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
    other = ZERO
    for row in sold.usage:
        if row.window != number:
            continue
        tenant, agent, model, kind = (value or "" for value in row.values)
        by_unit[name_of(tenant, agent if unit == "agent" else "")][Cell(model, kind)] += row.amount
        if kind in TOKEN_PARTS:
            by_group[tenant][Cell(model, kind)] += row.amount
        else:
            other += row.amount
    fees = [(fee.tenant, fee.amount * window.share_of(fee.days)) for fee in sold.fees]
    units = {name: _with_cells(use, by_unit.get(name, {})) for name, use in side.units.items()}
    return replace(
        side,
        units=side.units if unit == "user" else units,
        token_revenue=by_group,
        other_revenue=other,
        fees=sum((amount for _, amount in fees), ZERO),
        unit_revenue=None if unit == "user" else _totals(by_unit, fees if unit == "tenant" else ()),
    )


def _totals(
    by_unit: Mapping[str, Mapping[Cell, Fraction]], fees: Iterable[tuple[str, Fraction]]
) -> dict[str, Fraction]:
    """Return what each unit brought in, with the fees of those that are tenants."""
    totals = {name: sum(cells.values(), ZERO) for name, cells in by_unit.items()}
    for tenant, amount in fees:
        name = name_of(tenant, "")
        totals[name] = totals.get(name, ZERO) + amount
    return totals


def _with_cells(use: UnitUse, cells: Mapping[Cell, Fraction]) -> UnitUse:
    return use._replace(revenue={c: amount for c, amount in cells.items() if use.tokens.get(c)})
