"""Fields that several models share: texts, amounts and days within bounds that can be stored."""

import re
from datetime import date
from fractions import Fraction
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from shared.money import exact, format_exact

DECIMALS_MAX = 12
"""Prices go down to 10^-12 of the currency."""

WILDCARDS_MAX = 3
PATTERNS_WITH_WILDCARDS_MAX = 20
PERCENT_MAX = 100
COUNT_MAX = 10**9

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_DIGITS = re.compile(r"-?(0|[1-9][0-9]{0,18})\Z")

DAY_FIRST = date(2000, 1, 1)
DAY_BEYOND = date(2200, 1, 1)

Name = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,200}$")]
"""Text for people: no control characters, up to 200 of the others."""

Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:/@+-]{0,128}$")]
"""A value of a dimension of usage, as metering accepts it; empty where usage leaves it out."""


Pattern = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:/@+*-]{0,128}$")]
"""The same, with `*` for any text."""


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
    if value.startswith("-"):
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


def _read_pattern(value: Any) -> Any:
    if isinstance(value, str) and value.count("*") > WILDCARDS_MAX:
        raise PydanticCustomError("too_many_wildcards", "A pattern has at most 3 '*'.")
    return value


def _read_quantity(value: Any) -> str:
    quantity = _read_decimal(value)
    if value.startswith("-"):
        raise PydanticCustomError("negative_quantity", "A quantity is 0 or more.")
    return format_exact(quantity)


def _read_percent(value: Any) -> str:
    percent = _read_amount(value)
    if exact(percent) > PERCENT_MAX:
        raise PydanticCustomError("above_100_percent", "A discount is at most 100 percent.")
    return percent


def _read_day(value: Any) -> Any:
    # Pydantic would take an instant, or the seconds since 1970, for a day as well.
    if not isinstance(value, date) and not (isinstance(value, str) and _DAY.match(value)):
        raise PydanticCustomError("not_a_day", "A day is written '2023-11-01'.")
    return value


def _read_digits(value: Any) -> Any:
    # Pydantic would take "1_0", " 10" and "10.0" for 10.
    if isinstance(value, str) and not _DIGITS.match(value):
        raise PydanticCustomError("not_a_whole_number", "A number here is written in digits.")
    return value


_DECIMAL_SCHEMA = WithJsonSchema({"type": "string", "pattern": r"^\d{1,40}(\.\d{1,20})?$"})

Amount = Annotated[str, BeforeValidator(_read_amount), _DECIMAL_SCHEMA]
"""A price in the book's currency, >= 0, at most 12 decimals; kept without trailing zeros."""

Quantity = Annotated[str, BeforeValidator(_read_quantity), _DECIMAL_SCHEMA]
Percent = Annotated[str, BeforeValidator(_read_percent), _DECIMAL_SCHEMA]
"""A discount in percent, from 0 to 100."""

Wildcard = Annotated[Pattern, BeforeValidator(_read_pattern)]
Count = Annotated[int, Field(strict=True, ge=0, le=COUNT_MAX)]

Positive = Annotated[str, BeforeValidator(_read_positive), _DECIMAL_SCHEMA]
Bound = Annotated[str, BeforeValidator(_read_bound), _DECIMAL_SCHEMA]

Day = Annotated[date, BeforeValidator(_read_day), Field(ge=DAY_FIRST, lt=DAY_BEYOND)]
"""A UTC day."""

InDigits = BeforeValidator(_read_digits)
"""For a whole number in an address or a query, which comes as text."""


def few_patterns(values: list[str]) -> list[str]:
    """Refuse a list with many patterns: which of two charges' could meet is found pair by pair."""
    if sum("*" in value for value in values) > PATTERNS_WITH_WILDCARDS_MAX:
        message = f"A list has at most {PATTERNS_WITH_WILDCARDS_MAX} patterns with '*'."
        raise PydanticCustomError("too_many_wildcards", message)
    return values


def is_none(value: object) -> bool:
    """Tell whether a field is left out of what is stored; its absence then means the same."""
    return value is None


def is_empty(value: object) -> bool:
    """Tell whether a list or an object holds nothing, and so is left out of what is stored."""
    return not value


def is_zero(value: object) -> bool:
    """Tell whether a number is its default of 0, and so is left out of what is stored."""
    return value == "0"
