"""What a line of an invoice is, told by its key."""

from datetime import date
from typing import Literal

LineKind = Literal[
    "usage", "fee", "adjustment", "progressive", "credit", "coupon", "carried", "rounding"
]

LINE_KINDS: tuple[LineKind, ...] = (
    "usage",
    "fee",
    "adjustment",
    "progressive",
    "credit",
    "coupon",
    "carried",
    "rounding",
)
"""In the order in which a statement shows them."""

ADJUSTMENT_PREFIX = "~adjustment/"
PROGRESSIVE_PREFIX = "~progressive/"
CREDIT_PREFIX = "~credits"
COUPON_PREFIX = "~coupon/"
CARRIED_PREFIX = "~carried"
ROUNDING_PREFIX = "~rounding"
_KINDS: dict[str, LineKind] = {
    ADJUSTMENT_PREFIX: "adjustment",
    PROGRESSIVE_PREFIX: "progressive",
    CREDIT_PREFIX: "credit",
    COUPON_PREFIX: "coupon",
    CARRIED_PREFIX: "carried",
    ROUNDING_PREFIX: "rounding",
}


def line_kind(line_key: str, *, has_details: bool) -> LineKind:
    """Return what a line is. A fee is what no single usage caused: seats, minimums, flat fees.

    A progressive line takes off what was invoiced of the same period before its end.
    """
    for prefix, kind in _KINDS.items():
        if line_key.startswith(prefix):
            return kind
    return "usage" if has_details else "fee"


def adjusted_from(line_key: str) -> date | None:
    """Return the first day of the period that an adjustment adjusts; None for other lines."""
    if not line_key.startswith(ADJUSTMENT_PREFIX):
        return None
    try:
        return date.fromisoformat(line_key.removeprefix(ADJUSTMENT_PREFIX).partition("/")[0])
    except ValueError:
        return None
