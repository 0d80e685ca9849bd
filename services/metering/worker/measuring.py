"""Measuring frames of events: which of them a meter counts, and what each is worth."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import polars as pl

from services.metering.domain.meters.definition import MEASURING, TAG, Definition, Source
from services.metering.domain.meters.measured import Measured
from services.metering.domain.meters.per_event import event_value, weighted_sum


def matching(events: pl.DataFrame, definition: Definition) -> pl.DataFrame:
    """Return the events that a meter counts: all filters hold, and one of its sources is there."""
    events = events.filter(pl.col("occurred_at").is_not_null())
    for condition in definition.filters:
        values = _values(events, condition.field)
        events = events.filter(values.is_in(condition.values))
    source = definition.source
    if not source.tokens and not source.units:
        return events
    return events.filter(
        _has_any("token_types", source.tokens) | _has_any("unit_names", source.units)
    )


def _has_any(column: str, names: Iterable[str]) -> pl.Expr:
    return pl.any_horizontal(
        pl.lit(value=False), *(pl.col(column).list.contains(name) for name in names)
    )


def _values(events: pl.DataFrame, field: str) -> pl.Series:
    """Return a field of every event as text, empty where it is not there."""
    if not field.startswith(TAG):
        return events[field].cast(pl.String)
    key = field.removeprefix(TAG)
    texts = events["tags"].unique().to_list()
    known = {text: _tag(text, key) for text in texts}
    return pl.Series(field, [known[text] for text in events["tags"].to_list()], dtype=pl.String)


def _tag(text: str, key: str) -> str:
    """Return a tag's value; trusted producers may have written anything."""
    try:
        value = json.loads(text)[key] if text else ""
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""
    return value if isinstance(value, str) else ""


def event_values(events: pl.DataFrame, definition: Definition) -> list[Decimal]:
    """Return what each of the matching events is worth, in their order; 9 decimal places."""
    if definition.aggregation in MEASURING:
        quantities = _quantities(events, definition.source)
    else:
        quantities = [Decimal(1)] * events.height
    worth = {quantity: event_value(quantity, definition.per_event) for quantity in set(quantities)}
    return [worth[quantity] for quantity in quantities]


def _quantities(events: pl.DataFrame, source: Source) -> list[Decimal]:
    tokens = {name: Decimal(weight) for name, weight in source.tokens.items()}
    units = {name: Decimal(weight) for name, weight in source.units.items()}
    columns = events.select("token_types", "token_counts", "unit_names", "unit_quantities")
    return [
        weighted_sum(
            (
                *_weighted(tokens, types, counts),
                *_weighted(units, names, amounts),
            )
        )
        for types, counts, names, amounts in columns.iter_rows()
    ]


def _weighted(
    weights: Mapping[str, Decimal], names: Sequence[str], quantities: Sequence[Any]
) -> Iterator[tuple[Decimal, Decimal]]:
    for name, quantity in zip(names, quantities, strict=True):
        if name in weights:
            yield weights[name], Decimal(quantity)


def measure(events: pl.DataFrame, definition: Definition) -> list[Measured]:
    """Return the matching events as aggregations take them."""
    events = matching(events, definition)
    values = event_values(events, definition)
    subjects = [""] * events.height
    if definition.unique_by is not None:
        subjects = _values(events, definition.unique_by).to_list()
    instants: list[datetime] = events["occurred_at"].to_list()
    ids = events["event_id"].to_list()
    return [
        Measured(at, event_id, Fraction(value), subject)
        for at, event_id, value, subject in zip(instants, ids, values, subjects, strict=True)
    ]
