"""What LangChain's answers say of usage and identity. Pure.

Source: `langchain_core.messages.ai.UsageMetadata` (langchain-core 1.8), whose totals contain their
parts; the keys of details that langchain-openai and langchain-anthropic add.
"""

from collections.abc import Mapping

from tallyroll.bridges.counting import CONVENTION_ASSUMED, Convention, line_of, stated
from tallyroll.bridges.providers import UNKNOWN, provider_of
from tallyroll.usage.lines import UsageLine
from tallyroll.usage.surface import Json

_TIERS = ("flex", "priority")
"""langchain-openai names details by the service tier: `priority_cache_read`; and `priority` is what
of the total is in none of them."""
_ANTHROPIC_TTLS = {"5m": "ephemeral_5m_input_tokens", "1h": "ephemeral_1h_input_tokens"}
"""langchain-anthropic puts these in place of `cache_creation`, which is 0 then."""
_MADE_UP_IDS = ("lc_", "run-")
"""How the ids begin that LangChain gives to messages without one."""


def line_of_message(usage: object, output: Json, model: str | None) -> UsageLine:
    """Return the line of one answer.

    `usage` is the message's `usage_metadata`. Without it, `output` (`LLMResult.llm_output`) may
    have OpenAI's counts, as models for plain text report them.
    """
    if isinstance(usage, Mapping):
        return line_of(_chat(usage), model)
    counted = output.get("token_usage")
    if isinstance(counted, Mapping) and counted:
        return line_of(counted, model, Convention(flags=frozenset({CONVENTION_ASSUMED})))
    return line_of(None, model)


def _chat(usage: Json) -> dict[str, object]:
    inputs = _object(usage.get("input_token_details"))
    outputs = _object(usage.get("output_token_details"))
    ttls = {ttl: inputs.get(name) for ttl, name in _ANTHROPIC_TTLS.items()}
    written = [inputs.get("cache_creation"), *ttls.values()]
    return stated(
        {
            "prompt_tokens": usage.get("input_tokens"),
            "completion_tokens": usage.get("output_tokens"),
            "total_tokens": usage.get("total_tokens"),
            "prompt_tokens_details": {
                **_unknown(
                    inputs, "audio", "cache_read", "cache_creation", *_ANTHROPIC_TTLS.values()
                ),
                "cached_tokens": _of_any_tier(inputs, "cache_read"),
                "cache_write_tokens": _added(written),
                "cache_write_ttls": ttls,
                "audio_tokens": inputs.get("audio"),
            },
            "completion_tokens_details": {
                **_unknown(outputs, "audio", "reasoning"),
                "reasoning_tokens": _of_any_tier(outputs, "reasoning"),
                "audio_tokens": outputs.get("audio"),
            },
        }
    )


def _of_any_tier(details: Json, name: str) -> object:
    return _added([details.get(name), *(details.get(f"{tier}_{name}") for tier in _TIERS)])


def _added(counts: list[object]) -> object:
    """Return the sum; what is no count as it is, for the check to tell."""
    told = [count for count in counts if count is not None]
    wrong = [count for count in told if type(count) is not int]
    return wrong[0] if wrong else sum(count for count in told if isinstance(count, int))


def _unknown(details: Json, *known: str) -> dict[str, object]:
    tiers = {*_TIERS, *(f"{tier}_{name}" for tier in _TIERS for name in known)}
    return {
        f"details.{name}": count
        for name, count in details.items()
        if name not in known and name not in tiers
    }


def response_id(metadata: Json, message_id: object, output: Json) -> str | None:
    """Return the id that the provider gave the response, if LangChain kept it."""
    for found in (metadata.get("id"), output.get("id"), message_id):
        if isinstance(found, str) and found and not found.startswith(_MADE_UP_IDS):
            return found
    return None


def model_of(metadata: Json, output: Json) -> str | None:
    """Return the model that answered."""
    for found in (metadata.get("model_name"), metadata.get("model"), output.get("model_name")):
        if isinstance(found, str) and found:
            return found
    return None


def provider_named(metadata: Json, asked: Json) -> str:
    """Return the provider, of the answer's metadata or that of the request."""
    named = metadata.get("model_provider") or asked.get("ls_provider")
    return provider_of(named) if named else UNKNOWN


def is_from_cache(usage: object) -> bool:
    """Tell whether LangChain's own cache answered: it sets the cost to 0 and leaves the counts."""
    return isinstance(usage, Mapping) and usage.get("total_cost") == 0


def _object(value: object) -> Json:
    return value if isinstance(value, Mapping) else {}
