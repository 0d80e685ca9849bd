"""The store adds up what the files hold: exactly, and only what is asked for."""

import csv
from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from pathlib import Path

import pytest

from services.pricing.domain.simulation.reach import EVERYTHING, Reach
from services.pricing.domain.usage import DIMENSIONS
from services.pricing.simulation.usage_store import (
    PEOPLE_COLUMNS,
    USAGE_COLUMNS,
    Span,
    UsageStore,
    create_store,
)
from shared.errors import TallyrollError
from tests.support.pricing_values import NOVEMBER, usage

FIRST, SECOND = date(2023, 11, 2), date(2023, 11, 20)
MONTH = Span(7, "acme", NOVEMBER.start, NOVEMBER.end)
Rows = Sequence[tuple[str, date, str, str]]


def store_of(folder: Path, rows: Rows, people: Rows = ()) -> UsageStore:
    """Return a store of (tenant, day, agent, quantity); of people, the agent is the user."""
    used, by_user = folder / "usage.csv", folder / "people.csv"
    with used.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(USAGE_COLUMNS)
        for tenant, day, agent, quantity in rows:
            row = usage("output_text", 0, agent=agent)
            writer.writerow([tenant, *row.dimensions, day, quantity])
    with by_user.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(PEOPLE_COLUMNS)
        for tenant, day, user, quantity in people:
            writer.writerow([tenant, user, "m", "output_text", day, quantity])
    create_store(folder / "store", used, by_user)
    return UsageStore.open(folder / "store")


ROWS: Rows = [
    ("acme", FIRST, "a", "10.5"),
    ("acme", FIRST, "b", "0.000000000001"),
    ("acme", SECOND, "a", "-3"),
    ("acme", date(2023, 12, 1), "a", "99"),
    ("globex", FIRST, 'quoted "a", b', "1"),
]


def test_what_does_not_matter_is_added_up(tmp_path: Path) -> None:
    """Agents and days of a month become one row, which stands on the first day; nothing is lost."""
    store = store_of(tmp_path, ROWS)

    (row,) = store.rows([MONTH], Reach())[7]

    assert (NOVEMBER.start, "", "claude-sonnet-4-6") == (row.usage_day, row.agent, row.model)
    assert Fraction("7.500000000001") == row.quantity


def test_what_matters_is_told_apart(tmp_path: Path) -> None:
    """By day and by everything, rows are those of the file; other tenants' stay out."""
    store = store_of(tmp_path, ROWS)

    found = store.rows([MONTH], Reach(EVERYTHING, by_day=True))[7]

    assert [("a", FIRST), ("a", SECOND), ("b", FIRST)] == sorted(
        (row.agent, row.usage_day) for row in found
    )
    assert ["acme", "globex"] == store.tenants()


def test_text_of_any_kind_comes_through(tmp_path: Path) -> None:
    """Quotes and commas in a name are part of it."""
    store = store_of(tmp_path, ROWS)
    span = Span(1, "globex", NOVEMBER.start, NOVEMBER.end)

    (row,) = store.rows([span], Reach(frozenset(DIMENSIONS)))[1]

    assert 'quoted "a", b' == row.agent


def test_spans_cut_a_period(tmp_path: Path) -> None:
    """A key may have several spans: each has its own row, on its first day."""
    store = store_of(tmp_path, ROWS)
    reach = Reach(cuts=frozenset({SECOND}))
    spans = [Span(7, "acme", *days) for days in reach.spans(NOVEMBER.start, NOVEMBER.end)]

    found = store.rows(spans, reach)[7]

    assert {(NOVEMBER.start, Fraction("10.500000000001")), (SECOND, Fraction(-3))} == {
        (row.usage_day, row.quantity) for row in found
    }


def test_people_are_added_up(tmp_path: Path) -> None:
    """Who used what in a span, by model and kind; the empty user, too."""
    people: Rows = [
        ("acme", FIRST, "ann", "2"),
        ("acme", SECOND, "ann", "3"),
        ("acme", FIRST, "", "1"),
    ]
    store = store_of(tmp_path, [], people)

    expected = {("ann", "m", "output_text"): 5, ("", "m", "output_text"): 1}
    assert expected == store.people([MONTH])[7]


def test_users_are_counted_by_span(tmp_path: Path) -> None:
    """Each once, whatever it used; nobody in particular is none, nor who gave all of it back."""
    people: Rows = [
        ("acme", FIRST, "ann", "2"),
        ("acme", SECOND, "ann", "3"),
        ("acme", SECOND, "bob", "1"),
        ("acme", FIRST, "", "1"),
        ("acme", FIRST, "cy", "4"),
        ("acme", SECOND, "cy", "-4"),
    ]
    store = store_of(tmp_path, [], people)
    first = Span(8, "acme", NOVEMBER.start, SECOND)

    assert {7: 2, 8: 2} == store.users([MONTH, first, Span(9, "other", *MONTH[2:])])


def test_what_cannot_be_added_exactly_is_refused(tmp_path: Path) -> None:
    """Forty digits at a scale of ten places do not fit: an error, never another number."""
    rows: Rows = [("acme", FIRST, "a", "9" * 38), ("acme", FIRST, "a", "0.0000000001")]

    with pytest.raises(TallyrollError, match="quantities_too_wide"):
        store_of(tmp_path, rows)
