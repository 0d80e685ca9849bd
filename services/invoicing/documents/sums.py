"""Sums for the pages of a statement: everything that is shown adds up to the invoice."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Generic, TypeVar

from services.invoicing.models import InvoiceLineDetail

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Sum(Generic[Key]):
    """What details of one key come to; `key` None: of all keys that are not shown themselves."""

    key: Key | None
    quantity: Decimal
    amount_minor: int
    keys: int = 1


def sum_by(
    details: Iterable[InvoiceLineDetail], key_of: Callable[[InvoiceLineDetail], Key]
) -> list[Sum[Key]]:
    """Return quantity and amount of each key, in the order in which the keys come first."""
    quantities: dict[Key, Decimal] = defaultdict(Decimal)
    amounts: dict[Key, int] = defaultdict(int)
    for detail in details:
        key = key_of(detail)
        quantities[key] += Decimal(detail.quantity)
        amounts[key] += detail.amount_minor
    return [Sum(key, quantity, amounts[key]) for key, quantity in quantities.items()]


def largest(sums: Sequence[Sum[Key]], shown: int) -> list[Sum[Key]]:
    """Return at most `shown` sums, the largest amounts first; the rest stands together at the end.

    Their total is that of all. Ties go to the earlier one.
    """
    ordered = sorted(sums, key=lambda one: -abs(one.amount_minor))
    if len(ordered) <= shown:
        return ordered
    rest = ordered[shown - 1 :]
    together: Sum[Key] = Sum(
        None,
        sum((one.quantity for one in rest), Decimal(0)),
        sum(one.amount_minor for one in rest),
        len(rest),
    )
    return [*ordered[: shown - 1], together]
