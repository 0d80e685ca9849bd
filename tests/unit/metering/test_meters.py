"""Meters as pure functions: per-event rules, aggregations, and the faults of definitions."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metering.domain.meters.aggregation import aggregate
from services.metering.domain.meters.definition import Definition, PerEvent
from services.metering.domain.meters.measured import Measured, Period
from services.metering.domain.meters.per_event import event_value
from services.metering.handlers.meter_definitions import content_hash, read_definition
from shared.errors import TallyrollError

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
PERIOD = Period(FIRST, FIRST + timedelta(days=10))
TOKENS = {"tokens": {"output_text": "1"}}


def _definition(**changes: Any) -> Definition:
    return Definition.model_validate({"source": TOKENS, "aggregation": "sum"} | changes)


def _at(day: float | Fraction, value: str, *, event_id: str = "e", subject: str = "") -> Measured:
    at = FIRST + timedelta(hours=int(day * 24))
    return Measured(at, event_id, Fraction(value), subject)


@pytest.mark.parametrize(
    ("quantity", "rules", "value"),
    [
        ("0", {}, "0"),
        ("7.5", {"rate": "0.029"}, "0.2175"),
        ("0", {"ceil_to": "10000", "count_steps": True, "rate": "20"}, "0"),
        ("1", {"ceil_to": "10000", "count_steps": True, "rate": "20"}, "20"),
        ("10000", {"ceil_to": "10000", "count_steps": True, "rate": "20"}, "20"),
        ("10001", {"ceil_to": "10000", "count_steps": True, "rate": "20"}, "40"),
        ("61", {"ceil_to": "60"}, "120"),
        ("100", {"rate": "0.03", "fee": "0.3"}, "3.3"),
        ("1", {"rate": "0.03", "fee": "0.3", "minimum": "0.5"}, "0.5"),
        ("1000", {"rate": "0.03", "fee": "0.3", "maximum": "25"}, "25"),
        ("0.000000001", {"rate": "0.5"}, "0.000000001"),
        ("0.000000001", {"rate": "0.4"}, "0"),
        ("1000000000000000", {"rate": "1000"}, "1000000000000000000"),
    ],
)
def test_what_an_event_is_worth(quantity: str, rules: dict[str, Any], value: str) -> None:
    """Ceil, rate, fee, bounds, in this order, exact to 9 places, halves away from zero."""
    assert Decimal(value) == event_value(Decimal(quantity), PerEvent.model_validate(rules))


@pytest.mark.parametrize(
    ("aggregation", "changes", "value"),
    [
        ("sum", {}, "10"),
        ("sum", {"free_events": 1}, "6"),
        ("sum", {"free_events": 9}, "0"),
        ("max", {}, "4"),
        ("latest", {}, "1"),
        ("unique", {"unique_by": "user"}, "2"),
    ],
)
def test_aggregations(aggregation: str, changes: dict[str, Any], value: str) -> None:
    """Only the period's events count, the start inclusive, the end exclusive."""
    events = [
        _at(5, "3", subject="a", event_id="2"),
        _at(0, "4", subject="b"),
        _at(5, "2", subject="a", event_id="1"),
        _at(9, "1"),
        _at(10, "99", subject="c"),
        _at(-1, "99", subject="d"),
    ]

    result = aggregate(events, _definition(aggregation=aggregation, **changes), PERIOD)

    assert Fraction(value) == result


def test_free_events_go_by_time_then_id() -> None:
    """The first events of the period are free; of equal times the smaller id is first."""
    events = [_at(2, "5", event_id="b"), _at(2, "3", event_id="a"), _at(1, "1", event_id="z")]

    assert 5 == aggregate(events, _definition(free_events=2), PERIOD)


def test_a_level_holds_until_the_next() -> None:
    """A level counts for its share of the period; the one before the period holds on into it."""
    events = [_at(-3, "10"), _at(2, "0"), _at(5, "6")]
    definition = _definition(aggregation="weighted_by_time")

    assert Fraction(10 * 2 + 6 * 5, 10) == aggregate(events, definition, PERIOD)
    assert Fraction(6 * 5, 10) == aggregate(events[1:], definition, PERIOD)


def test_no_events() -> None:
    """Every aggregation of nothing is 0."""
    names = ("sum", "count", "max", "unique", "latest", "weighted_by_time")

    assert {Fraction(0)} == {aggregate([], _definition(aggregation=n), PERIOD) for n in names}


MEASURED = st.lists(
    st.builds(
        lambda hour, units, event_id, subject: Measured(
            FIRST + timedelta(hours=hour), event_id, Fraction(units, 10**9), subject
        ),
        st.integers(-50, 300),
        st.integers(0, 10**12),
        st.uuids().map(str),
        st.sampled_from(["", "a", "b", "c"]),
    ),
    max_size=20,
)


@given(
    MEASURED,
    st.randoms(use_true_random=False),
    st.sampled_from(["sum", "count", "max", "unique", "latest", "weighted_by_time"]),
    st.integers(0, 5),
)
def test_the_order_of_arrival_does_not_matter(
    events: list[Measured], random: Any, aggregation: str, free: int
) -> None:
    """Any order of the same events has the same value."""
    definition = _definition(
        aggregation=aggregation, free_events=free if aggregation in ("sum", "count") else 0
    )
    shuffled = list(events)
    random.shuffle(shuffled)

    assert aggregate(events, definition, PERIOD) == aggregate(shuffled, definition, PERIOD)


def test_order_would_matter_to_a_naive_meter() -> None:
    """A meter that takes the events as they come frees others: the check above finds it."""
    events = [_at(2, "5"), _at(1, "1")]

    def naive(arrived: list[Measured]) -> Fraction:
        return sum((event.value for event in arrived[1:]), Fraction(0))

    assert naive(events) != naive(events[::-1])
    definition = _definition(free_events=1)
    assert aggregate(events, definition, PERIOD) == aggregate(events[::-1], definition, PERIOD)


def test_only_sums_and_counts_without_free_events_are_additive() -> None:
    """What travels as rows is what may be added up in any order."""
    assert _definition().is_additive
    assert _definition(aggregation="count", source={}).is_additive
    assert not _definition(free_events=1).is_additive
    assert not _definition(aggregation="max").is_additive


def test_every_fault_at_once() -> None:
    """All faults of a definition are told together, each with a code and its place."""
    wrong = {
        "source": {"tokens": {"input": "1"}, "units": {"pages": "0"}},
        "filters": [{"field": "colour", "values": []}],
        "aggregation": "unique",
        "per_event": {"minimum": "5", "maximum": "4", "count_steps": True, "rate": "1e3"},
        "free_events": 3,
        "extra": 1,
    }

    with pytest.raises(TallyrollError) as refused:
        read_definition("Bad Name", wrong)

    assert {
        ("invalid_name", "name"),
        ("unknown_token_type", "definition.source.tokens.input"),
        ("invalid_value", "definition.source.units.pages"),
        ("invalid_value", "definition.filters[0].field"),
        ("empty_list", "definition.filters[0].values"),
        ("unique_by_mismatch", "definition.unique_by"),
        ("free_events_mismatch", "definition.free_events"),
        ("per_event_mismatch", "definition.per_event"),
        ("missing_field", "definition.per_event.ceil_to"),
        ("bounds_crossed", "definition.per_event.maximum"),
        ("invalid_value", "definition.per_event.rate"),
        ("unknown_field", "definition.extra"),
    } == {(fault.code, fault.path) for fault in refused.value.faults}


@pytest.mark.parametrize(
    "raw",
    [None, [], 5, {}, {"aggregation": []}, {"aggregation": "sum", "source": {"tokens": []}}],
)
def test_nonsense_is_refused(raw: Any) -> None:
    """Whatever is no definition is a refusal, never a failure."""
    with pytest.raises(TallyrollError):
        read_definition("name", raw)


def test_the_hash_is_of_the_meaning() -> None:
    """Spelling, order of alternatives and defaults do not make another meter; a value does."""
    one = _definition(
        filters=[{"field": "agent", "values": ["b", "a"]}], per_event={"rate": "1.50"}
    )
    same = _definition(
        filters=[{"field": "agent", "values": ["a", "b", "b"]}],
        per_event={"rate": "1.5", "fee": None},
    )
    other = _definition(filters=[{"field": "agent", "values": ["a", "b"]}])

    assert content_hash(one) == content_hash(same)
    assert content_hash(one) != content_hash(other)
