"""Reading by columns has the same result as event by event, or leaves it to that."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metering.domain import plain
from services.metering.domain.event import WrittenEvent
from services.metering.domain.judge import Rules, judge
from services.metering.domain.plain import read_plain
from services.metering.domain.token_types import TOKEN_TYPES
from services.metering.ingest.batch import encode_envelope
from services.metering.ingest.envelope import Placed, Sender, place, place_plain

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
SENDER = Sender("v", "live", "key-1")
RULES = Rules(
    NOW,
    bound_tenant=None,
    known_tenants=frozenset({"acme", "globex"}),
    backfill=False,
    corrections=True,
)
BOUND = Rules(NOW, bound_tenant="acme", known_tenants=frozenset(), backfill=True, corrections=True)
GOOD: dict[str, Any] = {
    "event_id": "019A2F6E-5C1B-7C3A-9D57-3F6F0E6A1B2C",
    "tenant": "acme",
    "agent": "coder",
    "model": "gpt-5",
    "provider": "openai",
    "occurred_at": "2026-01-31T11:59:59.123456Z",
    "tokens": {"output_text": 1, "input_uncached": 5},
    "units": {"pages": "01.50", "images": "2"},
    "tags": {"b": "2", "a": "é"},
    "context_input_tokens": 32_001,
    "outcome": {"name": "won"},
}

names = st.text("aZ09_.:/@+-\n é", min_size=0, max_size=6) | st.sampled_from(["a" * 128, "a" * 129])
times = st.sampled_from(
    [
        "2026-01-31T11:59:59Z",
        "2026-01-31T11:59:59.5Z",
        "2026-01-31t11:59:59.123Z",
        "2026-01-31 11:59:59.123456Z",
        "2026-01-31T11:59:59.1234567Z",
        "2026-01-31T11:59:59.123+00:00",
        "2026-01-31T11:59:60.123456Z",
        "2026-02-30T11:59:59Z",
        "2026-01-31T12:05:00.000001Z",
        "2025-12-27T12:00:00Z",
        "2025-12-27T11:59:59.999999Z",
        "1999-12-31T23:59:59Z",
        "2026-01-31T11:59:59\n",
        "",
    ]
)
unusual = st.fixed_dictionaries(
    {},
    optional={
        "event_id": names,
        "tenant": st.sampled_from(["acme", "globex", "nobody", None]),
        "agent": names,
        "user": names,
        "run_id": names,
        "occurred_at": times,
        "tokens": st.dictionaries(st.sampled_from([*TOKEN_TYPES, "input"]), st.integers(-1, 10)),
        "units": st.dictionaries(names, st.sampled_from(["1", "1.00", "-1", "x"])),
        "tags": st.dictionaries(names, names),
        "line": st.integers(-1, 2),
        "batch": st.booleans(),
        "revision": st.integers(-1, 2),
        "reason": names,
        "corrects": names,
        "action": st.sampled_from(["void", "replace", "undo"]),
        "outcome": st.fixed_dictionaries({"name": names, "value": st.just("1.50")}),
        "surprise": st.just(1),
    },
)


def _text(changes: dict[str, Any]) -> bytes:
    return json.dumps(GOOD | changes).encode()


def _one_by_one(texts: list[bytes], rules: Rules) -> list[Placed] | None:
    """Return what `judge` makes of the events; None unless every one is good."""
    verdicts = [judge(text, rules) for text in texts]
    if any(verdict.event is None for verdict in verdicts):
        return None
    return [place(v.event, SENDER, partitions=4, size=v.size) for v in verdicts if v.event]


def _by_columns(texts: list[bytes], rules: Rules) -> list[Placed] | None:
    events = read_plain(texts, rules)
    if events is None:
        return None
    placed = place_plain(events, SENDER, partitions=4)
    rows = zip(*placed.columns, strict=True)
    return list(map(Placed, placed.partitions, rows, placed.sizes))


def _content(placed: list[Placed]) -> list[tuple[int, int, bytes]]:
    return [(one.partition, one.size, encode_envelope([one.row])) for one in placed]


@given(changes=st.lists(unusual, min_size=1, max_size=4), rules=st.sampled_from([RULES, BOUND]))
def test_columns_give_what_each_event_alone_gives(
    changes: list[dict[str, Any]], rules: Rules
) -> None:
    """What is read by columns is placed as one by one, and nothing that is refused is read so."""
    texts = [_text(change) for change in changes]
    placed = _by_columns(texts, rules)

    if placed is not None:
        expected = _one_by_one(texts, rules)
        assert expected is not None
        assert _content(expected) == _content(placed)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"tokens": {}, "tags": {}},
        {"units": {}, "outcome": None, "context_input_tokens": None},
        {"tenant": "globex", "user": "dev-1", "batch": True, "line": 3, "purpose": "eval"},
        {"event_id": "e-1", "occurred_at": "2026-01-31T11:59:59Z"},
        {"tokens": dict.fromkeys(reversed(TOKEN_TYPES), 1)},
    ],
)
def test_ordinary_events_are_read_by_columns(changes: dict[str, Any]) -> None:
    """The common forms take the fast way, so that the rule above is not kept by refusing all."""
    texts = [_text(changes), _text({})]
    placed = _by_columns(texts, RULES)

    assert placed is not None
    assert _content(_one_by_one(texts, RULES) or []) == _content(placed)


@pytest.mark.parametrize(
    "changes",
    [
        {"agent": "a\nb"},
        {"agent": ""},
        {"user": "x" * 129},
        {"tokens": {"input": 1}},
        {"tokens": {}, "units": {}},
        {"tenant": "nobody"},
        {"occurred_at": "2026-01-31T12:05:00.000001Z"},
        {"occurred_at": "2025-12-27T11:59:59.999999Z"},
        {"corrects": "e-0", "action": "replace", "revision": 1},
        {"tags": {"note": "x" * 17_000}},
    ],
)
def test_one_unusual_event_sends_all_the_slow_way(changes: dict[str, Any]) -> None:
    """Faults and corrections are judged one by one, where they get their code."""
    assert None is read_plain([_text({}), _text(changes)], RULES)


def test_names_that_nobody_checks_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the check of names the comparison above would fail."""
    monkeypatch.setattr(plain, "_check_names", lambda *_columns, **_options: None)
    texts = [_text({"agent": "a b"})]

    assert None is _one_by_one(texts, RULES)
    assert None is not _by_columns(texts, RULES)


def test_every_field_of_an_event_is_known_to_both() -> None:
    """The two forms of a written event have the same fields and defaults."""
    ours, theirs = (
        {f.name: (f.required, f.default) for f in msgspec.structs.fields(form)}
        for form in (plain._PlainEvent, WrittenEvent)
    )

    assert theirs == ours
