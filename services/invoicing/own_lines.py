"""Lines that invoicing adds to a statement's own, in the words that the customer reads."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

from services.invoicing.domain.carrying import CarriedIn
from services.invoicing.domain.coupons import NamedCoupon, discounts
from services.invoicing.domain.errors import InvalidStatement
from services.invoicing.domain.line_kinds import COUPON_PREFIX, PROGRESSIVE_PREFIX
from shared.events.statement_rated import StatementLine, StatementRated
from shared.money import format_exact, parse_exact

CREDIT_LINE = "credits"
CREDIT_LINE_KEYS = {"at_use": "~credits", "at_purchase": "~credits-taxed"}
"""Credit as a discount, and credit that was taxed when it was bought: a line each, at the end."""

RETURN_LINE_KEY = "~credits~returned"
"""What an adjustment below zero gives back as credit instead of as money."""

COUPON_LINE = "coupon"

CARRIED_LINE = "carried_over"
CARRIED_IN_PREFIX = "~carried/"
"""Before the id of the invoice that the amount comes from."""

CARRIED_OUT_KEY = "~carried~next"
"""What is left to the next invoice, with the opposite sign: the invoice itself comes to zero."""

ROUNDING_LINE = "rounding"
ROUNDING_LINE_KEY = "~rounding"


def exact_amount(text: str) -> Fraction:
    """Read an amount of a statement; raises `invalid_amount`."""
    try:
        return parse_exact(text)
    except (ValueError, ZeroDivisionError) as error:
        message = "An amount is no plain decimal and no numerator/denominator."
        raise InvalidStatement("invalid_amount", message) from error


def credit_lines(statement: StatementRated) -> list[StatementLine]:
    """Return what credits pay as lines below zero, by how they are taxed, and what returns."""
    lines = []
    for tax, key in CREDIT_LINE_KEYS.items():
        amounts = [exact_amount(draw.amount_exact) for draw in statement.credits if draw.tax == tax]
        if amounts:
            total = -sum(amounts, Fraction(0))
            lines.append(_line(key, CREDIT_LINE, "Prepaid credits used", total))
    returned = [exact_amount(one.amount_exact) for one in statement.returns]
    if returned:
        description, total = "Returned to prepaid credits", sum(returned, Fraction(0))
        lines.append(_line(RETURN_LINE_KEY, CREDIT_LINE, description, total))
    return lines


def coupon_lines(
    lines: Sequence[StatementLine], coupons: Sequence[NamedCoupon]
) -> list[StatementLine]:
    """Return what coupons take off these lines, in their order; one that takes nothing has none.

    Credit that was taxed when it was bought is a payment, and what was invoiced on account had no
    coupons: neither lowers what is discounted.
    """
    paid = CREDIT_LINE_KEYS["at_purchase"]
    discounted = [
        (line.charge, exact_amount(line.amount_exact))
        for line in lines
        if line.line_key != paid and not line.line_key.startswith(PROGRESSIVE_PREFIX)
    ]
    taken = discounts(discounted, [one.coupon for one in coupons])
    amounts = [sum(parts, Fraction(0)) for parts in taken]
    return [
        _line(f"{COUPON_PREFIX}{one.coupon.key}", COUPON_LINE, one.description, -amount)
        for one, amount in zip(coupons, amounts, strict=True)
        if amount
    ]


def carried_in_lines(carried: Sequence[CarriedIn]) -> list[StatementLine]:
    """Return what earlier invoices left to this one, a line each."""
    return [
        _line(
            f"{CARRIED_IN_PREFIX}{one.carry_over_id}", CARRIED_LINE, _carried_from(one), one.amount
        )
        for one in carried
    ]


def _carried_from(one: CarriedIn) -> str:
    last_day = one.period_end - timedelta(days=1)
    period = f"{one.period_start.isoformat()} to {last_day.isoformat()}"
    return f"Carried over from {period} ({one.subscription_id})"


def carried_out_line(amount: Fraction) -> StatementLine:
    """Return the line that takes an amount off this invoice, for the next one to open with it."""
    return _line(CARRIED_OUT_KEY, CARRIED_LINE, "Carried over to the next invoice", -amount)


def _line(key: str, charge: str, description: str, amount: Fraction) -> StatementLine:
    return StatementLine(
        line_key=key,
        charge=charge,
        model=charge,
        description=description,
        quantity=Decimal(1),
        unit=charge,
        amount_exact=format_exact(amount),
        steps=[],
        details=[],
    )
