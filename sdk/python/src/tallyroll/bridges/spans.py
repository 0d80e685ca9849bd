"""What the attributes of a GenAI span say, in every spelling that they had. Pure.

Only what is named here is read: prompts and answers, which spans may carry, never are. Source:
https://github.com/open-telemetry/semantic-conventions-genai, and the incubating attributes of
opentelemetry-semantic-conventions 0.66b2; `llm.*` are those of older releases of OpenLLMetry.
"""

from collections.abc import Mapping
from typing import Literal

from tallyroll.bridges.counting import stated
from tallyroll.bridges.providers import identifier, provider_of

Attributes = Mapping[str, object]
Kind = Literal["generation", "embeddings"]

_INFERENCES: dict[object, Kind] = {
    "chat": "generation",
    "generate_content": "generation",
    "text_completion": "generation",
    "embeddings": "embeddings",
}
_OLD_INFERENCES: dict[object, Kind] = {
    "chat": "generation",
    "completion": "generation",
    "text_completion": "generation",
    "responses": "generation",
    "anthropic_messages": "generation",
    "embedding": "embeddings",
}
"""Of `llm.request.type`: of OpenLLMetry, and of LiteLLM, whose async calls have an `a` before."""
_AGENTS = ("invoke_agent", "invoke_workflow")
_OPERATION = "gen_ai.operation.name"
_OLD_OPERATION = "llm.request.type"
_PROVIDER = ("gen_ai.provider.name", "gen_ai.system")
_ERROR = ("error.type",)
_USAGE = "gen_ai.usage."
_INPUT = (f"{_USAGE}input_tokens", f"{_USAGE}prompt_tokens")
_OUTPUT = (f"{_USAGE}output_tokens", f"{_USAGE}completion_tokens")
_CACHE_READ = (f"{_USAGE}cache_read.input_tokens", f"{_USAGE}cache_read_input_tokens")
_CACHE_WRITE = (
    f"{_USAGE}cache_write.input_tokens",
    f"{_USAGE}cache_creation.input_tokens",
    f"{_USAGE}cache_creation_input_tokens",
)
_REASONING = (
    f"{_USAGE}reasoning.output_tokens",
    f"{_USAGE}reasoning_tokens",
    "llm.usage.reasoning_tokens",
)
_SERVICE_TIER = ("openai.response.service_tier", "gen_ai.openai.response.service_tier")
_AGENT = ("gen_ai.agent.name", "gen_ai.agent.id")
_TAGS = {
    "session": "gen_ai.conversation.id",
    "workflow": "gen_ai.workflow.name",
    "agent_version": "gen_ai.agent.version",
}
_TAG_CHARACTERS_MAX = 500
CACHE_HIT = "litellm.cache_hit"
"""LiteLLM's span of an answer out of its own cache: nothing was used."""


def kind_of(attributes: Attributes) -> Kind | None:
    """Return what kind of inference a span is; None if it is none.

    Agents and workflows repeat what the inferences in them used.
    """
    if attributes.get(CACHE_HIT) is True:
        return None
    if (operation := attributes.get(_OPERATION)) is not None:
        return _INFERENCES.get(operation)
    old = attributes.get(_OLD_OPERATION)
    if not isinstance(old, str):
        return None
    return _OLD_INFERENCES.get(old) or _OLD_INFERENCES.get(old.removeprefix("a"))


def is_agent(attributes: Attributes) -> bool:
    """Tell whether a span is a run of an agent or a workflow."""
    return attributes.get(_OPERATION) in _AGENTS


def agent_of(attributes: Attributes) -> str | None:
    """Return who acts, if the span says so, as an event can name it."""
    return identifier(_text(attributes, _AGENT) or "") or None


def provider_named(attributes: Attributes) -> str:
    """Return the provider of an event."""
    return provider_of(_first(attributes, _PROVIDER))


def error_of(attributes: Attributes) -> str | None:
    """Return the kind of error that a span ended with, if it says so."""
    return _text(attributes, _ERROR)


def tells_cache(attributes: Attributes) -> bool:
    """Tell whether a span says what was cached, be it nothing."""
    return any(name in attributes for name in (*_CACHE_READ, *_CACHE_WRITE))


def usage_of(attributes: Attributes, kind: Kind) -> dict[str, object] | None:
    """Return the usage of an inference in the form of Chat Completions; None if it has none."""
    totals = {
        "prompt_tokens": _first(attributes, _INPUT),
        "completion_tokens": _first(attributes, _OUTPUT),
    }
    if all(total is None for total in totals.values()):
        return None
    if kind == "embeddings" and totals["completion_tokens"] is None:
        totals["completion_tokens"] = 0
    return {
        **totals,
        "prompt_tokens_details": stated(
            {
                "cached_tokens": _first(attributes, _CACHE_READ),
                "cache_write_tokens": _first(attributes, _CACHE_WRITE),
                **_modalities(attributes, "input"),
            }
        ),
        "completion_tokens_details": stated(
            {
                "reasoning_tokens": _first(attributes, _REASONING),
                **_modalities(attributes, "output"),
            }
        ),
    }


def answer_of(attributes: Attributes) -> dict[str, object]:
    """Return what the span says of the response: its id, and what its price depends on."""
    return stated(
        {
            "id": _text(attributes, ("gen_ai.response.id",)),
            "service_tier": _text(attributes, _SERVICE_TIER),
        }
    )


def models_of(attributes: Attributes) -> tuple[str | None, str | None]:
    """Return the model that answered, and the one that was asked for."""
    return _text(attributes, ("gen_ai.response.model",)), _text(
        attributes, ("gen_ai.request.model",)
    )


def tags_of(attributes: Attributes) -> dict[str, str]:
    """Return what else the span says of its place in the program."""
    found = {tag: _text(attributes, (name,)) or "" for tag, name in _TAGS.items()}
    return {
        tag: text
        for tag, text in found.items()
        if 0 < len(text) <= _TAG_CHARACTERS_MAX and text.isprintable()  # else the server refuses it
    }


def _modalities(attributes: Attributes, side: str) -> dict[str, object]:
    return {
        f"{one}_tokens": attributes.get(f"{_USAGE}{one}.{side}_tokens")
        for one in ("text", "image", "audio")
    }


def _first(attributes: Attributes, names: tuple[str, ...]) -> object:
    found = (attributes.get(name) for name in names)
    return next((value for value in found if value is not None), None)


def _text(attributes: Attributes, names: tuple[str, ...]) -> str | None:
    value = _first(attributes, names)
    return value if isinstance(value, str) and value else None
