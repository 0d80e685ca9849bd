"""Patterns with `*`."""

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.pricing.domain.patterns import (
    Entry,
    PatternTable,
    covers,
    doubled,
    matches,
    patterns_meet,
    specificity,
)

TEXTS = st.text("ab.", max_size=5)
PATTERNS = st.text("ab.*", max_size=5)


@given(PATTERNS, TEXTS)
def test_a_star_is_any_text(pattern: str, text: str) -> None:
    """Matching agrees with the standard library's, and a point is a point."""
    assert fnmatchcase(text, pattern) is matches(pattern, text)


@given(PATTERNS, PATTERNS, TEXTS)
def test_patterns_meet_where_a_text_matches_both(one: str, other: str, text: str) -> None:
    """A common text is never denied, and meeting is the same both ways."""
    assert patterns_meet(one, other) is patterns_meet(other, one)
    if matches(one, text) and matches(other, text):
        assert patterns_meet(one, other)


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        ("gpt-*", "*-mini", True),
        ("gpt-*", "claude-*", False),
        ("a*b", "a*c", False),
        ("a*", "*", True),
        ("", "*", True),
        ("", "a*", False),
    ],
)
def test_meeting_needs_no_example(one: str, other: str, meet: bool) -> None:
    """Whether some text could match both is decided by the patterns alone."""
    assert meet is patterns_meet(one, other)


@given(PATTERNS, PATTERNS, TEXTS)
def test_what_is_covered_matches_the_cover(pattern: str, other: str, text: str) -> None:
    """If one covers the other, whatever matches the other matches it."""
    if covers(pattern, other) and matches(other, text):
        assert matches(pattern, text)


@given(st.permutations(["*", "g*", "gpt-*", "gpt-5", "*-5", "g*-5"]))
def test_the_winner_does_not_depend_on_the_order(patterns: list[str]) -> None:
    """The rule is total: one entry wins, whatever the order they are written in."""
    table = PatternTable(tuple(Entry(((pattern,),), pattern) for pattern in patterns))

    assert ("gpt-5", "gpt-*", "*-5") == tuple(map(table.find, [("gpt-5",), ("gpt-6",), ("x-5",)]))


def test_specificity_tells_different_patterns_apart() -> None:
    """No two patterns are equally specific."""
    patterns = ["*", "a*", "*a", "a", "b", "*a*"]

    assert len(patterns) == len({specificity(pattern) for pattern in patterns})


def test_equal_combinations_are_found_also_in_lists() -> None:
    """Two entries that share one combination of patterns are named with their places."""
    assert [(0, 2)] == doubled([(("a", "b"), ("x",)), (("a",), ("y",)), (("b",), ("z", "x"))])


def test_by_length_alone_a_text_would_lose() -> None:
    """A long pattern names more characters than a short text, and is still less specific."""
    assert specificity("gpt-5") < specificity("gpt-5*") < specificity("gpt-*")
    assert specificity("gpt-5") < specificity("*gpt-5")
