"""What a price book is made of. Values that exist are valid: bad ones cannot be constructed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from services.pricing.domain.charges.price import EventPrice, FeePrice, Price, QuantityPrice
from services.pricing.domain.conditions import Conditions
from services.pricing.domain.patterns import matches
from services.pricing.domain.usage import DIMENSIONS, SEAT_DIMENSIONS


@dataclass(frozen=True)
class UsageFilter:
    """Which usage a charge claims: every named dimension must hold one of its values.

    `dimensions` maps a dimension of usage ("kind", "model", …) to accepted values; one that is
    not named accepts everything. `exempt` maps dimensions to values that are not accepted. A value
    may hold `*`, for any text.
    """

    dimensions: Mapping[str, frozenset[str]]
    exempt: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.dimensions.get("kind"):
            raise ValueError("a usage filter names the kinds that it claims")
        if unknown := (self.dimensions.keys() | self.exempt.keys()) - set(DIMENSIONS):
            raise ValueError(f"usage has no dimension {min(unknown)}")

    @property
    def kinds(self) -> frozenset[str]:
        return self.dimensions["kind"]

    @property
    def known_by_user(self) -> bool:
        """Whether the filter speaks of nothing but what is known of usage by user."""
        return not (self.dimensions.keys() | self.exempt.keys()) - set(SEAT_DIMENSIONS)

    def accepts(self, values: Mapping[str, str]) -> bool:
        """Tell whether usage with these values of dimensions is claimed."""
        claimed = all(
            any_matches(accepted, values[name]) for name, accepted in self.dimensions.items()
        )
        return claimed and not any(
            any_matches(refused, values[name]) for name, refused in self.exempt.items()
        )


def any_matches(patterns: frozenset[str], value: str) -> bool:
    """Tell whether a value is one of the texts, or matches one of the patterns."""
    return value in patterns or any("*" in p and matches(p, value) for p in patterns)


@dataclass(frozen=True)
class Charge:
    """A price for the usage that a filter claims (or a fee, without one), and what is around it."""

    key: str
    name: str
    price: Price
    usage: UsageFilter | None = None
    conditions: Conditions = field(default_factory=Conditions)

    def __post_init__(self) -> None:
        if isinstance(self.price, FeePrice) is not (self.usage is None):
            raise ValueError("a charge claims usage, or is a fee")
        if self.conditions.by_quantity and not isinstance(self.price, QuantityPrice):
            raise ValueError("what is included by quantity needs one price for all of it")
        if self.usage is not None and self.conditions.by_seat and not self.usage.known_by_user:
            raise ValueError(f"usage of a seat is known by {', '.join(SEAT_DIMENSIONS)} only")
        if isinstance(self.price, EventPrice) and self.price.needs_events and not self.event_kind:
            raise ValueError("a price of single events names one kind, and nothing else")

    @property
    def beside(self) -> bool:
        """Whether the charge comes on top of others, and so claims nothing for itself."""
        return isinstance(self.price, QuantityPrice) and self.price.beside

    @cached_property
    def in_advance(self) -> bool:
        """Whether the charge is a fee that is due before the period that it is for."""
        return isinstance(self.price, FeePrice) and self.price.timing == "in_advance"

    @cached_property
    def event_kind(self) -> str | None:
        """The kind whose single events are priced; None if the filter speaks of more than that."""
        if self.usage is None or self.usage.exempt or self.usage.dimensions.keys() != {"kind"}:
            return None
        kinds = self.usage.kinds
        return next(iter(kinds)) if len(kinds) == 1 and "*" not in next(iter(kinds)) else None
