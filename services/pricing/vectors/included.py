"""Vectors of pools, credits and packs."""

from fractions import Fraction

from services.pricing.domain.charge import Charge
from services.pricing.domain.charges.dynamic import Dynamic
from services.pricing.domain.charges.flat import Flat
from services.pricing.domain.charges.per_seat import PerSeat
from services.pricing.domain.charges.per_unit import PerUnit
from services.pricing.domain.conversion import Conversion, ConversionRate
from services.pricing.domain.pools import Pool
from services.pricing.domain.readings import Readings, UsageOfSeat
from services.pricing.domain.seats import Seats
from services.pricing.domain.statement import Line, RatedStatement
from services.pricing.vectors.case import (
    FIRST_DAY,
    UNITS,
    amounts,
    charged,
    number,
    rate,
    used,
)
from shared.vectors import Case, Results, Runner, Vector

ZERO = Fraction(0)
USAGE = "usage"
PACKS = "packs"


def seat_pool(vector: Vector, case: Case) -> Results:
    """Seats whose units are shared, or belong to each seat."""
    price = vector["price"]
    classes = {seat["class"]: seat for seat in price["seats"]}
    counts = {name: int(count) for name, count in case["seats"].items()}
    included = {name: number(seat["included"]) for name, seat in classes.items()}
    pool = Pool(
        "pool", "Pool", "quantity", included_per_seat=included, scope=price.get("pool", "shared")
    )
    fees = [
        charged(PerSeat(number(seat["seat_amount"]), name), f"seats-{name}")
        for name, seat in classes.items()
    ]
    holders = tuple(
        _used_by(f"{name}-{place}", name, quantity)
        for name, quantities in case.get("used_per_seat", {}).items()
        for place, quantity in enumerate(quantities)
    )
    quantity = sum((row.quantity for row in holders), ZERO)
    rated = rate(
        vector,
        [*fees, _overage(vector, (pool,))],
        [used(number(case["used"]) if "used" in case else quantity)],
        seats=Seats(counts),
        readings=Readings(usage_of_seats=holders),
    )
    capacity = sum((units * counts.get(name, 0) for name, units in included.items()), ZERO)
    line = _usage_line(rated)
    held = line.pools[0].included if line is not None else capacity
    return {"pool": held, **_above(line), **amounts(rated, vector)}


def _used_by(seat: str, seat_class: str, quantity: str) -> UsageOfSeat:
    return UsageOfSeat(
        seat=seat,
        seat_class=seat_class,
        agent="",
        model="",
        kind=UNITS,
        purpose="",
        usage_day=FIRST_DAY,
        quantity=number(quantity),
    )


def _overage(vector: Vector, pools: tuple[Pool, ...]) -> Charge:
    price = vector["price"]
    overage = price.get("overage", "allow")
    unit = PerUnit(number(price.get("overage_unit_amount", "0")))
    return charged(unit, USAGE, pools=pools, overage=overage)


def _usage_line(rated: RatedStatement) -> Line | None:
    return next((line for line in rated.lines if line.charge == USAGE), None)


def _above(line: Line | None) -> Results:
    """Return what of a line's units its pools did not hold."""
    if line is None:
        return {"overage": ZERO, "blocked": ZERO}
    covered = sum((use.used for use in line.pools), ZERO)
    return {"overage": line.quantity - covered - line.blocked, "blocked": line.blocked}


def ordered_pools(vector: Vector, case: Case) -> Results:
    """A fee with pools that burn one after the other."""
    price = vector["price"]
    pools = tuple(
        Pool(pool["name"], pool["name"], "quantity", number(pool["included"]))
        for pool in price["pools"]
    )
    fee = charged(Flat(number(price["amount"])), "fee")
    rated = rate(vector, [fee, _overage(vector, pools)], [used(number(case["used"]))])
    line = _usage_line(rated)
    left = {pool.key: pool.included for pool in pools}
    left.update({use.pool: use.remaining for use in (line.pools if line else ())})
    return {"remaining": left, **_above(line), **amounts(rated, vector)}


def amount_pool(vector: Vector, case: Case) -> Results:
    """A fee with usage in money, then on demand up to a limit."""
    price = vector["price"]
    pool = Pool("pool", "Pool", "amount", number(price["included_amount"]))
    limit = number(price["on_demand_limit"]) if "on_demand_limit" in price else None
    usage = charged(Dynamic(), USAGE, pools=(pool,), on_demand_limit=limit)
    fee = charged(Flat(number(price["amount"])), "fee")
    rated = rate(vector, [fee, usage], [used(number(case["used_amount"]))])
    line = _usage_line(rated)
    on_demand, blocked = (line.amount, line.blocked) if line else (ZERO, ZERO)
    return {"on_demand": on_demand, "blocked": blocked, **amounts(rated, vector)}


def credits_(vector: Vector, case: Case) -> Results:
    """Usage counted in credits, which have a value."""
    price = vector["price"]
    rates = tuple(
        ConversionRate(number(rate["credits"]), number(rate["per"]), kinds=(rate["item"],))
        for rate in price["rates"]
    )
    conversion = Conversion("credits", rates)
    items = [(row["item"], number(row["quantity"])) for row in case["usage"]]
    unit = PerUnit(number(price["credit_value"]))
    charge = charged(unit, USAGE, *{item for item, _ in items}, conversion=conversion)
    rated = rate(vector, [charge], [used(quantity, item) for item, quantity in items])
    units = conversion.convert([("", item, quantity) for item, quantity in items])
    return {"credits": sum(units, ZERO), **amounts(rated, vector)}


def prepaid_pack(vector: Vector, case: Case) -> Results:
    """Packs are bought by number, and enlarge a pool that burns after what is included."""
    price = vector["price"]
    per_pack = {PACKS: number(price["pack_credits"])}
    pools = (
        Pool("included", "Included", "quantity", number(price.get("included_credits", "0"))),
        Pool(PACKS, "Packs", "quantity", included_per_seat=per_pack),
    )
    fee = charged(PerSeat(number(price["pack_amount"]), PACKS), "fee")
    seats = Seats({PACKS: int(case["packs"])})
    charges = [fee, _overage(vector, pools)]
    rated = rate(vector, charges, [used(number(case["used"]))], seats=seats)
    line = _usage_line(rated)
    left = line.pools[-1].remaining if line else per_pack[PACKS] * int(case["packs"])
    return {"remaining": left, **_above(line), **amounts(rated, vector)}


RUNNERS: dict[str, Runner] = {
    "seat_pool": seat_pool,
    "ordered_pools": ordered_pools,
    "amount_pool": amount_pool,
    "credits": credits_,
    "prepaid_pack": prepaid_pack,
}
