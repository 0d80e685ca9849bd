"""Which provider stands behind an address that OpenAI's client is pointed at.

Sources of the addresses: `openai._data_residency` (openai 3.57) and `groq` 1.7; else the providers'
documentation: Azure "API lifecycle" and "Azure Government", api-docs.deepseek.com,
openrouter.ai/docs, docs.x.ai "Regional endpoints", docs.perplexity.ai "OpenAI compatibility",
console.groq.com/docs/openai, docs.mistral.ai, docs.snowflake.com "Cortex Chat Completions API".
"""

_AZURE = "azure.ai.openai"

HOSTS: dict[str, str] = {
    "api.openai.com": "openai",
    ".api.openai.com": "openai",
    ".openai.azure.com": _AZURE,
    ".openai.azure.us": _AZURE,
    ".cognitiveservices.azure.com": _AZURE,
    ".cognitiveservices.azure.us": _AZURE,
    ".services.ai.azure.com": _AZURE,
    "api.deepseek.com": "deepseek",
    "openrouter.ai": "openrouter",
    "api.x.ai": "x_ai",
    ".api.x.ai": "x_ai",
    "api.perplexity.ai": "perplexity",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral_ai",
    ".snowflakecomputing.com": "snowflake",
    ".snowflakecomputing.cn": "snowflake",
}
"""Host → provider; what begins with a dot stands for all below it."""

SAYS_UNASKED = frozenset({"groq", "mistral_ai", "openrouter", "perplexity"})
"""Providers whose streams have usage without being asked for it: Groq in `x_groq` of the last
chunk, the others in `usage`. Mistral refuses `stream_options` with 422 `extra_forbidden`
(github.com/openai/openai-agents-python/issues/442)."""


_REGIONAL = (".api.openai.com", ".api.x.ai")
"""Domains whose hosts are named after the region that serves, which can have a price of its own."""


def region_at(host: str) -> str | None:
    """Return the region that a host serves from, None if its name does not say."""
    host = host.lower().rstrip(".")
    return next((host.removesuffix(one) for one in _REGIONAL if host.endswith(one)), None)


def provider_at(host: str) -> str | None:
    """Return the provider behind a host, None if it is none that is known for certain."""
    host = host.lower().rstrip(".")
    if (found := HOSTS.get(host)) is not None:
        return found
    while "." in host:
        host = host.partition(".")[2]
        if (found := HOSTS.get(f".{host}")) is not None:
            return found
    return None
