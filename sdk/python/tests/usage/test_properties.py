"""Whatever the numbers: exclusive types sum to the provider's total, or the line says so."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sdk.python.tests.usage.cases import all_cases, as_parameters, lines_of

from tallyroll.usage import PARTIAL, UNRECONCILED, UsageLine, normalise

Parts = Mapping[str, int]
COUNTS = st.integers(0, 10**12)
JUNK = st.sampled_from(
    [None, -1, 0, 1, 7, 1.5, 12.0, "7", True, [], {}, [None], {"a": None}, 10**15 + 1, float("nan")]
)


def _chat(p: Parts, *, cached_beside: bool = False, reasoning_beside: bool = False) -> object:
    cached = p["input_cache_read"] + p["input_cache_write"]
    return {
        "prompt_tokens": p["input_uncached"] + (0 if cached_beside else cached),
        "completion_tokens": p["output_text"] + (0 if reasoning_beside else p["output_reasoning"]),
        "total_tokens": sum(p.values()),
        "prompt_tokens_details": {
            "cached_tokens": p["input_cache_read"],
            "cache_write_tokens": p["input_cache_write"],
        },
        "completion_tokens_details": {"reasoning_tokens": p["output_reasoning"]},
    }


def _deepseek(p: Parts) -> object:
    hit, miss = p["input_cache_read"], p["input_uncached"]
    return {
        "prompt_tokens": hit + miss,
        "completion_tokens": p["output_text"] + p["output_reasoning"],
        "total_tokens": sum(p.values()),
        "prompt_cache_hit_tokens": hit,
        "prompt_cache_miss_tokens": miss,
        "completion_tokens_details": {"reasoning_tokens": p["output_reasoning"]},
    }


def _responses(p: Parts) -> object:
    write = "input_cache_write"
    written = p[write] + p[f"{write}_30m"] + p[f"{write}_12h"]
    output = p["output_text"] + p["output_reasoning"]
    return {
        "input_tokens": p["input_uncached"] + p["input_cache_read"] + written,
        "input_tokens_details": {
            "cached_tokens": p["input_cache_read"],
            "cache_write_tokens": written,
            "cache_write_tokens_details": {
                "ttl_30m_tokens": p[f"{write}_30m"],
                "ttl_12h_tokens": p[f"{write}_12h"],
            },
        },
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": p["output_reasoning"]},
        "total_tokens": sum(p.values()),
    }


def _anthropic(p: Parts) -> object:
    write = "input_cache_write"
    return {
        "input_tokens": p["input_uncached"],
        "cache_read_input_tokens": p["input_cache_read"],
        "cache_creation_input_tokens": p[write] + p[f"{write}_5m"] + p[f"{write}_1h"],
        "cache_creation": {
            "ephemeral_5m_input_tokens": p[f"{write}_5m"],
            "ephemeral_1h_input_tokens": p[f"{write}_1h"],
        },
        "output_tokens": p["output_text"] + p["output_reasoning"],
        "output_tokens_details": {"thinking_tokens": p["output_reasoning"]},
    }


def _gemini(p: Parts) -> object:
    return {
        "promptTokenCount": p["input_uncached"] + p["input_cache_read"],
        "cachedContentTokenCount": p["input_cache_read"],
        "toolUsePromptTokenCount": p["input_tool"],
        "candidatesTokenCount": p["output_text"],
        "thoughtsTokenCount": p["output_reasoning"],
        "totalTokenCount": sum(p.values()),
    }


def _converse(p: Parts) -> object:
    write = "input_cache_write"
    return {
        "inputTokens": p["input_uncached"],
        "outputTokens": p["output_text"],
        "cacheReadInputTokens": p["input_cache_read"],
        "cacheWriteInputTokens": p[write] + p[f"{write}_5m"] + p[f"{write}_1h"],
        "cacheDetails": [{"ttl": ttl, "inputTokens": p[f"{write}_{ttl}"]} for ttl in ("1h", "5m")],
        "totalTokens": sum(p.values()),
    }


def _perplexity(p: Parts) -> object:
    return {
        "prompt_tokens": p["input_uncached"],
        "completion_tokens": p["output_text"],
        "total_tokens": p["input_uncached"] + p["output_text"],
        "citation_tokens": p["output_citation"],
        "reasoning_tokens": p["output_reasoning"],
    }


def _conversation(p: Parts) -> object:
    return {
        "prompt_tokens": p["input_uncached"],
        "completion_tokens": p["output_text"],
        "connector_tokens": p["input_tool"],
        "total_tokens": sum(p.values()),
    }


def _grpc(p: Parts) -> object:
    return {
        "promptTokens": p["input_uncached"] + p["input_cache_read"],
        "cachedPromptTextTokens": p["input_cache_read"],
        "completionTokens": p["output_text"],
        "reasoningTokens": p["output_reasoning"],
        "totalTokens": sum(p.values()),
    }


def _snowflake(p: Parts) -> object:
    return _chat(p, cached_beside=True, reasoning_beside=False)


def _xai(p: Parts) -> object:
    return _chat(p, reasoning_beside=True)


PLAIN = ("input_uncached", "input_cache_read", "output_text")
CHAT = (*PLAIN, "input_cache_write", "output_reasoning")
RESPONSES = (*CHAT, "input_cache_write_30m", "input_cache_write_12h")
TTL = ("input_cache_write_5m", "input_cache_write_1h")
CONVENTIONS: list[tuple[str, str, tuple[str, ...], Callable[[Parts], object]]] = [
    ("openai", "chat", CHAT, _chat),
    ("azure.ai.openai", "chat", CHAT, _chat),
    ("groq", "chat", CHAT, _chat),
    ("mistral_ai", "chat", CHAT, _chat),
    ("openrouter", "chat", CHAT, _chat),
    ("snowflake", "chat", CHAT, _snowflake),
    ("x_ai", "chat", CHAT, _xai),
    ("deepseek", "chat", (*PLAIN, "output_reasoning"), _deepseek),
    ("openai", "responses", RESPONSES, _responses),
    ("x_ai", "responses", RESPONSES, _responses),
    ("mistral_ai", "responses", RESPONSES, _responses),
    ("anthropic", "messages", (*CHAT, *TTL), _anthropic),
    ("aws.bedrock", "converse", (*PLAIN, "input_cache_write", *TTL), _converse),
    ("gcp.gemini", "generate_content", (*PLAIN, "input_tool", "output_reasoning"), _gemini),
    ("gcp.vertex_ai", "generate_content", (*PLAIN, "input_tool", "output_reasoning"), _gemini),
    (
        "perplexity",
        "chat",
        ("input_uncached", "output_text", "output_citation", "output_reasoning"),
        _perplexity,
    ),
    ("mistral_ai", "conversations", ("input_uncached", "input_tool", "output_text"), _conversation),
    ("x_ai", "grpc", (*PLAIN, "output_reasoning"), _grpc),
]


@given(st.sampled_from(CONVENTIONS), st.data())
def test_what_went_in_comes_out(
    convention: tuple[str, str, tuple[str, ...], Callable[[Parts], object]], data: st.DataObject
) -> None:
    """Exclusive counts, put together as a provider does, come apart as they were, unflagged."""
    provider, surface, types, report = convention
    parts = {token_type: data.draw(COUNTS, token_type) for token_type in types}
    payload = report(parts)
    assert isinstance(payload, dict)
    (line,) = normalise(provider=provider, api_surface=surface, payload=payload, model="m")

    assert {name: n for name, n in parts.items() if n} == line.tokens
    assert frozenset() == line.flags


CASES = [case for case in all_cases() if case["mode"] == "whole"]
TOTALS = ("total_tokens", "totalTokens", "totalTokenCount", "total_token_count")
COVERED = {"perplexity": ("input_uncached", "output_text")}
"""Providers whose total covers these types only."""


def _leaves(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of everything inside."""
    inside: list[tuple[Any, object]] = []
    if isinstance(value, dict):
        inside = list(value.items())
    elif isinstance(value, list):
        inside = list(enumerate(value))
    paths = [path] if path else []
    return paths + [found for key, entry in inside for found in _leaves(entry, (*path, key))]


def _replaced(payload: object, path: tuple[Any, ...], junk: object) -> dict[str, Any]:
    changed = copy.deepcopy(payload)
    place: Any = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = junk
    assert isinstance(changed, dict)
    return changed


def _stated_total(payload: Mapping[str, Any]) -> int | None:
    response = payload.get("response")
    inner = response if isinstance(response, dict) else payload
    for name in ("usage", "usageMetadata", "usage_metadata"):
        inner = inner[name] if isinstance(inner.get(name), dict) else inner
    totals = [inner[name] for name in TOTALS if type(inner.get(name)) is int]
    return totals[0] if len(totals) == 1 else None


def _counted(provider: str, lines: list[UsageLine]) -> int:
    if provider != "groq":  # others list inferences beside the total, Groq lists its parts
        lines = lines[:1]
    names = COVERED.get(provider)
    return sum(n for one in lines for name, n in one.tokens.items() if not names or name in names)


@given(st.sampled_from(CASES), st.data())
def test_whatever_a_provider_writes_nothing_is_counted_wrongly_in_silence(
    case: dict[str, Any], data: st.DataObject
) -> None:
    """With junk anywhere a line is sound or flagged: no error, no negative, no false sum."""
    payload = case["payload"]
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(_leaves(payload)))
        payload = _replaced(payload, path, data.draw(JUNK))
    lines = lines_of({**case, "payload": payload})
    total = _stated_total(payload)

    assert all(type(n) is int and 0 < n <= 10**15 for one in lines for n in one.tokens.values())
    assert all(n > 0 for one in lines for n in one.units.values())
    if total is not None and not any(UNRECONCILED in line.flags for line in lines):
        assert total == _counted(case["provider"], lines)


@given(st.sampled_from([case for case in all_cases() if "chunks" in case]), st.data())
def test_whatever_a_stream_has_in_it_no_error_comes_of_it(
    case: dict[str, Any], data: st.DataObject
) -> None:
    """With junk in a chunk, or a chunk twice or not at all, lines are sound or flagged."""
    chunks = copy.deepcopy(case["chunks"])
    for _ in range(data.draw(st.integers(1, 3))):
        if not chunks:
            break
        at = data.draw(st.integers(0, len(chunks) - 1))
        way = data.draw(st.sampled_from(["junk", "twice", "lost"]))
        if way == "junk" and (paths := _leaves(chunks[at])):
            chunks[at] = _replaced(chunks[at], data.draw(st.sampled_from(paths)), data.draw(JUNK))
        elif way == "twice":
            chunks.insert(at, chunks[at])
        else:
            del chunks[at]
    lines = lines_of({**case, "chunks": chunks})

    assert lines
    assert all(type(n) is int and 0 < n <= 10**15 for one in lines for n in one.tokens.values())


STREAMS = [case for case in all_cases() if case["mode"] == "stream"]


def _sums(lines: list[UsageLine]) -> tuple[int, int]:
    counts = [entry for line in lines for entry in line.tokens.items()]
    return (
        sum(n for name, n in counts if name.startswith("input")),
        sum(n for name, n in counts if name.startswith("output")),
    )


@pytest.mark.parametrize("case", as_parameters(STREAMS))
def test_a_stream_cut_anywhere_is_never_above_the_whole(case: dict[str, Any]) -> None:
    """What is known of a part is at most the whole; unless it is flagged it is all of it."""
    whole = lines_of(case)
    for cut in range(len(case["chunks"])):
        lines = lines_of({**case, "chunks": case["chunks"][:cut]})

        assert all(part <= full for part, full in zip(_sums(lines), _sums(whole), strict=True))
        assert any(PARTIAL in line.flags for line in lines) or lines == whole[: len(lines)]
