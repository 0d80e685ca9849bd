"""`tallyroll import --format vercel`: what the AI Gateway's API says of past requests."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import Result

from tallyroll.pastusage.rows import row_of_json
from tallyroll.pastusage.vercel import row_of_vercel
from tallyroll.testing import RecordingServer

Run = Callable[..., Result]
Documents = Callable[[Result], list[dict[str, Any]]]
GENERATION = {
    "id": "gen_01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "total_cost": 0.00123,
    "upstream_inference_cost": 0,
    "usage": 0.00123,
    "created_at": "2026-03-01T10:00:00.000Z",
    "model": "anthropic/claude-sonnet-4.6",
    "is_byok": False,
    "provider_name": "vertexAnthropic",
    "streamed": True,
    "finish_reason": "stop",
    "latency": 200,
    "generation_time": 1500,
    "native_tokens_prompt": 1000,
    "native_tokens_completion": 50,
    "native_tokens_reasoning": 30,
    "native_tokens_cached": 900,
    "native_tokens_cache_creation": 75,
    "billable_web_search_calls": 2,
}
TOKENS = {
    "input_uncached": 25,
    "input_cache_read": 900,
    "input_cache_write": 75,
    "output_text": 20,
    "output_reasoning": 30,
}
ROW = {
    "day": "2026-03-01",
    "model": "openai/gpt-5",
    "total_cost": 1240.0,
    "market_cost": 1418.0,
    "input_tokens": 4200000,
    "output_tokens": 980000,
    "cached_input_tokens": 1600000,
    "cache_creation_input_tokens": 380000,
    "reasoning_tokens": 520000,
    "request_count": 8400,
}


@pytest.fixture(name="imported")
def _imported(run: Run, server: RecordingServer, tmp_path: Path) -> Callable[..., Any]:
    def imported(*records: object) -> tuple[Result, list[dict[str, Any]]]:
        file = tmp_path / "gateway.jsonl"
        file.write_text("".join(f"{json.dumps(record)}\n" for record in records))
        arguments = ("--format", "vercel", "--set", "agent=site", "--set", "tenant=acme", "--json")
        result = run("import", str(file), *arguments)
        return result, [
            event for body in server.bodies for event in msgspec.json.decode(body)["events"]
        ]

    return imported


@pytest.mark.parametrize("record", [GENERATION, {"data": GENERATION}])
def test_a_generation_is_an_event(imported: Callable[..., Any], record: object) -> None:
    """As `GET /v1/generation` answers it, or what is in it: counts exclusive, once by its id."""
    result, (event,) = imported(record)
    assert result.exit_code == 0, result.stdout
    assert event["tokens"] == TOKENS
    assert (event["event_id"], event["response_id"]) == (GENERATION["id"],) * 2
    assert (event["provider"], event["model"]) == ("gcp.vertex_ai", "claude-sonnet-4.6")
    assert event["occurred_at"] == "2026-03-01T10:00:00.000000Z"
    assert (event["instrument"], event["context_input_tokens"]) == ("vercel", 1000)
    assert (event["agent"], event["tenant"]) == ("site", "acme")
    assert event["units"] == {"web_search_requests": "2"}
    assert event["tags"] == {"credentials": "system"}
    assert "status" not in event


def test_a_row_of_a_report_is_an_event(imported: Callable[..., Any]) -> None:
    """All requests of a day to a model, without what a single one was."""
    _, (event,) = imported({**ROW, "user": "u1", "credential_type": "byok"})
    assert event["tokens"] == {
        "input_uncached": 2220000,
        "input_cache_read": 1600000,
        "input_cache_write": 380000,
        "output_text": 460000,
        "output_reasoning": 520000,
    }
    assert (event["model"], event["user"]) == ("gpt-5", "u1")
    assert event["occurred_at"] == "2026-03-01T00:00:00.000000Z"
    assert (event["units"], event["tags"]) == ({"requests": "8400"}, {"credentials": "byok"})
    assert not {"response_id", "context_input_tokens", "provider"} & set(event)


def test_twice_is_once(imported: Callable[..., Any], server: RecordingServer) -> None:
    """Also from another place in another file."""
    imported(GENERATION, ROW)
    imported(GENERATION, ROW)
    imported(ROW, GENERATION)
    assert (sorted(server.commits.values()), len(server.commits)) == ([1, 2, 3], 3)


def test_a_failed_generation(imported: Callable[..., Any]) -> None:
    """What it used was used."""
    _, (event,) = imported({**GENERATION, "finish_reason": "error", "is_byok": True})
    assert (event["status"], event["tags"]["credentials"]) == ("failed", "byok")


def test_counts_that_contradict_each_other(imported: Callable[..., Any]) -> None:
    """Cached above the whole: told, and no number is made of it."""
    _, (event,) = imported({**GENERATION, "native_tokens_cached": 2000})
    assert event["tags"]["usage_flags"] == "unreconciled"
    assert "tokens" not in event
    assert event["units"]["web_search_requests"] == "2"


def test_lines_that_are_none_are_told(imported: Callable[..., Any], documents: Documents) -> None:
    """The dashboard's export has columns that nobody documents; a report by user has no model."""
    by_user = {name: value for name, value in ROW.items() if name != "model"}
    result, events = imported({"Request ID": "x", "Model": "y"}, GENERATION, by_user)
    *faults, _ = documents(result)
    assert [(fault["line"], fault["code"]) for fault in faults] == [
        (1, "invalid_record"),
        (3, "missing_field"),
    ]
    assert (result.exit_code, len(events)) == (1, 1)


@given(st.lists(st.integers(0, 10**12), min_size=5, max_size=5))
def test_types_sum_back_to_the_totals(parts: list[int]) -> None:
    """Whatever the counts, nothing is lost or counted twice."""
    uncached, read, written, text, reasoning = parts
    record = {
        **GENERATION,
        "native_tokens_prompt": uncached + read + written,
        "native_tokens_completion": text + reasoning,
        "native_tokens_cached": read,
        "native_tokens_cache_creation": written,
        "native_tokens_reasoning": reasoning,
    }
    row = row_of_vercel(row_of_json(json.dumps(record).encode()))
    tokens = {name: count for name, count in row.values.items() if name.startswith("tokens.")}
    assert sum(tokens.values()) == sum(parts)
    assert tokens.get("tokens.input_uncached", 0) == uncached
    assert "tags.usage_flags" not in row.values
