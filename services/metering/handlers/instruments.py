"""Two instruments saw the same response: where what they say of it differs.

The first to book it owns it, whatever the other says (docs/concepts/counting.md). The difference
changes no count; it tells whoever runs both which of the two to repair.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from services.metering.archive.lookup import EventLookup
from services.metering.schemas import Difference, EventState
from shared.money import format_decimal, parse_decimal

COMPARED = ("model", "status", "service_tier", "batch", "speed", "region", "context_input_tokens")
"""Fields beside tokens and units that a price may depend on."""


async def with_differences(state: EventState, lookup: EventLookup) -> EventState:
    """Add to a duplicate in what it differs from the event that was booked.

    Nothing is added where one of the two can no longer be read, or they are different lines of
    the response. Raises TimeoutError or a KafkaError when the broker does not answer.
    """
    owner = state.duplicate_of
    if owner is None or state.offset is None or state.index is None:
        return state
    places = [
        (owner.partition, owner.offset, owner.index),
        (state.partition, state.offset, state.index),
    ]
    found = await lookup.read_events(places)
    rows = {(row["partition"], row["offset"], row["index"]): row for row in found.to_dicts()}
    if len(rows) < len(places):
        return state
    booked, here = (rows[place] for place in places)
    if booked["line"] != here["line"]:
        return state
    compared = owner.model_copy(update={"differences": list(differences(booked, here))})
    return state.model_copy(update={"duplicate_of": compared})


def differences(booked: Mapping[str, Any], here: Mapping[str, Any]) -> Iterator[Difference]:
    """Yield what two events of `usage.recorded` say differently; a count of 0 is no count."""
    for name in COMPARED:
        if booked[name] != here[name]:
            yield Difference(field=name, booked=_text(booked[name]), here=_text(here[name]))
    counted, counted_here = _counts(booked), _counts(here)
    for name in sorted(counted.keys() | counted_here.keys()):
        one, other = counted.get(name, "0"), counted_here.get(name, "0")
        if one != other:
            yield Difference(field=name, booked=one, here=other)


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value in (None, "") else str(value)


def _counts(event: Mapping[str, Any]) -> dict[str, str]:
    tokens = zip(event["token_types"], event["token_counts"], strict=True)
    units = zip(event["unit_names"], event["unit_quantities"], strict=True)
    return {
        **{f"tokens.{name}": str(count) for name, count in tokens},
        **{f"units.{name}": format_decimal(parse_decimal(value)) for name, value in units},
    }
