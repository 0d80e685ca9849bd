"""What an event looks like on the wire, and what is refused before it gets there."""

from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tallyroll import InvalidEventError, capture
from tallyroll.capture import encode_event
from tallyroll.event import RecordedFields, TokenEvent, checked_event_id, new_event_id
from tallyroll.meter import utc_now

NOON = datetime(2023, 11, 17, 12, tzinfo=UTC)


def _encoded(**fields: Any) -> dict[str, Any]:
    body = encode_event("e-1", {"agent": "a", "model": "m", **fields}, lambda: NOON)
    decoded: dict[str, Any] = msgspec.json.decode(body)
    return decoded


def _codes(**fields: Any) -> list[tuple[str, str]]:
    with pytest.raises(InvalidEventError) as caught:
        _encoded(**fields)
    return [(fault.code, fault.field) for fault in caught.value.faults]


def test_unset_fields_stay_away() -> None:
    """What is left out or None does not travel; the time of capture does."""
    event = _encoded(user=None)

    expected = {"event_id": "e-1", "occurred_at": "2023-11-17T12:00:00.000000Z"}
    assert {**expected, "agent": "a", "model": "m"} == event


def test_every_field_travels() -> None:
    """All documented fields are sent, exact quantities as text."""
    fields = {
        "provider": "openai",
        "tokens": {"input_uncached": 120, "output_text": 10**15},
        "units": {"web_search_requests": Decimal(2), "audio_seconds": "1.50", "images": 3},
        **dict.fromkeys(("tenant", "user", "team", "run_id", "parent_run_id"), "x"),
        "purpose": "explore",
        "status": "aborted",
        "service_tier": "flex",
        "batch": False,
        "speed": "fast",
        "region": "eu",
        "context_input_tokens": 0,
        "response_id": "r",
        "line": 0,
        "instrument": "wrapper",
        "tags": {"k": "v"},
    }

    event = _encoded(**fields)

    quantities = {"web_search_requests": "2", "audio_seconds": "1.50", "images": "3"}
    assert {**fields, "units": quantities} == {name: event[name] for name in fields}
    own = {"event_id", "corrects", "action", "reason"}
    assert set(RecordedFields.__annotations__) | own == set(TokenEvent.__struct_fields__)


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (NOON.replace(microsecond=7), "2023-11-17T12:00:00.000007Z"),
        (NOON.astimezone(timezone(timedelta(hours=5))), "2023-11-17T12:00:00.000000Z"),
    ],
)
def test_time_is_utc_with_microseconds(moment: datetime, text: str) -> None:
    """`occurred_at` is RFC 3339 in UTC with six digits and Z, from whatever zone it came."""
    assert text == _encoded(occurred_at=moment)["occurred_at"]


@pytest.mark.parametrize(
    ("quantity", "text"), [(Decimal("2E+3"), "2000"), (Decimal("1E-7"), "0.0000001"), (0, "0")]
)
def test_quantities_are_written_in_full(quantity: Decimal, text: str) -> None:
    """A decimal never travels in exponent form."""
    assert text == _encoded(units={"u": quantity})["units"]["u"]


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"agent": None}, ("missing_field", "agent")),
        ({"model": ""}, ("missing_field", "model")),
        ({"agent": 5}, ("invalid_text", "agent")),
        ({"user": b"dev"}, ("invalid_text", "user")),
        ({"user": "\ud800"}, ("invalid_text", "event")),
        ({"tokens": {"output_text": 1.0}}, ("invalid_count", "tokens.output_text")),
        ({"tokens": {"output_text": True}}, ("invalid_count", "tokens.output_text")),
        ({"tokens": {"output_text": -1}}, ("invalid_count", "tokens.output_text")),
        ({"tokens": {"output_text": 10**15 + 1}}, ("invalid_count", "tokens.output_text")),
        ({"tokens": {"output_text": 10**5000}}, ("invalid_count", "tokens.output_text")),
        ({"tokens": {"input": 1}}, ("ambiguous_token_type", "tokens.input")),
        ({"tokens": [1]}, ("invalid_mapping", "tokens")),
        ({"units": {"u": 0.1}}, ("invalid_quantity", "units.u")),
        ({"units": {"u": "two"}}, ("invalid_quantity", "units.u")),
        ({"units": {"u": Decimal("NaN")}}, ("invalid_quantity", "units.u")),
        ({"units": {"u": Decimal("1E+999999")}}, ("invalid_quantity", "units.u")),
        ({"occurred_at": NOON.replace(tzinfo=None)}, ("naive_datetime", "occurred_at")),
        ({"occurred_at": "2023-11-17"}, ("invalid_datetime", "occurred_at")),
        ({"tags": {1: "x"}}, ("invalid_text", "tags")),
        ({"batch": "yes"}, ("invalid_flag", "batch")),
        ({"prompt": "Dear model, …"}, ("unknown_field", "prompt")),
    ],
)
def test_refused_at_capture(fields: dict[str, Any], fault: tuple[str, str]) -> None:
    """What cannot be meant, or not be carried exactly, is named with its code and place."""
    assert [fault] == _codes(**fields)


def test_all_faults_at_once() -> None:
    """Every fault of an event is reported, not only the first."""
    faults = _codes(model=None, batch=1, tokens={"output_text": "3"})

    expected = [("invalid_flag", "batch"), ("invalid_count", "tokens.output_text")]
    assert [*expected, ("missing_field", "model")] == faults


def test_own_ids() -> None:
    """A caller's id is kept as text; one that is empty or above 128 characters is refused."""
    assert "x" * 128 == checked_event_id("x" * 128)
    assert str(UUID(int=0)) == checked_event_id(UUID(int=0))
    assert 7 == UUID(new_event_id()).version

    for wrong in ("", "x" * 129, 7):
        with pytest.raises(InvalidEventError):
            checked_event_id(wrong)


class _Text(str):
    __slots__ = ()


class _Named(StrEnum):
    ONE = "one"


class _Number(IntEnum):
    SEVEN = 7


_TEXTS = (None, "", "a", "é", "\\ud800", b"a", _Text("t"), _Named.ONE)
_NUMBERS = (0, 7, -1, 10**15, 10**15 + 1, 10**30, 1.0, True, _Number.SEVEN, Decimal(3))
_ODD: st.SearchStrategy[object] = st.sampled_from(
    [*_TEXTS, *_NUMBERS, NOON, UUID(int=1), [], {}, {"a": 1}, ("a", 1)]
)
_NAMES = st.sampled_from(["a", "output_text", "input", _Text("t"), _Named.ONE, 1, None, "\ud800"])
_MAPPINGS = st.dictionaries(_NAMES, _ODD, max_size=2).flatmap(
    lambda entries: st.sampled_from([entries, MappingProxyType(entries), Counter(entries)])
)
USUAL = NOON.replace(microsecond=486_149)
_OTHERS = sorted({*RecordedFields.__annotations__, "prompt"} - {"agent", "model"})


@given(
    st.fixed_dictionaries(
        {"agent": st.just("a") | _ODD, "model": st.just("m") | _ODD},
        optional=dict.fromkeys(_OTHERS, _ODD | _MAPPINGS),
    ),
    st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=2))])),
)
@example({"agent": "a", "model": "m", "tokens": {"input": 1}}, NOON.replace(microsecond=1))
@example({"agent": "a", "model": "m"}, NOON)
@example({"agent": "a", "model": "m"}, NOON.replace(microsecond=500_000))
@example({"agent": "a", "model": "m"}, datetime(1, 1, 1, microsecond=1, tzinfo=UTC))
@example({"agent": "a", "model": "m", "occurred_at": NOON.replace(microsecond=7)}, NOON)
@example({"agent": "a", "model": "m", "occurred_at": NOON}, NOON)
@example({"agent": "a", "model": "m", "units": {}, "occurred_at": None}, NOON)
@example({"agent": "a", "model": "m", "units": {"a": Decimal("1.50")}, "occurred_at": USUAL}, NOON)
@example({"agent": "a", "model": "m", "units": {"a": 1.5}, "occurred_at": USUAL}, NOON)
def test_what_is_checked_at_once_is_checked_alike(fields: dict[str, Any], moment: datetime) -> None:
    """The quick way takes nothing that the checks one by one refuse, and writes the same bytes."""
    quick = capture._encode_at_once("e-1", fields, lambda: moment)
    if quick is not None:
        correction: dict[str, object] = {}  # not None: so that the checks are done one by one
        assert quick == encode_event("e-1", fields, lambda: moment, correction=correction)


def test_the_usual_event_is_checked_at_once() -> None:
    """So that the quick way is not lost without anybody noticing."""
    tokens = {"input_uncached": 1_200, "output_text": 12}
    fields = {"agent": "a", "model": "m", "tokens": tokens, "tenant": "acme", "tags": {"k": "v"}}

    assert capture._encode_at_once("e-1", fields, utc_now) is not None
    for units in (None, {}, {"web_search_requests": Decimal(2)}):
        told = {**fields, "occurred_at": USUAL, "units": units}
        assert capture._encode_at_once("e-1", told, utc_now) is not None
