"""A quantity of usage with everything that a price can depend on."""

from collections.abc import Iterable
from dataclasses import astuple, dataclass, replace
from datetime import date
from fractions import Fraction
from typing import Any


@dataclass(frozen=True)
class Usage:
    """Usage of one tenant on one day; `batch` is "true" or "false"."""

    provider: str
    agent: str
    model: str
    kind: str
    context_band: str
    service_tier: str
    batch: str
    speed: str
    region: str
    purpose: str
    status: str
    usage_day: date
    quantity: Fraction


def canonical_usage(rows: Iterable[Usage]) -> list[Usage]:
    """Return rows added up by everything but their quantity, in one order.

    How the counting was split, and in which order it arrived, therefore changes nothing.
    """
    sums: dict[tuple[Any, ...], Usage] = {}
    for row in rows:
        key = astuple(row)[:-1]
        known = sums.get(key)
        sums[key] = row if known is None else replace(row, quantity=known.quantity + row.quantity)
    return [sums[key] for key in sorted(sums)]
