"""Terms: what a tenant pays by on a day, and what was agreed with that tenant alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Target = Literal["charge", "pool", "plan"]


@dataclass(frozen=True)
class Override:
    """Values in place of those of the price book, for one tenant.

    `values` name fields of the charge, pool or plan of the key, as a price book writes them.
    """

    target: Target
    key: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Terms:
    """A plan of a price book with overrides.

    `price_version` None: the version in force at the start of each period, or on the day on which
    the plan was chosen. A named one is stayed on; unless `stays`, until a later one is in force.
    """

    price_book: str
    plan: str
    price_version: int | None = None
    overrides: tuple[Override, ...] = field(default=())
    stays: bool = True
