"""LiteLLM's convention, taken apart: held to the providers' own rules, and by hand."""

from typing import Any

import litellm
import pytest
from sdk.python.tests.bridges.litellm_calls import (
    ASK,
    CLAUDE,
    IGNORED,
    Recorded,
    _at,
    _logger,
    _recorded,
)
from sdk.python.tests.usage.cases import all_cases, as_parameters
from sdk.python.tests.usage.cases import lines_of as golden
from sdk.python.tests.wrapping.wire import WireServer, whole

from tallyroll.bridges.litellm_usage import lines_of, response_id

__all__ = ["_at", "_logger", "_recorded"]
pytestmark = IGNORED
GOLDEN = {
    ("anthropic", "messages"): ("anthropic/claude-sonnet-5", "/v1/messages"),
    ("aws.bedrock", "converse"): ("bedrock/converse/anthropic.claude-sonnet-4", "/converse"),
    ("azure.ai.openai", "chat"): ("azure/gpt-5", "/chat/completions"),
    ("deepseek", "chat"): ("deepseek/deepseek-chat", "/chat/completions"),
    ("gcp.gemini", "generate_content"): ("gemini/gemini-3-pro", ":generateContent"),
    ("mistral_ai", "chat"): ("mistral/mistral-large", "/chat/completions"),
    ("openai", "chat"): ("openai/gpt-5", "/chat/completions"),
    ("x_ai", "chat"): ("xai/grok-4", "/chat/completions"),
}
"""Provider and surface -> the model by LiteLLM's name, and where LiteLLM asks for it."""
ALIKE = (
    "written without a TTL",
    "more read from the cache than input is normal here",
    "a compaction is a line of its own, at the main model",
    "an adviser is a line of its own, at its own model",
    "a fallback: the declined hop is not in the top level",
    "written without TTLs",
    "no cache",
    "hit and miss sum to the prompt",
    "OpenAI's field alone",
    "cached inside the prompt; thoughts and tool prompts beside",
    "only thoughts: no candidates",
    "modality without a split of the cache: text was cached first",
    "cached inside, in each of its spellings",
    "cached, written and thinking are inside the totals",
    "no details",
    "rejected predictions are output, and told",
    "more cached than there was prompt",
    "the parts do not sum to the total",
    "audio in and out",
    "thinking is beside the completion",
)
"""Names of fixtures in which LiteLLM keeps all that the provider reports of tokens."""


@pytest.mark.parametrize(
    "case",
    as_parameters(
        [
            case
            for case in all_cases()
            if case["name"] in ALIKE
            and (case["provider"], case["api_surface"]) in GOLDEN
            and "payload" in case
        ]
    ),
)
def test_each_provider_counts_as_it_does_by_itself(
    provider: WireServer, at: dict[str, Any], recorded: Recorded, case: dict[str, Any]
) -> None:
    """What LiteLLM makes of an answer, taken apart again, is what the provider's own rules say."""
    model, path = GOLDEN[case["provider"], case["api_surface"]]
    answer = case["payload"]
    if case["provider"] == "anthropic":
        answer = {**CLAUDE, **answer}
    provider.tell(path, whole(answer))
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "aws_region_name": "us-east-1"}
    more = keys if case["provider"] == "aws.bedrock" else {}
    if case["provider"] == "azure.ai.openai":
        more = {"api_version": "2025-01-01"}
    litellm.completion(model=model, messages=ASK, **at, **more)
    counted = [event.get("tokens", {}) for event in recorded(1)]
    assert counted == [line.tokens for line in golden(case)]
    assert {event["provider"] for event in recorded(0)} == {case["provider"]}


def test_an_adviser_without_anthropics_own_answer() -> None:
    """LiteLLM may redact it: the iterations tell all but which hop was declined."""
    iterations = [
        {"type": "message", "model": "a", "input_tokens": 100, "output_tokens": 5},
        {"type": "fallback_message", "model": "b", "input_tokens": 100, "output_tokens": 40},
        {"type": "compaction", "input_tokens": 7, "output_tokens": 3},
    ]
    usage = {"prompt_tokens": 207, "completion_tokens": 48, "iterations": iterations}
    main, other = lines_of(usage, "b", "anthropic", streamed=False, original="redacted-by-litellm")
    assert main.tokens == {"input_uncached": 200, "output_text": 45}
    assert (other.tokens, other.line) == ({"input_uncached": 7, "output_text": 3}, 3)
    assert main.flags == other.flags == {"convention_assumed"}


@pytest.mark.parametrize(
    ("answer_id", "original", "expected"),
    [
        ("chatcmpl-1", None, "chatcmpl-1"),
        ("chatcmpl-14766b90-76bc-4a66-a85b-85b46e98f7c4", None, None),
        ("chatcmpl-14766b90-76bc-4a66-a85b-85b46e98f7c4", '{"id": "msg_1"}', "msg_1"),
        ("chatcmpl-14766b90-76bc-4a66-a85b-85b46e98f7c4", "{no json", None),
        ("chatcmpl-14766b90-76bc-4a66-a85b-85b46e98f7c4", "redacted-by-litellm", None),
        ("chatcmpl-14766b90-76bc-4a66-a85b-85b46e98f7c4", '{"output": {}}', None),
        ("resp_0123456789abcdef", None, "resp_0123456789abcdef"),
        ("resp_bGl0ZWxsbTpub3RoaW5n", None, "resp_bGl0ZWxsbTpub3RoaW5n"),
        ("resp_bGl0ZWxsbTptO3Jlc3BvbnNlX2lkOnJlc3BfOQ==", None, "resp_9"),
        (None, None, None),
    ],
)
def test_which_id_is_the_providers(
    answer_id: object, original: object, expected: str | None
) -> None:
    """LiteLLM's own would never match what another instrument saw."""
    assert response_id(answer_id, original) == expected


def test_a_provider_that_nobody_looked_at_is_flagged() -> None:
    """Its totals are taken to contain their parts, as LiteLLM's do elsewhere."""
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    (line,) = lines_of(usage, "sonar", "perplexity", streamed=False)
    assert line.tokens == {"input_uncached": 5, "output_text": 2}
    assert line.flags == {"convention_assumed"}
