"""What a meter is: which events, which of their quantities, and how those become one number."""

import re
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from services.metering.domain.event import METER_PREFIX
from shared.ids import IDENTIFIER_PATTERN
from shared.money import format_decimal, parse_decimal

Aggregation = Literal["sum", "count", "max", "unique", "latest", "weighted_by_time"]
ADDITIVE: tuple[Aggregation, ...] = ("sum", "count")
MEASURING: tuple[Aggregation, ...] = ("sum", "max", "latest", "weighted_by_time")
"""Aggregations of a quantity; the others count events, or distinct values."""

FIELDS = (*("agent", "model", "provider", "purpose", "status", "region", "batch", "user", "team"),)
UNIQUE_FIELDS = ("user", "run_id", "agent")
TAG = "tags."
PLACES_MAX = 9
FACTOR_MAX = 1_000
AMOUNT_MAX = 10**15
VALUES_MAX = 100
FREE_EVENTS_MAX = 10**9

_TAG_FIELD = re.compile(r"tags\.[A-Za-z0-9_.:/@+-]{1,64}\Z")


def _number(text: str) -> str:
    value = parse_decimal(text)
    if value < 0 or value > AMOUNT_MAX or -_exponent(value) > PLACES_MAX:
        raise ValueError("a plain decimal from 0 to 10^15 with at most 9 decimal places")
    return format_decimal(value)


def _exponent(value: Decimal) -> int:
    return int(value.as_tuple().exponent)


def _factor(text: str) -> str:
    if Decimal(text) > FACTOR_MAX:
        raise ValueError(f"at most {FACTOR_MAX}")
    return text


def _positive(text: str) -> str:
    if Decimal(text) == 0:
        raise ValueError("more than 0")
    return text


def _field(name: str) -> str:
    if name not in FIELDS and not _TAG_FIELD.match(name):
        raise ValueError(f"one of {', '.join(FIELDS)} or tags.<key>")
    return name


def _unique_field(name: str) -> str:
    if name not in UNIQUE_FIELDS and not _TAG_FIELD.match(name):
        raise ValueError(f"one of {', '.join(UNIQUE_FIELDS)} or tags.<key>")
    return name


Number = Annotated[str, AfterValidator(_number)]
Positive = Annotated[Number, AfterValidator(_positive)]
Factor = Annotated[Number, AfterValidator(_factor)]
Key = Annotated[str, StringConstraints(pattern=IDENTIFIER_PATTERN.replace(r"\Z", "$"))]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Part):
    """Token types and units with their weights; an event counts that has at least one of them."""

    tokens: dict[Key, Annotated[Factor, AfterValidator(_positive)]] = Field(
        default={}, max_length=VALUES_MAX
    )
    units: dict[Key, Annotated[Factor, AfterValidator(_positive)]] = Field(
        default={}, max_length=VALUES_MAX
    )


class Filter(_Part):
    """One field of an event and the values that it may have."""

    field: Annotated[str, AfterValidator(_field)]
    values: list[Annotated[str, Field(max_length=256)]] = Field(min_length=1, max_length=VALUES_MAX)


class PerEvent(_Part):
    """What becomes of one event's quantity, in this order: ceil, rate, fee, bounds."""

    ceil_to: Positive | None = Field(default=None, description="rounded up to a multiple of this")
    count_steps: bool = Field(default=False, description="the number of steps, not the multiple")
    rate: Factor | None = Field(default=None, description="times this")
    fee: Number | None = Field(default=None, description="plus this")
    minimum: Number | None = Field(default=None, description="at least this")
    maximum: Number | None = Field(default=None, description="at most this")


class Definition(_Part):
    """A meter. `filters` hold together; values of one filter are alternatives."""

    source: Source = Source()
    filters: list[Filter] = Field(default=[], max_length=20)
    aggregation: Aggregation
    unique_by: Annotated[str, AfterValidator(_unique_field)] | None = None
    per_event: PerEvent = PerEvent()
    free_events: int = Field(
        default=0, ge=0, le=FREE_EVENTS_MAX, description="the first so many of a period are free"
    )

    @property
    def is_additive(self) -> bool:
        """Tell whether the events' values add up in any order."""
        return self.aggregation in ADDITIVE and not self.free_events


def kind_of(name: str, version: int) -> str:
    """Return the `kind` of the usage rows that a meter's values travel in."""
    return f"{METER_PREFIX}{name}@{version}"
