"""What others call a provider, and what an event calls it; and names that an event can have."""

import re

UNKNOWN = "unknown"
NAME_CHARACTERS_MAX = 128
_NO_NAME = re.compile(r"[^A-Za-z0-9_.:/@+-]+")
"""What the server takes in no name."""

_KNOWN_AS = {
    "anthropic": ("anthropic_text",),
    "aws.bedrock": (
        *("amazon_bedrock", "aws", "aws_bedrock", "bedrock", "bedrock_converse"),
        *("bedrock_runtime",),
    ),
    "azure.ai.inference": ("az.ai.inference", "azure_ai"),
    "azure.ai.openai": ("az.ai.openai", "azure", "azure_openai", "azure_text", "azureopenai"),
    "cohere": ("cohere_chat",),
    "gcp.gemini": ("gemini", "google", "google_ai_studio", "google_genai", "google_generativeai"),
    "gcp.vertex_ai": (
        *("google_anthropic_vertex", "google_vertexai", "vertex", "vertex_ai", "vertex_ai_beta"),
        *("vertexai", "vertexanthropic"),
    ),
    "mistral_ai": ("codestral", "mistral", "mistralai"),
    "openai": ("chatgpt", "text-completion-openai"),
    "perplexity": ("perplexity_ai",),
    "x_ai": ("xai",),
}
"""Sources: OpenTelemetry's `gen_ai.system` and `gen_ai.provider.name` in every spelling that they
had (opentelemetry-semantic-conventions 0.66b2), `litellm.types.utils.LlmProviders` (litellm 1.110),
`ls_provider` and `model_provider` of the LangChain packages, and Vercel's `provider_name`."""
_OURS = {alias: ours for ours, aliases in _KNOWN_AS.items() for alias in aliases}


def provider_of(name: object) -> str:
    """Return the provider of an event: in OpenTelemetry's spelling, or as it is if it has none."""
    if not isinstance(name, str):
        return UNKNOWN
    lower = identifier(name).lower()
    return _OURS.get(lower, lower) or UNKNOWN


def identifier(name: str) -> str:
    """Return a name as an event can have it: what the server takes in no name becomes a dash."""
    return _NO_NAME.sub("-", name).strip("-")[:NAME_CHARACTERS_MAX]
