"""How each instrumentation counts, by its scope and version. Pure.

The semantic conventions want totals that contain their parts; not every instrumentation keeps to
them. A row says what its source says of the versions it names, and where that was read.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from tallyroll.bridges.counting import (
    CACHE_UNTOLD,
    CONVENTION_ASSUMED,
    REASONING_UNTOLD,
    Convention,
)

Cache = Literal["told", "untold", "sometimes"]
"""Whether spans say what was cached; "sometimes": those that say nothing may have cached, too."""

_RELEASE = re.compile(r"v?(\d+(?:\.\d+)*)(?:[.-]?(a|b|rc|dev)(\d*))?")


@dataclass(frozen=True)
class Row:
    """What holds of one scope's spans, from one version on and before another."""

    scope: str
    source: str
    since: str | None = None
    before: str | None = None
    checked: str | None = None
    """The last version that was looked at, where a later one may well count differently."""
    provider: str | None = None
    """Of the spans that this row is for; None: of any."""
    cached_beside: bool = False
    cache: Cache = "told"
    reasoning_untold: bool = False


_CONTRIB = "https://github.com/open-telemetry/opentelemetry-python-contrib"
_GENAI = "https://github.com/open-telemetry/opentelemetry-python-genai"
_OPENLLMETRY = "https://github.com/traceloop/openllmetry"
_LOGFIRE = "https://github.com/pydantic/logfire/pull/1812"

ROWS: tuple[Row, ...] = (
    Row(
        "opentelemetry.instrumentation.anthropic",
        f"{_OPENLLMETRY}/pull/2175, released with 0.33.4; before it Anthropic's own input_tokens",
        before="0.33.4",
        cache="untold",
    ),
    Row(
        "opentelemetry.instrumentation.anthropic",
        "0.33.4 and 0.55.0, __init__.py: prompt_tokens + cache_read_tokens + cache_creation_tokens",
        since="0.33.4",
    ),
    Row(
        "opentelemetry.instrumentation.bedrock",
        f"{_OPENLLMETRY}/issues/4449; 0.62.4, span_utils.converse_usage_record: inputTokens as is",
        checked="0.62.4",
        cached_beside=True,
        cache="sometimes",
    ),
    Row(
        "opentelemetry.instrumentation.openai.v1",
        "0.62.4, shared/__init__.py and v1/responses_wrappers.py: OpenAI's own totals",
        cache="sometimes",
    ),
    Row(
        "opentelemetry.instrumentation.openai_v2",
        f"2.4b0, patch.py: OpenAI's own totals; {_GENAI}/pull/662 tells the cache in its successor",
        cache="untold",
    ),
    Row(
        "opentelemetry.instrumentation.genai.openai",
        f"{_GENAI}/pull/613, 662, 680, all in 1.2b0, the first with this scope ({_GENAI}/pull/632)",
        since="1.2b0",
    ),
    Row(
        "opentelemetry.instrumentation.genai.anthropic",
        "1.3b0, messages_extractors.py: input + cache_creation + cache_read",
    ),
    Row(
        "opentelemetry.instrumentation.genai.bedrock",
        "1.3b0, extractors.py and stream.py: Bedrock's own inputTokens",
        checked="1.3b0",
        cached_beside=True,
        cache="sometimes",
    ),
    Row(
        "opentelemetry.util.genai.handler",
        f"scope of all of them before 1.2b0 ({_GENAI}/pull/632); chats without cache: pull/662",
        provider="openai",
        cache="sometimes",
    ),
    Row(
        "opentelemetry.util.genai.handler",
        f"scope of all of them before 1.2b0 ({_GENAI}/pull/632); Gemini's thinking: pull/283",
    ),
    Row(
        "opentelemetry.instrumentation.botocore.bedrock-runtime",
        f"{_CONTRIB}/pull/4615; 0.66b2, extensions/bedrock.py: inputTokens as is, no version told",
        cached_beside=True,
        cache="sometimes",
    ),
    Row(
        "opentelemetry.instrumentation.google_genai",
        f"{_CONTRIB}/issues/3890, 4159; 0.7b0, generate_content.py: prompt and candidates only",
        before="1.0b0",
        cache="untold",
        reasoning_untold=True,
    ),
    Row(
        "logfire.anthropic",
        f"{_LOGFIRE}; 4.30.0, anthropic.py: Anthropic's own input_tokens",
        before="4.31.0",
        cache="untold",
    ),
    Row(
        "logfire.anthropic",
        f"{_LOGFIRE}; 4.31.0, anthropic.py: the sum of all input, no parts",
        since="4.31.0",
        cache="untold",
    ),
    Row(
        "logfire.openai",
        "4.31.0, openai.py: OpenAI's own totals, no parts",
        cache="untold",
    ),
    Row(
        "pydantic-ai",
        "https://github.com/pydantic/pydantic-ai/issues/4364: genai-prices sums all input",
    ),
    Row(
        "litellm",
        "litellm 1.110, integrations/opentelemetry.py: its own Usage; see the LiteLLM bridge",
        cache="sometimes",
    ),
)


@lru_cache(maxsize=256)
def convention_of(
    scope: str, version: str | None, provider: str, *, tells_cache: bool
) -> Convention:
    """Return how spans of this scope count.

    If it is none we know: as the semantic conventions say, and flagged. `tells_cache`: whether
    this span says what was cached.
    """
    for row in ROWS:
        if row.scope == scope and row.provider in (None, provider) and _covers(row, version):
            return _convention(row, version, tells_cache=tells_cache)
    return Convention(flags=frozenset({CONVENTION_ASSUMED}))


def _convention(row: Row, version: str | None, *, tells_cache: bool) -> Convention:
    flags = set()
    if row.cache != "told" and not tells_cache:
        flags.add(CACHE_UNTOLD)
    if row.reasoning_untold:
        flags.add(REASONING_UNTOLD)
    number = release(version)
    if row.checked and (number is None or number > _known(row.checked)):
        flags.add(CONVENTION_ASSUMED)
    return Convention(cached_beside=row.cached_beside, flags=frozenset(flags))


def _covers(row: Row, version: str | None) -> bool:
    if row.since is None and row.before is None:
        return True
    number = release(version)
    if number is None:
        return False
    return (row.since is None or number >= _known(row.since)) and (
        row.before is None or number < _known(row.before)
    )


Release = tuple[tuple[int, ...], bool, str, int]


def release(version: str | None) -> Release | None:
    """Return a version in the order of releases: 1.0b0 before 1.0; None if it cannot be read."""
    found = _RELEASE.match(version or "")
    if found is None:
        return None
    numbers = [int(part) for part in found[1].split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    label = found[2] or ""
    label = {"dev": ".dev"}.get(label, label)  # before a, b and rc
    return tuple(numbers), not label, label, int(found[3] or 0)


def _known(version: str) -> Release:
    number = release(version)
    assert number is not None
    return number
