"""Patterns with `*`, and the rule which of several that match is the one that counts.

**Most specific wins.** Patterns are compared dimension by dimension, in the order in which the
table names its dimensions (the model comes first). Within a dimension an exact text is more
specific than one with a `*`, and of two with a `*` the one with more other characters; if they
have as many, the one that comes first in code point order. So the rule is total: of the entries
that match, exactly one wins, whatever the order in which they were written.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product
from math import prod
from typing import Generic, TypeVar

ANY = "*"
FOUND_MAX = 10_000
"""Look-ups that a table keeps."""

Specificity = tuple[bool, int, str]


@lru_cache(maxsize=FOUND_MAX)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in pattern.split("*")), re.DOTALL)


def matches(pattern: str, value: str) -> bool:
    """Tell whether a value matches; `*` is any text, also none."""
    if "*" not in pattern:
        return pattern == value
    return pattern == ANY or _compiled(pattern).fullmatch(value) is not None


def specificity(pattern: str) -> Specificity:
    """Return a key by which patterns are sorted, the most specific first."""
    return ("*" in pattern, -len(pattern.replace("*", "")), pattern)


def patterns_meet(one: str, other: str) -> bool:
    """Tell whether some text matches both."""
    if "*" not in one or "*" not in other:
        return matches(one, other) if "*" in one else matches(other, one)
    # What stands before the first `*` of each, and behind the last, mostly decides.
    start, rest = one.split("*", 1)
    other_start, other_rest = other.split("*", 1)
    end, other_end = rest.rpartition("*")[2], other_rest.rpartition("*")[2]
    if not (start.startswith(other_start) or other_start.startswith(start)):
        return False
    if not (end.endswith(other_end) or other_end.endswith(end)):
        return False
    return _rests_meet(one, other)


@lru_cache(maxsize=FOUND_MAX)
def _rests_meet(one: str, other: str) -> bool:
    if not one or not other:
        return not (one or other).strip("*")
    if one[0] == "*":
        return _rests_meet(one[1:], other) or _rests_meet(one, other[1:])
    if other[0] == "*":
        return _rests_meet(other, one)
    return one[0] == other[0] and _rests_meet(one[1:], other[1:])


def covers(pattern: str, other: str) -> bool:
    """Tell whether whatever matches `other` matches `pattern` too (read `*` as a text)."""
    return matches(pattern, other)


Value = TypeVar("Value")


@dataclass(frozen=True)
class Entry(Generic[Value]):
    """A value for every combination of the patterns of each dimension."""

    patterns: tuple[tuple[str, ...], ...]
    value: Value


@dataclass(frozen=True)
class PatternTable(Generic[Value]):
    """Values by patterns in some dimensions, in the order in which they are compared."""

    entries: tuple[Entry[Value], ...]

    def __post_init__(self) -> None:
        if twice := doubled([entry.patterns for entry in self.entries]):
            raise ValueError(f"entries {twice[0][0]} and {twice[0][1]} hold the same patterns")

    def find(self, key: tuple[str, ...]) -> Value | None:
        """Return the value of the most specific entry that matches; None if none does."""
        return self._find(key)

    @cached_property
    def _find(self) -> Callable[[tuple[str, ...]], Value | None]:
        return lru_cache(maxsize=FOUND_MAX)(self._search)

    @cached_property
    def _sorted(self) -> list[tuple[tuple[str, ...], Value]]:
        flat = [(row, e.value) for e in self.entries for row in product(*e.patterns)]
        return sorted(flat, key=lambda item: [specificity(pattern) for pattern in item[0]])

    def _search(self, key: tuple[str, ...]) -> Value | None:
        for row, value in self._sorted:
            if all(map(matches, row, key)):
                return value
        return None


def combinations_of(entries: Sequence[tuple[tuple[str, ...], ...]]) -> int:
    """Return how many combinations of patterns all entries together hold."""
    return sum(prod(map(len, patterns)) for patterns in entries)


def doubled(entries: Sequence[tuple[tuple[str, ...], ...]]) -> list[tuple[int, int]]:
    """Return pairs of places (earlier, later) of entries that share a combination of patterns."""
    seen: dict[tuple[str, ...], int] = {}
    pairs = []
    for place, patterns in enumerate(entries):
        for row in product(*patterns):
            first = seen.setdefault(row, place)
            if first != place:
                pairs.append((first, place))
    return sorted(set(pairs))
