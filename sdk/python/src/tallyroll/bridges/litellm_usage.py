"""What LiteLLM's answers say: their usage, and which of the ids is the provider's. Pure.

Source: litellm 1.110. `litellm.types.utils.Usage` is a convention of its own, whoever answered:
each provider's `transformation.py` adds what it reports beside its totals into them, Anthropic's
and Bedrock's cache as well as xAI's and Gemini's thinking.
"""

import binascii
import json
import re
from base64 import b64decode
from collections.abc import Mapping, Sequence

from tallyroll.bridges.counting import (
    CONVENTION_ASSUMED,
    MAYBE_ESTIMATED,
    TTLS,
    Convention,
    flagged,
    line_of,
    stated,
)
from tallyroll.recording.terms import response_id_of
from tallyroll.usage import UsageLine, normalise
from tallyroll.usage.surface import Json, at, objects

_LOOKED_AT = frozenset(
    {
        *("anthropic", "aws.bedrock", "azure.ai.openai", "deepseek", "gcp.gemini", "gcp.vertex_ai"),
        *("groq", "mistral_ai", "openai", "openrouter", "x_ai"),
    }
)
"""Providers whose totals contain their parts, as read in litellm's source. Of others it is taken to
be so and flagged: Perplexity's thinking is beside, Cohere's tokens are not what it bills."""
_OWN_ITERATIONS = ("message", "fallback_message")
_SUMMED = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
)
_MADE_UP_ID = re.compile(r"[a-z]+[-_][0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""`litellm._uuid`: what LiteLLM calls a response whose own id it does not keep."""
_RESPONSES = "resp_"
_RESPONSES_TEXT = b"litellm:"
_RESPONSES_ID = b"response_id:"


def lines_of(
    usage: Json, model: str | None, provider: str, *, streamed: bool, original: object = None
) -> list[UsageLine]:
    """Return the lines of one answer; an adviser's or a compaction's have their own model.

    `original` is the provider's answer as text, if LiteLLM has it; nothing but its usage is used.
    """
    iterations = objects(usage.get("iterations"))
    if iterations:
        return _by_iteration(iterations, model, original)
    flags = set() if provider in _LOOKED_AT else {CONVENTION_ASSUMED}
    if streamed and usage.get("prompt_tokens_details") is None:
        # LiteLLM counts by itself what a stream does not report, and does not say that it did;
        # a report without any detail looks the same.
        flags.add(MAYBE_ESTIMATED)
    return [line_of(_chat(usage), model, Convention(flags=frozenset(flags)))]


def _by_iteration(
    iterations: Sequence[Json], model: str | None, original: object
) -> list[UsageLine]:
    """Return the lines of an answer of Anthropic's in which others had a part.

    LiteLLM's totals are sums of all of them. Anthropic's own usage tells them apart; without it,
    a hop that was declined is taken to be in the answer's totals, and that is flagged.
    """
    told = _body(original).get("usage")
    usage = told if isinstance(told, Mapping) else _native(iterations)
    lines = normalise(
        provider="anthropic", api_surface="messages", payload={"usage": usage}, model=model
    )
    return lines if usage is told else [flagged(line, CONVENTION_ASSUMED) for line in lines]


def _chat(usage: Json) -> dict[str, object]:
    """Return the usage in the form that `line_of()` takes."""
    inputs = _object(usage, "prompt_tokens_details", "input_tokens_details")
    outputs = _object(usage, "completion_tokens_details", "output_tokens_details")
    ttls = _object(inputs, "cache_creation_token_details")
    tool = _tool_tokens(usage, inputs)
    return stated(
        {
            "prompt_tokens": _either(usage, "prompt_tokens", "input_tokens"),
            "completion_tokens": _either(usage, "completion_tokens", "output_tokens"),
            "total_tokens": usage.get("total_tokens"),
            "prompt_tokens_details": {
                "cached_tokens": inputs.get("cached_tokens"),
                "cache_write_tokens": _either(
                    inputs, "cache_write_tokens", "cache_creation_tokens"
                ),
                "cache_write_ttls": {
                    ttl: ttls.get(f"ephemeral_{ttl}_input_tokens") for ttl in TTLS
                },
                "tool_tokens": tool,
                "image_tokens": inputs.get("image_tokens"),
                "audio_tokens": inputs.get("audio_tokens"),
                "video_tokens": inputs.get("video_tokens"),
            },
            "completion_tokens_details": {
                name: outputs.get(name)
                for name in (
                    *("reasoning_tokens", "accepted_prediction_tokens"),
                    *("rejected_prediction_tokens", "image_tokens", "audio_tokens"),
                )
            },
            "web_search_requests": at(usage, "server_tool_use", "web_search_requests"),
        }
    )


def _tool_tokens(usage: Json, inputs: Json) -> object:
    """Return Gemini's tool prompt where the totals contain it.

    Of a search's LiteLLM leaves it out, because Google does not bill it; the sum of all has it
    then, and the difference is told by the check of that sum.
    """
    tool = inputs.get("tool_use_tokens")
    total, parts = usage.get("total_tokens"), ("prompt_tokens", "completion_tokens")
    counts = [usage.get(name) for name in parts]
    if isinstance(total, int) and all(isinstance(count, int) for count in counts):
        return tool if sum(count for count in counts if isinstance(count, int)) == total else None
    return None


def _native(iterations: Sequence[Json]) -> dict[str, object]:
    """Return the usage as Anthropic would report it, from its iterations alone."""
    own = [one for one in iterations if one.get("type") in _OWN_ITERATIONS]
    sums: dict[str, object] = {name: _sum(own, name) for name in _SUMMED}
    return {
        **sums,
        "cache_creation": {
            name: _sum(own, "cache_creation", name)
            for name in ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")
        },
        "output_tokens_details": {
            "thinking_tokens": _sum(own, "output_tokens_details", "thinking_tokens")
        },
        "iterations": list(iterations),
    }


def _sum(iterations: Sequence[Json], *path: str) -> int:
    counts = [at(one, *path) for one in iterations]
    return sum(count for count in counts if isinstance(count, int))


def response_id(answer_id: object, original: object) -> str | None:
    """Return the id that the provider gave the response; None if LiteLLM does not keep it.

    `original` is the provider's answer as text, if LiteLLM has it; nothing but the id is used.
    """
    if not isinstance(answer_id, str):
        return None
    if answer_id.startswith(_RESPONSES):
        return _of_responses(answer_id)
    if not _MADE_UP_ID.fullmatch(answer_id):
        return answer_id
    return response_id_of([_body(original)])


def _body(original: object) -> Json:
    """Return a provider's answer; empty if LiteLLM does not have it as JSON."""
    if not isinstance(original, str) or not original.startswith("{"):
        return {}
    try:
        body = json.loads(original)
    except ValueError:
        return {}
    return body if isinstance(body, Mapping) else {}


def _of_responses(answer_id: str) -> str:
    """Return the id inside the one that LiteLLM makes, so that it finds the provider again."""
    try:
        text = b64decode(answer_id.removeprefix(_RESPONSES), validate=True)
    except (ValueError, binascii.Error):
        return answer_id
    if not text.startswith(_RESPONSES_TEXT) or _RESPONSES_ID not in text:
        return answer_id
    return text.rpartition(_RESPONSES_ID)[2].decode(errors="replace")


def _object(holder: Json, *names: str) -> Json:
    found = _either(holder, *names)
    return found if isinstance(found, Mapping) else {}


def _either(holder: Json, *names: str) -> object:
    return next((value for name in names if (value := holder.get(name)) is not None), None)
