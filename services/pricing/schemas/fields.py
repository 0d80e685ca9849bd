"""Fields that several models share: texts, amounts and days within bounds that can be stored."""

from datetime import date
from fractions import Fraction
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from shared.money import exact, format_exact

DECIMALS_MAX = 12
"""Prices go down to 10^-12 of the currency."""

DAY_FIRST = date(2000, 1, 1)
DAY_BEYOND = date(2200, 1, 1)

Name = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,200}$")]
"""Text for people: no control characters, up to 200 of the others."""

Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:/@+-]{0,128}$")]
"""A value of a dimension of usage, as metering accepts it; empty where usage leaves it out."""


def _read_decimal(value: Any) -> Fraction:
    if not isinstance(value, str):
        raise PydanticCustomError(
            "not_a_decimal_string", "A number here is a string, as in '1.50'."
        )
    try:
        return exact(value)
    except ValueError as error:
        message = "This is no plain decimal number: digits, a point, digits."
        raise PydanticCustomError("not_a_decimal_string", message) from error


def _read_amount(value: Any) -> str:
    amount = _read_decimal(value)
    if amount < 0:
        raise PydanticCustomError("negative_price", "A price is 0 or more.")
    if len(str(value).partition(".")[2].rstrip("0")) > DECIMALS_MAX:
        message = "A price has at most 12 decimals."
        raise PydanticCustomError("too_many_decimals", message)
    return format_exact(amount)


def _read_positive(value: Any) -> str:
    quantity = _read_decimal(value)
    if quantity <= 0:
        raise PydanticCustomError("not_positive", "This number is above 0.")
    return format_exact(quantity)


def _read_bound(value: Any) -> str:
    # Whether a bound is positive is told with the order of the tiers.
    return format_exact(_read_decimal(value))


def _read_day(value: Any) -> Any:
    if not isinstance(value, str | date):
        raise PydanticCustomError("not_a_day", "A day is written '2023-11-01'.")
    return value


_DECIMAL_SCHEMA = WithJsonSchema({"type": "string", "pattern": r"^\d{1,40}(\.\d{1,20})?$"})

Amount = Annotated[str, BeforeValidator(_read_amount), _DECIMAL_SCHEMA]
"""A price in the book's currency, >= 0, at most 12 decimals; kept without trailing zeros."""

Positive = Annotated[str, BeforeValidator(_read_positive), _DECIMAL_SCHEMA]
Bound = Annotated[str, BeforeValidator(_read_bound), _DECIMAL_SCHEMA]

Day = Annotated[date, BeforeValidator(_read_day), Field(ge=DAY_FIRST, lt=DAY_BEYOND)]
"""A UTC day."""
