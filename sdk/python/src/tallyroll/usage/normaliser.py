"""From what a provider reports to exclusive token types, by provider and surface."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import count

from tallyroll.event import Fault
from tallyroll.usage import (
    anthropic,
    bedrock,
    cohere,
    gemini,
    groq,
    mistral,
    openai_chat,
    openai_media,
    openai_sessions,
    perplexity,
    responses,
    x_ai,
)
from tallyroll.usage.fields import MAPPINGS
from tallyroll.usage.lines import UsageError, UsageLine
from tallyroll.usage.surface import Folded, Json, Surface, lines_of

NORMALISER_VERSION = 1
"""Rises when the same payload would give other lines."""

_OPENAI: dict[str, Surface] = {
    "chat": openai_chat.OPENAI,
    "responses": responses.OPENAI,
    "realtime": openai_sessions.REALTIME,
    "embeddings": openai_media.EMBEDDINGS,
    "transcription": openai_media.TRANSCRIPTION,
    "images": openai_media.IMAGES,
}
_GEMINI: dict[str, Surface] = {
    "generate_content": gemini.GENERATE_CONTENT,
    "live": gemini.LIVE,
    "embeddings": gemini.EMBEDDINGS,
}
_SNOWFLAKE: dict[str, Surface] = {"chat": openai_chat.SNOWFLAKE}

SURFACES: Mapping[str, Mapping[str, Surface | Callable[[str | None], Surface]]] = {
    "anthropic": {"messages": anthropic.SURFACE},
    "aws.bedrock": {
        "converse": bedrock.CONVERSE,
        "invoke_model": bedrock.invoke_model,
        "messages": bedrock.MESSAGES,
    },
    "azure.ai.openai": _OPENAI,
    "cohere": {"chat": cohere.CHAT, "embeddings": cohere.SINGLE, "rerank": cohere.SINGLE},
    "deepseek": {"chat": openai_chat.DEEPSEEK},
    "gcp.gemini": _GEMINI,
    "gcp.vertex_ai": {**_GEMINI, "messages": anthropic.SURFACE},
    "groq": {"chat": groq.SURFACE, "embeddings": openai_media.EMBEDDINGS},
    "mistral_ai": {
        "chat": mistral.CHAT,
        "responses": responses.PLAIN,
        "embeddings": openai_media.EMBEDDINGS,
        "transcription": mistral.TRANSCRIPTION,
        "ocr": mistral.OCR,
        "conversations": mistral.CONVERSATIONS,
    },
    "openai": {**_OPENAI, "live": openai_sessions.LIVE},
    "openrouter": {"chat": openai_chat.OPENROUTER},
    "perplexity": {"chat": perplexity.CHAT, "embeddings": openai_media.EMBEDDINGS},
    "snowflake": _SNOWFLAKE,
    "snowflake.cortex": _SNOWFLAKE,
    "x_ai": {"chat": x_ai.CHAT, "responses": x_ai.RESPONSES, "grpc": x_ai.GRPC},
}
"""Provider → surface → its rules; the names are those of OpenTelemetry where it has some."""


def normalise(
    *,
    provider: str,
    api_surface: str,
    payload: Mapping[str, object] | None = None,
    chunks: Iterable[Mapping[str, object]] | None = None,
    model: str | None = None,
) -> list[UsageLine]:
    """Return the usage of one answer as lines of mutually exclusive token types.

    `payload` is the answer as the provider's JSON or its SDK's `model_dump()` gives it, or only
    the usage in it; `chunks` are all that came of a stream, in order. `model` is what was asked
    for. What the provider got wrong is a flagged line with `faults`, never another count.

    Raises UsageError with all faults if the call cannot be answered: `unknown_provider`,
    `unknown_api_surface`, `unknown_model_vendor` (Bedrock's `invoke_model`), `missing_payload`,
    `ambiguous_payload`, `invalid_payload`, `invalid_chunk`, `no_stream`, `invalid_model`.
    """
    told, faults = _told(chunks)
    faults += [*_payload_faults(payload, chunks), *_model_faults(model)]
    surface = None
    try:
        surface = _surface(provider, api_surface, model)
    except UsageError as error:
        faults = [*error.faults, *faults]
    if surface and told is not None and surface.fold is None:
        message = f"{provider} does not stream {api_surface}"
        faults.append(Fault("no_stream", "chunks", message))
    if faults or surface is None:
        raise UsageError(faults)
    if told is None:
        assert payload is not None
        return lines_of(surface, payload, model, complete=True)
    assert surface.fold is not None
    folded = surface.fold(told) or [Folded({}, complete=False)]
    return _numbered([lines_of(surface, f.body, model, complete=f.complete) for f in folded])


def known_surfaces() -> dict[str, list[str]]:
    """Return what can be normalised: provider → its surfaces, sorted."""
    return {provider: sorted(surfaces) for provider, surfaces in sorted(SURFACES.items())}


def _surface(provider: str, api_surface: str, model: str | None) -> Surface:
    surfaces = SURFACES.get(provider) if isinstance(provider, str) else None
    if surfaces is None:
        message = f"{provider!r} is not known; known are {', '.join(sorted(SURFACES))}"
        raise UsageError([Fault("unknown_provider", "provider", message)])
    surface = surfaces.get(api_surface) if isinstance(api_surface, str) else None
    if surface is None:
        known = ", ".join(sorted(surfaces))
        message = f"{api_surface!r} is not known of {provider}; known are {known}"
        raise UsageError([Fault("unknown_api_surface", "api_surface", message)])
    if isinstance(surface, Surface):
        return surface
    return surface(model if isinstance(model, str) else None)


def _told(chunks: object) -> tuple[list[Json] | None, list[Fault]]:
    """Return the chunks as a list, and what is wrong with them; None if there are none."""
    if chunks is None:
        return None, []
    if isinstance(chunks, Mapping | str | bytes) or not isinstance(chunks, Iterable):
        return [], [Fault("invalid_payload", "chunks", "must be an iterable of mappings")]
    told = list(chunks)
    wrong = [at for at, chunk in enumerate(told) if not isinstance(chunk, MAPPINGS)]
    return told, [Fault("invalid_chunk", f"chunks[{at}]", "must be a mapping") for at in wrong]


def _payload_faults(payload: object, chunks: object) -> list[Fault]:
    if (payload is None) == (chunks is None):
        code = "missing_payload" if payload is None else "ambiguous_payload"
        return [Fault(code, "payload", "give either payload or chunks")]
    if payload is None or isinstance(payload, MAPPINGS):
        return []
    return [Fault("invalid_payload", "payload", "must be a mapping, such as model_dump() gives")]


def _model_faults(model: object) -> list[Fault]:
    valid = model is None or (isinstance(model, str) and model)
    return [] if valid else [Fault("invalid_model", "model", "must be text, or None")]


def _numbered(answers: list[list[UsageLine]]) -> list[UsageLine]:
    """Return the lines of all answers of a stream; if there are several, by their place in it."""
    if len(answers) == 1:
        return answers[0]
    numbers = count()
    return [replace(line, line=next(numbers)) for lines in answers for line in lines]
