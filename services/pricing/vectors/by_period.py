"""Vectors of periods: fees and seats by days, minimum and commitment, outcomes, thresholds."""

from datetime import UTC, date, datetime, time
from fractions import Fraction

from services.pricing.domain.adjustment import adjustments, total_of
from services.pricing.domain.charges.dynamic import Dynamic
from services.pricing.domain.charges.flat import Flat
from services.pricing.domain.charges.per_seat import PerSeat
from services.pricing.domain.charges.per_unit import PerUnit
from services.pricing.domain.commitment import Commitment
from services.pricing.domain.periods import Cycle, Period, paid_part
from services.pricing.domain.progressive import (
    ProgressiveBilled,
    Thresholds,
    crossing_of,
    with_progressive_credits,
)
from services.pricing.domain.seats import SeatChange, Seats
from services.pricing.domain.statement import RatedStatement
from services.pricing.vectors.case import (
    FIRST_DAY,
    amounts,
    charged,
    currency_of,
    day_number,
    number,
    period_of_days,
    rate,
    rounded,
    used,
)
from shared.vectors import Case, Results, Runner, Vector

ZERO = Fraction(0)
NOON = datetime.combine(FIRST_DAY, time(12), UTC)
MONTHS = {"month": 1, "year": 12}


def prorated_fee(vector: Vector, case: Case) -> Results:
    """A fee for days out of a period's, or from a start on and after a trial."""
    fee = charged(Flat(number(vector["price"]["amount"])))
    if "days" in case:
        period: Period | None = period_of_days(int(case["days"]), int(case["period_days"]))
        whole_days = int(case["period_days"])
    else:
        start, end = (date.fromisoformat(case[n]) for n in ("period_start", "period_end"))
        whole_days = (end - start).days
        starts_on = date.fromisoformat(case["start"])
        trial_days = int(case.get("trial_days", "0"))
        period = paid_part(Period(start, end, whole_days), starts_on, trial_days=trial_days)
    if period is None:
        return {"days": 0, "period_days": whole_days, "amount": ZERO, "rounded": ZERO}
    days = {"days": Fraction(period.days), "period_days": Fraction(whole_days)}
    return {**days, **amounts(rate(vector, [fee], [], period=period), vector)}


def prorated_seats(vector: Vector, case: Case) -> Results:
    """Seats that come and go within a period."""
    changes = tuple(
        SeatChange(day_number(change["day"]), int(change["delta"]))
        for change in case.get("changes", [])
    )
    seats = Seats({"": int(case["initial"])}, changes)
    charge = charged(PerSeat(number(vector["price"]["seat_amount"])))
    period = period_of_days(int(case["days"]))
    return amounts(rate(vector, [charge], [], period=period, seats=seats), vector)


def minimum(vector: Vector, case: Case) -> Results:
    """A minimum of the plan for everything that is charged in the period."""
    price = vector["price"]
    period = period_of_days(int(case["days"]), int(case["period_days"]))
    charges = [charged(Dynamic(), f"c{i}", f"k{i}") for i in range(len(case["charges"]))]
    rows = [used(number(amount), f"k{i}") for i, amount in enumerate(case["charges"])]
    if "plan_amount" in price:
        charges.append(charged(Flat(number(price["plan_amount"])), "plan"))
    floor = number(price["minimum_amount"])
    rated = rate(vector, charges, rows, period=period, minimum=floor)
    before = sum((line.amount for line in rated.lines if line.model != "minimum"), ZERO)
    total, spent = rounded(rated.total, vector), rounded(before, vector)
    return {"used": spent, "total": total, "true_up": total - spent, "amount": rated.total}


def commitment(vector: Vector, case: Case) -> Results:
    """A commitment for each window of time."""
    found = []
    for window in case["windows"]:
        price = vector["price"]["windows"][window["window"]]
        names = {"amount": "commitment_amount", "quantity": "commitment_quantity"}
        given = {name: number(price[field]) for name, field in names.items() if field in price}
        committed = Commitment(
            **given,
            overage_factor=number(price.get("overage_factor", "1")),
            true_up=price.get("true_up") == "yes",
        )
        charge = charged(PerUnit(number(price["unit_amount"])), commitment=committed)
        found.append(rate(vector, [charge], [used(number(window["quantity"]))]).total)
    amount = sum(found, ZERO)
    return {"amounts": found, "amount": amount, "rounded": rounded(amount, vector)}


def outcome(vector: Vector, case: Case) -> Results:
    """Outcomes; a reversal of a period that is billed rates that period again."""
    price = vector["price"]
    base = charged(Flat(number(price["base_amount"])), "base")
    unit = PerUnit(number(price["unit_amount"]))
    outcomes = charged(unit, "outcomes", free_units=number(price["included_units"]))

    def rate_count(count: Fraction) -> RatedStatement:
        return rate(vector, [base, outcomes], [used(count)])

    counts: list[Fraction] = []
    last: list[RatedStatement] = []
    found = []
    for place, period in enumerate(case["periods"]):
        counts.append(number(period["confirmed"]))
        for reversal in period.get("reversals", []):
            counts[int(reversal["period"])] -= number(reversal["count"])
        adjusted = ZERO
        for earlier in range(place):
            now = rate_count(counts[earlier])
            adjusted += total_of(adjustments(last[earlier], now))
            last[earlier] = now
        last.append(rate_count(counts[place]))
        parts = {"charge": last[place].total, "adjustment": adjusted}
        parts["total"] = last[place].total + adjusted
        found.append({name: rounded(part, vector) for name, part in parts.items()})
    return {"periods": found}


def progressive(vector: Vector, case: Case) -> Results:
    """Usage, event by event, that is invoiced whenever its spend reaches a threshold."""
    price, currency = vector["price"], currency_of(vector)
    thresholds = Thresholds(tuple(map(number, price["thresholds"])))
    charges = [
        charged(PerUnit(number(price["unit_amount"]))),
        charged(Flat(number(price["plan_amount"])), "plan"),
    ]
    billed: list[ProgressiveBilled] = []
    rated, quantity = rate(vector, charges, []), ZERO
    for event in case["events"]:
        quantity += number(event)
        rated = rate(vector, charges, [used(quantity)])
        whole = with_progressive_credits(rated, billed, currency=currency)
        last = billed[-1].threshold if billed else None
        if crossing := crossing_of(whole, thresholds, last=last, watermark=NOON):
            name, total = len(billed) + 1, crossing.statement.total
            billed.append(ProgressiveBilled(str(name), name, crossing.threshold, total, NOON))
    whole = with_progressive_credits(rated, billed, currency=currency)
    return {
        "invoices": [rounded(one.total, vector) for one in billed],
        "period_fees": rounded(rated.total, vector),
        "credit": rounded(rated.total - whole.total, vector),
        "period_total": rounded(whole.total, vector),
    }


def anchor(vector: Vector, case: Case) -> Results:
    """The starts of periods."""
    price = vector["price"]
    day = date.fromisoformat(price["anchor"])
    months = MONTHS[price["interval"]] * int(price.get("interval_count", "1"))
    cycle = Cycle.from_anchor(day, months=months)
    dates = []
    for _ in range(int(case["count"])):
        dates.append(day.isoformat())
        day = cycle.after(day)
    return {"dates": dates}


RUNNERS: dict[str, Runner] = {
    "prorated_fee": prorated_fee,
    "prorated_seats": prorated_seats,
    "minimum": minimum,
    "commitment": commitment,
    "outcome": outcome,
    "progressive": progressive,
    "anchor": anchor,
}
