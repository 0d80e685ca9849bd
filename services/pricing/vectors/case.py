"""What the translators of vectors share. They make values of the domain and price nothing."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from services.pricing.domain.charge import Charge, UsageFilter
from services.pricing.domain.charges.price import FeePrice, Price
from services.pricing.domain.conditions import Conditions
from services.pricing.domain.periods import Period
from services.pricing.domain.plan import Plan
from services.pricing.domain.rating import RatingTerms, rate_period
from services.pricing.domain.readings import Readings
from services.pricing.domain.seats import Seats
from services.pricing.domain.statement import RatedStatement
from services.pricing.domain.usage import DIMENSIONS, Usage
from services.pricing.domain.words import Words
from services.pricing.schemas.price_book import CHARGE_MODELS
from shared.currencies import CURRENCIES, Currency
from shared.money import parse_exact, round_to_minor_units
from shared.vectors import Results, Vector, major

FIRST_DAY = date(2026, 1, 1)
DAYS = 30
UNITS = "units"


def number(text: str) -> Fraction:
    """Read a decimal of any length, or numerator/denominator."""
    return parse_exact(text)


def currency_of(vector: Vector) -> Currency:
    return CURRENCIES[vector["currency"]]


def words_of(vector: Vector) -> Words:
    return Words(currency_of(vector), UNITS)


def period_of_days(days: int = DAYS, whole_days: int | None = None) -> Period:
    """Return a period of so many days out of a whole one."""
    return Period(FIRST_DAY, FIRST_DAY + timedelta(days=days), whole_days or days)


def day_number(text: str) -> date:
    """Return the n-th day of a period; days are counted from 1."""
    return FIRST_DAY + timedelta(days=int(text) - 1)


def priced(model: str, price: Mapping[str, Any], *kinds: str, **fields: Any) -> Charge:
    """Read a vector's price as a charge of a price book."""
    content = {"key": "c", "name": "C", "model": model, **price, **fields}
    if "usage" in CHARGE_MODELS[model].model_fields and "usage" not in content:
        content["usage"] = {"kinds": list(kinds) or [UNITS]}
    return CHARGE_MODELS[model].model_validate(content).to_domain({})


def charged(price: Price, key: str = "c", *kinds: str, **conditions: Any) -> Charge:
    """Return a charge for kinds of usage, or a fee."""
    claim = UsageFilter({"kind": frozenset(kinds or {UNITS})})
    usage = None if isinstance(price, FeePrice) else claim
    return Charge(key, key, price, usage, Conditions(**conditions))


def used(quantity: Fraction, kind: str = UNITS, **values: Any) -> Usage:
    """Return a row of usage, on the first day if it is not said."""
    row: dict[str, Any] = {**dict.fromkeys(DIMENSIONS, ""), "usage_day": FIRST_DAY, **values}
    return Usage(**{**row, "kind": kind, "quantity": quantity})


def rate(
    vector: Vector,
    charges: Iterable[Charge],
    rows: Iterable[Usage],
    *,
    period: Period | None = None,
    seats: Seats | None = None,
    readings: Readings | None = None,
    minimum: Fraction | None = None,
) -> RatedStatement:
    """Rate usage by charges, as a period is rated for a bill; all usage must have a price."""
    plan = Plan("plan", "Plan", tuple(charges), minimum=minimum)
    terms = RatingTerms("", plan, currency_of(vector), seats or Seats(), period or period_of_days())
    rated = rate_period(terms, rows, readings)
    if rated.unrated and not any(charge.beside for charge in plan.charges):
        kinds = ", ".join(row.kind for row in rated.unrated)
        raise ValueError(f"no price for {kinds}")
    return rated


def rounded(amount: Fraction, vector: Vector) -> Decimal:
    """Return an amount rounded to the currency, in major units."""
    return major(round_to_minor_units(amount, currency_of(vector)), currency_of(vector))


def amounts(rated: RatedStatement, vector: Vector) -> Results:
    """Return the total of a rating, exact and rounded."""
    return {"amount": rated.total, "rounded": rounded(rated.total, vector)}
