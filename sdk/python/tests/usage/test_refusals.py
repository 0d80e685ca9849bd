"""What is asked wrongly is refused with a code; what a provider wrote wrongly is a flagged line."""

import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest

import tallyroll
from tallyroll.usage import UNRECONCILED, UsageError, UsageLine, known_surfaces, normalise

USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
OPENAI: dict[str, Any] = {"provider": "openai", "api_surface": "chat"}
COHERE: dict[str, Any] = {"provider": "cohere", "api_surface": "chat"}
ANTHROPIC: dict[str, Any] = {"provider": "anthropic", "api_surface": "messages"}
FLAGGED = UsageLine("m", flags=frozenset({UNRECONCILED}))


def _refused(**arguments: Any) -> list[tuple[str, str]]:
    with pytest.raises(UsageError) as refusal:
        normalise(**arguments)
    return [(fault.code, fault.field) for fault in refusal.value.faults]


def _line(usage: object) -> UsageLine:
    (line,) = normalise(**OPENAI, payload={"model": "m", "usage": usage})
    return line


def test_an_unknown_provider_is_never_taken_for_another() -> None:
    """The answer lists the providers that are known, and has a stable code."""
    with pytest.raises(UsageError, match=r"known are anthropic, aws\.bedrock, .*, x_ai") as refusal:
        normalise(provider="OpenAI", api_surface="chat", payload=USAGE)
    assert "unknown_provider" == refusal.value.code


def test_an_unknown_surface_is_never_taken_for_another() -> None:
    """The answer lists the surfaces of that provider, though another one has such."""
    with pytest.raises(UsageError, match="known are chat, grpc, responses") as refusal:
        normalise(provider="x_ai", api_surface="messages", payload=USAGE)
    assert "unknown_api_surface" == refusal.value.code


@pytest.mark.parametrize("model", [None, "cohere.command-r-v1:0", "claude-opus-5", "arn:aws:x/y"])
def test_bedrocks_native_shape_is_keyed_by_the_vendor_in_the_id(model: str | None) -> None:
    """Without a vendor whose shape is known nothing is counted, whatever the payload looks like."""
    arguments = {"provider": "aws.bedrock", "api_surface": "invoke_model", "model": model}

    assert [("unknown_model_vendor", "model")] == _refused(**arguments, payload={"usage": USAGE})


def test_all_faults_of_a_call_come_at_once() -> None:
    """A caller that does several things wrong learns of all of them."""
    assert [
        ("unknown_provider", "provider"),
        ("invalid_chunk", "chunks[1]"),
        ("invalid_chunk", "chunks[2]"),
        ("invalid_model", "model"),
    ] == _refused(provider="none", api_surface="chat", chunks=[{}, "x", None], model=3)


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({}, ("missing_payload", "payload")),
        ({"payload": {}, "chunks": []}, ("ambiguous_payload", "payload")),
        ({"payload": "{}"}, ("invalid_payload", "payload")),
        ({"payload": [USAGE]}, ("invalid_payload", "payload")),
        ({"chunks": USAGE}, ("invalid_payload", "chunks")),
        ({"chunks": "data: {}"}, ("invalid_payload", "chunks")),
        ({"chunks": 5}, ("invalid_payload", "chunks")),
        ({"payload": USAGE, "model": ""}, ("invalid_model", "model")),
    ],
)
def test_a_malformed_call_is_refused(given: dict[str, Any], fault: tuple[str, str]) -> None:
    """One of payload and chunks, in the form of mappings."""
    assert [fault] == _refused(**OPENAI, **given)


def test_what_does_not_stream_has_no_chunks() -> None:
    """Chunks of a surface that has none are a mistake, not an interrupted stream."""
    arguments = {"provider": "mistral_ai", "api_surface": "ocr"}

    assert [("no_stream", "chunks")] == _refused(**arguments, chunks=[{}])


@pytest.mark.parametrize(
    "value", [-1, 1.0, "7", True, [], {}, 10**15 + 1, float("nan"), Decimal(7), [1], {"a": 1}]
)
@pytest.mark.parametrize("field", ["prompt_tokens", "completion_tokens"])
def test_what_is_no_count_is_never_counted(field: str, value: object) -> None:
    """A total that cannot be read leaves no tokens, a flag, and the name of the field."""
    line = _line({**USAGE, field: value})

    assert FLAGGED == line
    assert ("invalid_count", f"usage.{field}") in [(f.code, f.field) for f in line.faults]


@pytest.mark.parametrize("value", [-1, 1.0, "7", True, [], 10**15 + 1])
def test_a_detail_that_is_no_count_is_never_counted(value: object) -> None:
    """What was cached decides what was not: without the one the other is not known either."""
    line = _line({**USAGE, "prompt_tokens_details": {"cached_tokens": value}})

    assert FLAGGED == line


def test_all_faults_of_a_usage_come_at_once() -> None:
    """A flagged line names every field that is wrong."""
    line = _line(
        {
            "prompt_tokens": -1,
            "total_tokens": "15",
            "prompt_tokens_details": {"cached_tokens": 1.5},
            "completion_tokens_details": 7,
        }
    )

    assert {
        ("invalid_count", "usage.prompt_tokens"),
        ("missing_field", "usage.completion_tokens"),
        ("invalid_count", "usage.prompt_tokens_details.cached_tokens"),
        ("invalid_object", "usage.completion_tokens_details"),
        ("invalid_count", "usage.total_tokens"),
    } <= {(fault.code, fault.field) for fault in line.faults}


@pytest.mark.parametrize("usage", [None, "none", [], 7, {}])
def test_no_usage_is_no_usage(usage: object) -> None:
    """A response without counts is a flagged line: it happened, and nobody knows what it used."""
    assert FLAGGED == _line(usage)


def test_counts_up_to_the_bound_of_an_event_are_counted() -> None:
    """10^15 tokens are a count; numbers stay exact beyond what a float could hold."""
    count = 10**15
    line = _line({"prompt_tokens": count, "completion_tokens": count - 1})

    assert {"input_uncached": count, "output_text": count - 1} == line.tokens
    assert not line.flags


def test_a_quantity_stays_exact() -> None:
    """A float is what its shortest spelling says, a Decimal keeps every digit."""
    digits = "0.1234567890123456789012345678901234"
    billed = {"input_tokens": 0.1, "output_tokens": Decimal(digits)}
    (line,) = normalise(**COHERE, payload={"usage": {"billed_units": billed}}, model="m")

    assert {
        "billed_input_tokens": Decimal("0.1"),
        "billed_output_tokens": Decimal(digits),
    } == line.units


def test_deep_nesting_is_no_way_to_break_it() -> None:
    """An object without a bottom is an unknown field, not a crash."""
    bottomless: dict[str, object] = {}
    bottomless["again"] = bottomless
    line = _line({**USAGE, "new": bottomless})
    message = {"type": "message_start", "message": {"usage": bottomless}}
    delta = {"type": "message_delta", "usage": bottomless}

    assert {"unknown_field"} == line.flags
    assert normalise(**ANTHROPIC, chunks=[message, delta])


def test_bedrocks_chunks_may_be_packed_as_boto3_has_them() -> None:
    """A vendor's chunk in bytes is read like the chunk itself; what is no JSON is no chunk."""
    chunks = [
        {"generation": "o", "prompt_token_count": 5, "generation_token_count": 1},
        {"generation": "k", "generation_token_count": 3, "stop_reason": "stop"},
    ]
    packed = [{"chunk": {"bytes": json.dumps(chunk).encode()}} for chunk in chunks]
    torn = [{"chunk": {"bytes": b"{"}}, {"chunk": {"bytes": b"[1]"}}]
    llama: dict[str, Any] = {"provider": "aws.bedrock", "api_surface": "invoke_model"}
    llama["model"] = "meta.llama3-70b-instruct-v1:0"

    assert normalise(**llama, chunks=chunks) == normalise(**llama, chunks=[*packed, *torn])


def test_a_generator_of_chunks_is_read_once() -> None:
    """Chunks may be any iterable."""
    chunks = ({"model": "m", "choices": [], "usage": USAGE} for _ in range(1))
    (line,) = normalise(**OPENAI, chunks=chunks)

    assert {"input_uncached": 10, "output_text": 5} == line.tokens


def test_what_can_be_normalised_is_listed() -> None:
    """The list is a copy: changing it changes nothing."""
    known_surfaces()["openai"].clear()
    cast("dict[str, object]", known_surfaces()).clear()

    assert "chat" in known_surfaces()["openai"]


def test_the_package_has_it_without_loading_it() -> None:
    """`tallyroll.usage` is there after `import tallyroll`, and is loaded when it is asked for."""
    program = (
        "import sys, tallyroll\n"
        "before = 'tallyroll.usage' in sys.modules\n"
        "print(before, tallyroll.usage.normalise.__name__, hasattr(tallyroll, 'utils'))"
    )
    source = Path(tallyroll.__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": str(source)}
    shown = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )

    assert "False normalise False\n" == shown.stdout
