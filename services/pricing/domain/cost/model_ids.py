"""How providers and models are spelled in usage, and how in the table of prices."""

import re
from collections.abc import Collection, Iterator, Mapping

PROVIDERS: Mapping[str, str] = {
    "aws.bedrock": "aws",
    "azure.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex_ai": "google",
    "mistral_ai": "mistral",
    "x_ai": "x-ai",
    "xai": "x-ai",
}
"""OpenTelemetry's names of providers → the names of the table; others are the same in both."""

ALIASES: Mapping[str, str] = {
    "claude-3-5-haiku": "claude-3-5-haiku-latest",
    "claude-3-7-sonnet": "claude-3-7-sonnet-latest",
    "claude-3-opus": "claude-3-opus-latest",
    "claude-opus-4": "claude-opus-4-0",
    "claude-sonnet-4": "claude-sonnet-4-0",
}
"""Names of one and the same model that no rule derives from each other."""

_DATE = re.compile(r"[-@](?:20\d{2}-\d{2}-\d{2}|20\d{6})(?=$|-v\d|:)")
_REGION = re.compile(
    r"^(?:us-gov|us|eu|apac|jp|au|ca)\.(?=[a-z0-9])"
)  # global is cheaper: it stays
_VENDOR = re.compile(r"^(?:anthropic|amazon|meta|mistral|cohere|deepseek|openai|models)[./]")
_VERSION = re.compile(r"-v\d+(?::\d+)?$")


def canonical_provider(provider: str) -> str:
    """Return the name that the table of prices has for a provider; an unknown one stays as is."""
    return PROVIDERS.get(provider.lower(), provider.lower())


def normalise_model(model: str, known: Collection[str]) -> str:
    """Return the id in `known` that means `model`; a model that is none of them stays as it is.

    The nearest spelling wins, so that a price of its own for a dated or regional model is never
    replaced by that of its family.
    """
    for spelling in _spellings(model):
        if spelling in known:
            return spelling
    return model


def _spellings(model: str) -> Iterator[str]:
    """Yield ever less of an id: itself, without date, version, region, vendor; dots as dashes."""
    name = model.lower()
    yield model
    shortened = [name]
    for rule in (_DATE, _VERSION, _REGION, _VENDOR):
        shortened += [short for one in shortened if (short := rule.sub("", one)) != one]
    for one in shortened:
        yield one
        yield one.replace(".", "-")
        alias = ALIASES.get(one.replace(".", "-"))
        if alias is not None:
            yield alias
