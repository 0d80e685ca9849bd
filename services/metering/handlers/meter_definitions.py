"""Reading a definition: every fault of it at once, each with a code and its place."""

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from services.metering.domain.meters.definition import ADDITIVE, MEASURING, Definition
from services.metering.domain.token_types import KNOWN_TOKEN_TYPES
from shared.errors import Fault, TallyrollError
from shared.faults import CODES, faults_of, printable

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}\Z")
_CODES = {**CODES, "value_error": "invalid_value", "literal_error": "unknown_aggregation"}


def read_definition(name: Any, raw: Any) -> Definition:
    """Return a meter's definition; raises `invalid_meter` with all faults of name and content."""
    faults: list[Fault] = []
    if not isinstance(name, str) or not _NAME.match(name):
        message = "A meter's name has 1 to 63 of a-z, 0-9, hyphen and underscore."
        faults.append(Fault("invalid_name", "name", message))
    definition = None
    try:
        definition = Definition.model_validate(raw)
    except ValidationError as error:
        faults += faults_of(error, path="definition", codes=_CODES)
    faults += _contradictions(raw if isinstance(raw, dict) else {})
    if faults or definition is None:
        message = f"The meter has {len(faults)} faults; nothing was stored."
        raise TallyrollError("invalid_meter", message, faults=faults)
    return definition


def _contradictions(raw: dict[str, Any]) -> Iterator[Fault]:
    """Find what does not go together, also where some other part cannot be read."""
    source, per_event = _object(raw, "source"), _object(raw, "per_event")
    aggregation = raw.get("aggregation")
    has_source = bool(source.get("tokens") or source.get("units"))
    if aggregation in MEASURING and not has_source:
        message = "This aggregation needs a quantity: name tokens or units."
        yield Fault("missing_source", "definition.source", message)
    for token in _object(source, "tokens"):
        if token not in KNOWN_TOKEN_TYPES:
            path = f"definition.source.tokens.{token[:128]}"
            yield Fault("unknown_token_type", printable(path), "There is no such token type.")
    if (aggregation == "unique") != (raw.get("unique_by") is not None):
        message = "`unique_by` says what is counted once; it goes with the aggregation unique only."
        yield Fault("unique_by_mismatch", "definition.unique_by", message)
    if aggregation not in ADDITIVE and raw.get("free_events"):
        message = "Free events go with the aggregations sum and count."
        yield Fault("free_events_mismatch", "definition.free_events", message)
    if aggregation == "unique" and per_event:
        message = "Distinct values have no quantity that could be changed per event."
        yield Fault("per_event_mismatch", "definition.per_event", message)
    if per_event.get("count_steps") and per_event.get("ceil_to") is None:
        message = "Steps are counted of `ceil_to`."
        yield Fault("missing_field", "definition.per_event.ceil_to", message)
    yield from _crossed_bounds(per_event)


def _crossed_bounds(per_event: dict[str, Any]) -> Iterator[Fault]:
    low, high = per_event.get("minimum"), per_event.get("maximum")
    plain = re.compile(r"\d{1,16}(\.\d{1,9})?\Z")
    if not (isinstance(low, str) and isinstance(high, str)):
        return
    if plain.match(low) and plain.match(high) and _padded(low) > _padded(high):
        message = "The maximum is below the minimum."
        yield Fault("bounds_crossed", "definition.per_event.maximum", message)


def _padded(text: str) -> int:
    whole, _, part = text.partition(".")
    return int(whole + part.ljust(9, "0"))


def _object(raw: dict[str, Any], name: str) -> dict[str, Any]:
    value = raw.get(name)
    return value if isinstance(value, dict) else {}


def content_hash(definition: Definition) -> str:
    """Return the SHA-256, in hex, of a definition: equal exactly if it measures the same.

    Lists of alternatives are compared as sets.
    """
    plain = definition.model_dump(mode="json")
    for condition in plain["filters"]:
        condition["values"] = sorted(set(condition["values"]))
    plain["filters"].sort(key=lambda condition: json.dumps(condition, sort_keys=True))
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
