"""Every way in which one event can be wrong has its code and its field."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from services.metering.domain.judge import Rules, judge

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
RULES = Rules(
    NOW, bound_tenant=None, known_tenants=frozenset({"acme"}), backfill=False, corrections=True
)
GOOD: dict[str, Any] = {
    "event_id": "e-1",
    "tenant": "acme",
    "agent": "coder",
    "model": "gpt-5",
    "provider": "openai",
    "occurred_at": "2026-01-31T11:59:59Z",
    "tokens": {"input_uncached": 5},
}


def _text(**changes: Any) -> bytes:
    return json.dumps({k: v for k, v in (GOOD | changes).items() if v is not ...}).encode()


def _raw(place: str, value: bytes) -> bytes:
    """Return the good event with JSON text of our choice in one place."""
    return _text(**{place: "@@"}).replace(b'"@@"', value)


def _refusal(text: bytes, rules: Rules = RULES) -> tuple[str, str]:
    fault = judge(text, rules).fault
    assert fault is not None
    assert fault.message
    return fault.code, fault.field


def test_a_good_event_passes() -> None:
    """What keeps the rules is normalised and not refused."""
    verdict = judge(_text(), RULES)

    assert (None, "e-1") == (verdict.fault, verdict.event and verdict.event.event_id)


def test_names_of_meters_are_reserved() -> None:
    """A unit cannot pass for the value of a meter."""
    refusal = _refusal(_text(units={"meter:actions@1": "5"}))

    assert ("reserved_unit_name", "units.meter:actions@1") == refusal


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (b"-1", "invalid_count"),
        (b"1.0", "invalid_count"),
        (b"1e3", "invalid_count"),
        (b'"5"', "invalid_count"),
        (b"true", "invalid_count"),
        (b"null", "invalid_count"),
        (b"1000000000000001", "invalid_count"),
        (b"9" * 5000, "invalid_count"),
        (b"[" * 200 + b"]" * 200, "invalid_count"),
    ],
)
def test_a_count_is_a_bounded_integer(value: bytes, code: str) -> None:
    """A count is an integer from 0 to 10^15; 5,000 digits are only this event's fault."""
    text = _raw("tokens", b'{"output_text": 1, "input_uncached": %b}' % value)

    assert (code, "tokens.input_uncached") == _refusal(text)


@pytest.mark.parametrize("name", ["input", "output", "prompt_tokens", "completion_tokens"])
def test_a_token_type_that_can_be_misread_is_refused_with_a_hint(name: str) -> None:
    """A plain input or output may hold the cached or thinking part twice: it is refused."""
    assert ("ambiguous_token_type", f"tokens.{name}") == _refusal(_text(tokens={name: 1}))


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"tokens": {"input_bogus": 1}}, "unknown_token_type", "tokens.input_bogus"),
        ({"tokens": {}}, "missing_field", "tokens"),
        ({"tokens": [1]}, "invalid_count", "tokens"),
        ({"units": {"pages": 1}}, "invalid_quantity", "units.pages"),
        ({"units": {"pages": "1e3"}}, "invalid_quantity", "units.pages"),
        ({"units": {"pages": "-1"}}, "invalid_quantity", "units.pages"),
        ({"units": {"pages": "1\n"}}, "invalid_quantity", "units.pages"),
        ({"units": {"bad name": "1"}}, "invalid_value", "units"),
        ({"event_id": ...}, "missing_field", "event_id"),
        ({"model": ...}, "missing_field", "model"),
        ({"tenant": ...}, "missing_field", "tenant"),
        ({"tenant": "nobody"}, "unknown_tenant", "tenant"),
        ({"event_id": "a\u0000b"}, "invalid_value", "event_id"),
        ({"event_id": "x" * 129}, "invalid_value", "event_id"),
        ({"agent": "coder\n"}, "invalid_value", "agent"),
        ({"user": "tab\t"}, "invalid_value", "user"),
        ({"tags": {"note": "bell\u0007"}}, "invalid_value", "tags"),
        ({"tags": {f"t{i}": "x" for i in range(21)}}, "invalid_value", "tags"),
        ({"purpose": "fun"}, "invalid_value", "purpose"),
        ({"surprise": 1}, "unknown_field", "surprise"),
        ({"corrects": "e-0"}, "missing_field", "action"),
        ({"action": "replace", "revision": 1}, "missing_field", "corrects"),
        ({"corrects": "e-0", "action": "replace"}, "missing_field", "revision"),
        ({"corrects": "e-0", "action": "replace", "revision": 0}, "missing_field", "revision"),
        ({"corrects": "e-0", "action": "void"}, "missing_field", "revision"),
        ({"action": "undo"}, "invalid_value", "action"),
        ({"revision": -1}, "invalid_value", "revision"),
        ({"outcome": {"name": "won", "value": 1}}, "invalid_value", "outcome"),
        ({"user": "x" * 20_000}, "event_too_large", ""),
    ],
)
def test_each_fault_has_its_code_and_field(changes: dict[str, Any], code: str, field: str) -> None:
    """A refused event is told what is wrong and where."""
    assert (code, field) == _refusal(_text(**changes))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("2026-01-31T12:05:00.000001Z", "occurred_at_in_future"),
        ("2025-12-27T11:59:59.999999Z", "occurred_at_too_old"),
        ("2026-01-31T12:00:00", "invalid_time"),
        ("2026-01-31", "invalid_time"),
        ("2026-01-31T12:00:60Z", "invalid_time"),
        ("2026-02-30T12:00:00Z", "invalid_time"),
        ("0000-01-01T00:00:00Z", "invalid_time"),
        ("0001-01-01T00:00:00+05:00", "invalid_time"),
        ("9999-12-31T23:59:59-05:00", "invalid_time"),
        ("2026-01-31T12:00:00Z\n", "invalid_time"),
        ("2026-01-31T12:00:00+00:60", "invalid_time"),
    ],
)
def test_a_time_has_an_offset_and_lies_in_the_window(text: str, code: str) -> None:
    """35 days back to 5 minutes ahead, with an offset; everything else is refused, not clamped."""
    assert (code, "occurred_at") == _refusal(_text(occurred_at=text))


def test_a_backfill_key_lifts_the_age_limit_only() -> None:
    """With events:backfill old events count; the future stays closed."""
    rules = Rules(
        NOW, bound_tenant=None, known_tenants=frozenset({"acme"}), backfill=True, corrections=True
    )

    assert None is judge(_text(occurred_at="2023-11-17T00:00:00Z"), rules).fault
    assert "occurred_at_in_future" == _refusal(_text(occurred_at="2031-01-01T00:00:00Z"), rules)[0]


@pytest.mark.parametrize(
    ("text", "code", "field"),
    [
        (b"5", "invalid_event", ""),
        (b"[" * 5000 + b"]" * 5000, "invalid_event", ""),
        (_raw("agent", b'"\xff"'), "invalid_encoding", "agent"),
        (_raw("tags", b'{"\xff": "x"}'), "invalid_encoding", "tags"),
        (_text()[:-1] + b', "\xff": 1}', "invalid_encoding", ""),
        (
            _text()[:-1] + b', "deep": ' + b"[" * 4000 + b"]" * 4000 + b"}",
            "nested_too_deep",
            "deep",
        ),
        (_raw("tags", b'{"k": ' + b"[" * 4000 + b"]" * 4000 + b"}"), "nested_too_deep", "tags"),
        (_raw("agent", b'"\\ud800"'), "invalid_encoding", "agent"),
        (_raw("tags", b'{"k": "a,}]\\ud800"}'), "invalid_encoding", "tags"),
        (_text()[:-1] + b', "\\ud800": 1}', "invalid_encoding", ""),
    ],
)
def test_hostile_texts_are_one_events_fault(text: bytes, code: str, field: str) -> None:
    """Deep nesting, broken UTF-8 and lone surrogates are answered with a code, never raised."""
    assert (code, field) == _refusal(text)


def test_the_last_of_two_equal_names_counts_for_all() -> None:
    """A name that stands twice means its last value, also for the fingerprint."""
    doubled = judge(_raw("tokens", b'{"output_text": 1, "output_text": 7}'), RULES).event
    plain = judge(_text(tokens={"output_text": 7}), RULES).event

    assert plain == doubled


def test_a_tenants_key_needs_no_name() -> None:
    """Under a key that is bound to a tenant the event belongs to it."""
    rules = Rules(
        NOW, bound_tenant="acme", known_tenants=frozenset(), backfill=False, corrections=True
    )
    event = judge(_text(tenant=...), rules).event

    assert event is not None
    assert "acme" == event.tenant_id
