"""How large a price book may be: whether charges overlap is found by comparing them in pairs."""

from collections.abc import Iterator
from typing import Any

from shared.errors import Fault

ENTRIES_MAX = 2_000
VALUES_MAX = 20_000
PATTERNS_MAX = 1_000


def size_faults(raw_charges: list[Any]) -> Iterator[Fault]:
    """Return in what a book is larger than can be checked in a moment."""
    entries = sum(_entries_of(charge) for charge in raw_charges)
    values = [value for charge in raw_charges for value in _values_of(charge)]
    patterns = sum("*" in value for value in values)
    counts = (
        ("entries", entries, ENTRIES_MAX, "cells and conversion rates"),
        ("values", len(values), VALUES_MAX, "texts in filters, cells and rates"),
        ("patterns", patterns, PATTERNS_MAX, "texts with '*' in filters, cells and rates"),
    )
    for name, count, most, words in counts:
        if count > most:
            yield Fault(f"too_many_{name}", "charges", f"A book has at most {most} {words}.")


def _entries_of(charge: Any) -> int:
    if not isinstance(charge, dict):
        return 0
    conversion = charge.get("conversion")
    rates = conversion.get("rates") if isinstance(conversion, dict) else None
    lists = (charge.get("cells"), rates)
    return sum(len(entries) for entries in lists if isinstance(entries, list))


def _values_of(raw: Any, *, in_list: bool = False) -> Iterator[str]:
    """Return the texts in lists, however deep; names and numbers stand in none."""
    if isinstance(raw, dict):
        for value in raw.values():
            yield from _values_of(value)
    elif isinstance(raw, list):
        for value in raw:
            yield from _values_of(value, in_list=True)
    elif in_list and isinstance(raw, str):
        yield raw
