"""Reading a price book: every fault of it at once, each with a code and its place."""

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.pricing.domain.charge import Charge as DomainCharge
from services.pricing.domain.claims import overlapping
from services.pricing.domain.tiers import tier_faults
from services.pricing.schemas.charge_faults import charge_faults
from services.pricing.schemas.conditions import UsageConditions
from services.pricing.schemas.price_book import (
    BOOK_POOLS_MAX,
    CHARGE_MODELS,
    CHARGES_MAX,
    FEES,
    PLANS_MAX,
    Charge,
    Plan,
    Pool,
    PriceBookContent,
)
from services.pricing.schemas.size import size_faults
from services.pricing.schemas.thresholds import threshold_faults
from shared.currencies import CURRENCIES
from shared.errors import Fault, TallyrollError
from shared.faults import faults_of
from shared.money import exact

Model = TypeVar("Model", bound=BaseModel)


class _Frame(BaseModel):
    model_config = ConfigDict(extra="forbid")

    currency: str
    strict: Annotated[bool, Field(strict=True)] = False
    pools: list[Any] = Field(default_factory=list, max_length=BOOK_POOLS_MAX)
    charges: list[Any] = Field(max_length=CHARGES_MAX)
    plans: list[Any] = Field(min_length=1, max_length=PLANS_MAX)


def read_price_book(content: Any) -> PriceBookContent:
    """Return the content of a version; raises `invalid_price_book` with all faults at once."""
    faults: list[Fault] = []
    _read(_Frame, content, "", faults)
    # What is beyond the largest number is told as one fault, not one by one.
    raw_pools = _list(content, "pools")[:BOOK_POOLS_MAX]
    raw_charges = _list(content, "charges")[:CHARGES_MAX]
    raw_plans = _list(content, "plans")[:PLANS_MAX]
    faults += _currency_faults(content)
    pools = _read_pools(raw_pools, faults)
    sound = _read_charges(raw_charges, pools, faults)
    plans = [_read(Plan, raw, f"plans[{i}]", faults) for i, raw in enumerate(raw_plans)]
    for raw, name in ((raw_pools, "pools"), (raw_charges, "charges"), (raw_plans, "plans")):
        faults += _duplicate_keys(raw, name)
    faults += _unknown_keys(raw_charges, "charges", "pools", _keys(raw_pools))
    faults += _unknown_keys(raw_plans, "plans", "charges", _keys(raw_charges))
    faults += _named_twice(raw_plans)
    oversized = list(size_faults(raw_charges))
    faults += oversized
    overlap = _Overlap({} if oversized else sound)
    for index, plan in enumerate(plans):
        if plan is not None:
            faults += _overlaps(plan, f"plans[{index}]", overlap)
            faults += _shared_seat_pools(plan, f"plans[{index}]", sound)
            faults += threshold_faults(plan, f"plans[{index}]")
            faults += _plan_bounds(plan, f"plans[{index}]")
    if faults:
        message = f"The price book has {len(faults)} faults; none of it was stored."
        raise TallyrollError("invalid_price_book", message, faults=faults)
    return PriceBookContent.model_validate(content)


def _read_pools(raw_pools: list[Any], faults: list[Fault]) -> dict[str, Pool]:
    pools = {}
    for index, raw in enumerate(raw_pools):
        path = f"pools[{index}]"
        pool = _read(Pool, raw, path, faults)
        if pool is None:
            continue
        if pool.scope == "per_seat" and (pool.measure == "amount" or pool.included != "0"):
            message = "A pool of each seat is a quantity, `included_per_seat`."
            faults.append(Fault("pool_of_each_seat", f"{path}.scope", message))
        else:
            pools[pool.key] = pool
    return pools


def _read_charges(
    raw_charges: list[Any], pools: Mapping[str, Pool], faults: list[Fault]
) -> dict[str, DomainCharge]:
    """Return the charges without a fault as values of the domain, by key."""
    held = {key: pool.to_domain() for key, pool in pools.items()}
    sound = {}
    for index, raw in enumerate(raw_charges):
        path, before = f"charges[{index}]", len(faults)
        charge = _read_charge(raw, path, faults)
        if charge is not None:
            faults += charge_faults(charge, path, pools)
            named = charge.pools if isinstance(charge, UsageConditions) else []
            if len(faults) == before and held.keys() >= set(named):
                sound[charge.key] = charge.to_domain(held)
    return sound


def _read(model: type[Model], raw: Any, path: str, faults: list[Fault]) -> Model | None:
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        faults += faults_of(error, path=path)
        return None


def _read_charge(raw: Any, path: str, faults: list[Fault]) -> Charge | None:
    name = _get(raw, "model")
    model = CHARGE_MODELS.get(name) if isinstance(name, str) else None
    if model is None:
        message = f"A charge is one of {', '.join(CHARGE_MODELS)}."
        faults.append(Fault("unknown_charge_model", f"{path}.model", message))
        return None
    faults += _bound_faults(_list(raw, "tiers"), f"{path}.tiers")
    if "timing" in raw and not issubclass(model, FEES):
        message = "Usage is charged in arrears; a timing is for flat and per_seat only."
        faults.append(Fault("timing_of_usage", f"{path}.timing", message))
        raw = {name: value for name, value in raw.items() if name != "timing"}
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


def _keys(raw: list[Any]) -> set[str]:
    return {key for item in raw if isinstance(key := _get(item, "key"), str)}


def _unknown_keys(raw: list[Any], path: str, field: str, known: set[str]) -> Iterator[Fault]:
    """Check that what is named in a list of keys is there."""
    noun = field.removesuffix("s")
    for index, item in enumerate(raw):
        for place, key in enumerate(_list(item, field)):
            if isinstance(key, str) and key not in known:
                here = f"{path}[{index}].{field}[{place}]"
                yield Fault(f"unknown_{noun}", here, f"The book has no {noun} of this key.")


def _named_twice(raw_plans: list[Any]) -> Iterator[Fault]:
    for index, plan in enumerate(raw_plans):
        named = set()
        for place, key in enumerate(_list(plan, "charges")):
            if not isinstance(key, str):
                continue
            if key in named:
                path = f"plans[{index}].charges[{place}]"
                yield Fault("duplicate_key", path, "The plan names this charge before.")
            named.add(key)


def _plan_bounds(plan: Plan, path: str) -> Iterator[Fault]:
    low, high = plan.minimum_amount, plan.maximum_amount
    if low is not None and high is not None and exact(low) > exact(high):
        message = "A minimum is at most the maximum."
        yield Fault("minimum_above_maximum", f"{path}.minimum_amount", message)


class _Overlap:
    """Which charges claim the same usage; each pair is looked at once, in however many plans."""

    def __init__(self, charges: Mapping[str, DomainCharge]) -> None:
        self.charges = charges
        self._known: dict[tuple[str, str], bool] = {}

    def of(self, one: str, other: str) -> bool:
        """Tell whether two charges, by their keys, overlap."""
        pair = (min(one, other), max(one, other))
        if pair not in self._known:
            self._known[pair] = overlapping(self.charges[one], self.charges[other])
        return self._known[pair]


def _overlaps(plan: Plan, path: str, overlap: _Overlap) -> Iterator[Fault]:
    """Two charges of one plan never claim the same usage: it would be billed twice."""
    named = [(place, key) for place, key in enumerate(plan.charges) if key in overlap.charges]
    for (_, one), (place, other) in combinations(named, 2):
        if one != other and overlap.of(one, other):
            message = f"{one!r} and {other!r} claim the same usage."
            yield Fault("overlapping_claims", f"{path}.charges[{place}]", message)


def _shared_seat_pools(
    plan: Plan, path: str, charges: Mapping[str, DomainCharge]
) -> Iterator[Fault]:
    """What a seat has left is known for one charge only."""
    held: dict[str, str] = {}
    for place, key in enumerate(plan.charges):
        pools = charges[key].conditions.pools if key in charges else ()
        for pool in pools:
            if pool.scope == "per_seat" and held.setdefault(pool.key, key) != key:
                message = f"{held[pool.key]!r} burns the seats' pool {pool.key!r} already."
                yield Fault("per_seat_pool_shared", f"{path}.charges[{place}]", message)


def _get(raw: Any, name: str) -> Any:
    return raw.get(name) if isinstance(raw, dict) else None


def _list(raw: Any, name: str) -> list[Any]:
    value = _get(raw, name)
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("a number is a decimal string")  # noqa: TRY004 - one kind for bad numbers
    return value
