"""Overrides: fields of a price book's charges, pools and plans, for one tenant."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import Field

from services.pricing.domain.plan import Plan
from services.pricing.domain.subscription import terms as domain
from services.pricing.schemas.content import Content
from services.pricing.schemas.price_book import PriceBookContent
from services.pricing.schemas.validation import read_price_book
from shared.errors import Fault, TallyrollError
from shared.ids import Slug

FIELDS_MAX = 20
FIXED = {
    "charge": {"key", "model", "usage", "timing"},
    "pool": {"key", "measure", "scope"},
    "plan": {"key", "charges"},
}
"""What an override leaves alone: what something is, which usage it claims, when it is due."""

UNKNOWN = {f"unknown_{target}" for target in FIXED}
"""What is wrong with an override of something that a version does not have."""

PLACE = re.compile(r"^(charges|pools|plans)\[(\d+)\](?:\.(.*))?$")


class Override(Content):
    """Values in place of those of the price book, written as the book writes them."""

    target: domain.Target
    key: Slug
    set: dict[str, Any] = Field(min_length=1, max_length=FIELDS_MAX)

    def to_domain(self) -> domain.Override:
        return domain.Override(self.target, self.key, self.set)


def overrides_of(content: Any) -> tuple[domain.Override, ...]:
    """Return stored overrides as values of the domain."""
    return tuple(Override.model_validate(raw).to_domain() for raw in content)


def content_of(overrides: Sequence[domain.Override]) -> list[dict[str, Any]]:
    """Return overrides as they are stored and hashed."""
    return [{"target": o.target, "key": o.key, "set": dict(o.values)} for o in overrides]


def apply_overrides(
    content: PriceBookContent, overrides: Sequence[domain.Override]
) -> PriceBookContent:
    """Return a book's content with the overrides in it; one for what it does not have is left out.

    Raises pydantic's ValidationError where a value does not fit.
    """
    return PriceBookContent.model_validate(_patched(content, overrides))


def overridden_plan(
    content: PriceBookContent, overrides: Sequence[domain.Override], key: str
) -> Plan | None:
    """Return a plan with the overrides in it; None if the book lacks it, or they do not fit it.

    They were checked against the version of their day. A later one may have another model at the
    charge, lack the pool that they name, or a bound that contradicts theirs.
    """
    try:
        return apply_overrides(content, overrides).plan(key)
    except (ValueError, KeyError):
        return None


def refuse_faults(faults: Sequence[Fault]) -> None:
    """Raise `invalid_overrides` if there are any."""
    if faults:
        message = f"The overrides have {len(faults)} faults; nothing was changed."
        raise TallyrollError("invalid_overrides", message, faults=list(faults))


def override_faults(
    content: PriceBookContent, overrides: Sequence[domain.Override], *, path: str = "overrides"
) -> list[Fault]:
    """Return everything that is wrong with overrides of a version, each with its place."""
    faults = list(_own_faults(content, overrides, path))
    if all(fault.code in UNKNOWN for fault in faults):
        try:
            read_price_book(_patched(content, overrides))
        except TallyrollError as error:
            faults += [place_fault(fault, content, overrides, path=path) for fault in error.faults]
    return faults


def words_of(
    content: PriceBookContent, overrides: Sequence[domain.Override]
) -> Mapping[str, tuple[str, ...]]:
    """Return what is overridden in words, by the key of each charge that it is about."""
    told: dict[str, list[str]] = {}
    for override in overrides:
        known = _find(content.model_dump(mode="json"), override)
        if known is None:
            continue
        texts = [_sentence(override, known, name) for name in sorted(override.values)]
        for key in _charges_of(content, override):
            told.setdefault(key, []).extend(texts)
    return {key: tuple(texts) for key, texts in told.items()}


def _sentence(override: domain.Override, known: Mapping[str, Any], name: str) -> str:
    place = "" if override.target == "charge" else f"{override.target} {override.key!r}: "
    new, old = override.values[name], known.get(name)
    if isinstance(new, str) and isinstance(old, str | None):
        return f"agreed with this tenant: {place}{name} {new} instead of {old or 'none'}"
    return f"agreed with this tenant: {place}{name}"


def _charges_of(content: PriceBookContent, override: domain.Override) -> list[str]:
    if override.target == "charge":
        return [override.key]
    if override.target == "pool":
        charges = content.charges
        return [c.key for c in charges if override.key in getattr(c, "pools", ())]
    return []


def _patched(content: PriceBookContent, overrides: Sequence[domain.Override]) -> dict[str, Any]:
    patched = content.model_dump(mode="json")
    for override in overrides:
        known = _find(patched, override)
        if known is not None:
            known.update(override.values)
    return patched


def _find(content: Mapping[str, Any], override: domain.Override) -> dict[str, Any] | None:
    items: list[dict[str, Any]] = content.get(f"{override.target}s", [])
    return next((item for item in items if item["key"] == override.key), None)


def _own_faults(
    content: PriceBookContent, overrides: Sequence[domain.Override], path: str
) -> Iterator[Fault]:
    dumped = content.model_dump(mode="json")
    seen = set()
    for index, override in enumerate(overrides):
        place = f"{path}[{index}]"
        if _find(dumped, override) is None:
            message = f"The book has no {override.target} of this key."
            yield Fault(f"unknown_{override.target}", f"{place}.key", message)
        if (override.target, override.key) in seen:
            yield Fault("duplicate_key", f"{place}.key", "This key is overridden before.")
        seen.add((override.target, override.key))
        for name in sorted(FIXED[override.target] & override.values.keys()):
            message = "An override changes what is paid, not what for, nor when."
            yield Fault("field_not_overridable", f"{place}.set.{name}", message)


def place_fault(
    fault: Fault, content: PriceBookContent, overrides: Sequence[domain.Override], *, path: str
) -> Fault:
    """Return a fault of the patched book with its place in the overrides."""
    found = PLACE.match(fault.path)
    if found is not None:
        name, place, rest = found[1], int(found[2]), found[3]
        key = content.model_dump(mode="json")[name][place]["key"]
        for index, override in enumerate(overrides):
            if (f"{override.target}s", override.key) == (name, key):
                is_set = rest and re.split(r"[.\[]", rest)[0] in override.values
                suffix = f".{rest}" if is_set else ""
                return Fault(fault.code, f"{path}[{index}].set{suffix}", fault.message)
    return fault
