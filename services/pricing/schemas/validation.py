"""Reading a price book: every fault of it at once, each with a code and its place."""

from collections.abc import Iterator
from itertools import combinations
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.pricing.domain.claims import intersects
from services.pricing.domain.tiers import tier_faults
from services.pricing.schemas.price_book import (
    CHARGE_MODELS,
    CHARGES_MAX,
    PLANS_MAX,
    Charge,
    FlatCharge,
    PerSeatCharge,
    Plan,
    PriceBookContent,
)
from shared.currencies import CURRENCIES
from shared.errors import Fault, TallyrollError
from shared.money import exact

CODES = {
    "missing": "missing_field",
    "model_type": "not_an_object",
    "list_type": "not_a_list",
    "extra_forbidden": "unknown_field",
    "string_pattern_mismatch": "invalid_text",
    "string_type": "invalid_text",
    "string_unicode": "invalid_text",
    "too_short": "empty_list",
    "too_long": "list_too_long",
}
"""Pydantic's names for a fault → ours; what is not here keeps its name."""

Model = TypeVar("Model", bound=BaseModel)


class _Frame(BaseModel):
    model_config = ConfigDict(extra="forbid")

    currency: str
    charges: list[Any] = Field(max_length=CHARGES_MAX)
    plans: list[Any] = Field(min_length=1, max_length=PLANS_MAX)


def read_price_book(content: Any) -> PriceBookContent:
    """Return the content of a version; raises `invalid_price_book` with all faults at once."""
    faults: list[Fault] = []
    _read(_Frame, content, "", faults)
    raw_charges, raw_plans = _list(content, "charges"), _list(content, "plans")
    faults += _currency_faults(content)
    charges = {
        index: charge
        for index, raw in enumerate(raw_charges)
        if (charge := _read_charge(raw, f"charges[{index}]", faults))
    }
    plans = [_read(Plan, raw, f"plans[{i}]", faults) for i, raw in enumerate(raw_plans)]
    faults += _duplicate_keys(raw_charges, "charges")
    faults += _duplicate_keys(raw_plans, "plans")
    known = {key for raw in raw_charges if isinstance(key := _get(raw, "key"), str)}
    faults += _plan_faults(raw_plans, known)
    by_key = {charge.key: charge for charge in charges.values()}
    for index, plan in enumerate(plans):
        if plan is not None:
            faults += _overlaps(plan, f"plans[{index}]", by_key)
    if faults:
        message = f"The price book has {len(faults)} faults; none of it was stored."
        raise TallyrollError("invalid_price_book", message, faults=faults)
    return PriceBookContent.model_validate(content)


def _read(model: type[Model], raw: Any, path: str, faults: list[Fault]) -> Model | None:
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_context=False, include_input=False):
            place = _place(path, fault["loc"])
            faults.append(Fault(CODES.get(fault["type"], fault["type"]), place, fault["msg"]))
        return None


def _read_charge(raw: Any, path: str, faults: list[Fault]) -> Charge | None:
    name = _get(raw, "model")
    model = CHARGE_MODELS.get(name) if isinstance(name, str) else None
    if model is None:
        message = f"A charge is one of {', '.join(CHARGE_MODELS)}."
        faults.append(Fault("unknown_charge_model", f"{path}.model", message))
        return None
    faults += _bound_faults(_list(raw, "tiers"), f"{path}.tiers")
    return _read(model, raw, path, faults)


def _bound_faults(raw_tiers: list[Any], path: str) -> Iterator[Fault]:
    """Check the bounds that can be read, also where something else in their tier is wrong."""
    places, bounds = [], []
    for index, tier in enumerate(raw_tiers):
        if not isinstance(tier, dict) or "up_to" not in tier:
            continue
        try:
            bounds.append(None if tier["up_to"] is None else exact(_text(tier["up_to"])))
        except ValueError:
            continue
        places.append(index)
    for fault in tier_faults(bounds):
        yield Fault(fault.code, f"{path}[{places[fault.index]}].up_to", fault.message)


def _currency_faults(content: Any) -> Iterator[Fault]:
    currency = _get(content, "currency")
    if isinstance(currency, str) and currency not in CURRENCIES:
        yield Fault("unknown_currency", "currency", "This is no currency that can be billed.")


def _duplicate_keys(raw: list[Any], path: str) -> Iterator[Fault]:
    seen = set()
    for index, item in enumerate(raw):
        key = _get(item, "key")
        if isinstance(key, str):
            if key in seen:
                yield Fault("duplicate_key", f"{path}[{index}].key", "This key is used before.")
            seen.add(key)


def _plan_faults(raw_plans: list[Any], known: set[str]) -> Iterator[Fault]:
    for index, plan in enumerate(raw_plans):
        named = set()
        for place, key in enumerate(_list(plan, "charges")):
            path = f"plans[{index}].charges[{place}]"
            if not isinstance(key, str):
                continue
            if key not in known:
                yield Fault("unknown_charge", path, "The book has no charge of this key.")
            if key in named:
                yield Fault("duplicate_key", path, "The plan names this charge before.")
            named.add(key)


def _overlaps(plan: Plan, path: str, by_key: dict[str, Charge]) -> Iterator[Fault]:
    """Two charges of one plan never claim the same usage: it would be billed twice."""
    filters = []
    for place, key in enumerate(plan.charges):
        charge = by_key.get(key)
        if charge is not None and not isinstance(charge, FlatCharge | PerSeatCharge):
            filters.append((place, key, charge.usage.to_domain()))
    for (_, one, left), (place, other, right) in combinations(filters, 2):
        if one != other and intersects(left, right):
            message = f"{one!r} and {other!r} claim the same usage."
            yield Fault("overlapping_claims", f"{path}.charges[{place}]", message)


def _get(raw: Any, name: str) -> Any:
    return raw.get(name) if isinstance(raw, dict) else None


def _list(raw: Any, name: str) -> list[Any]:
    value = _get(raw, name)
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("a number is a decimal string")  # noqa: TRY004 - one kind for bad numbers
    return value


def _place(path: str, location: tuple[int | str, ...]) -> str:
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    # A field's name may be any text; what is no valid Unicode could not be answered.
    return path.encode("utf-8", "backslashreplace").decode()
