"""From totals that contain their parts, or stand beside them, to mutually exclusive counts. Pure.

Frameworks report usage in forms of their own. Each bridge brings it into one, that of Chat
Completions with a few more details, and says which convention its source follows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial

from tallyroll.usage.lines import UsageLine
from tallyroll.usage.openai_chat import OWN, Dialect, count_chat
from tallyroll.usage.surface import Json, Surface, lines_of
from tallyroll.usage.tally import Tally

TTLS = ("5m", "30m", "1h", "12h")

CONVENTION_ASSUMED = "convention_assumed"
"""Nobody has looked at how this source counts: its totals are taken to contain their parts."""
CACHE_UNTOLD = "cache_untold"
"""The source does not say what was cached: it counts as uncached, or not at all."""
REASONING_UNTOLD = "reasoning_untold"
"""The source leaves thinking out of the output and does not say how much it was."""
MAYBE_ESTIMATED = "maybe_estimated"
"""The source may have counted the tokens itself, for want of what the provider reports."""


@dataclass(frozen=True)
class Convention:
    """How a source counts."""

    cached_beside: bool = False
    """Whether what was read from and written to the cache is beside the input, not inside."""
    reasoning_beside: bool = False
    """Whether thinking is beside the output, not inside."""
    flags: frozenset[str] = frozenset()


INCLUSIVE = Convention()


def line_of(usage: Json | None, model: str | None, convention: Convention = INCLUSIVE) -> UsageLine:
    """Return the line of one answer; one without counts if `usage` is None or cannot be read.

    `usage` has the fields of Chat Completions, and of `prompt_tokens_details` also
    `cache_write_ttls` ("5m" … of what was written) and `tool_tokens`; and `web_search_requests`.
    """
    body = {} if usage is None else {"usage": usage}
    (line,) = lines_of(_surface(convention), body, model, complete=True)
    return flagged(line, *convention.flags)


@lru_cache(maxsize=64)
def _surface(convention: Convention) -> Surface:
    dialect = Dialect(
        cached_beside=convention.cached_beside,
        reasoning_beside=convention.reasoning_beside,
        more=_count_more,
    )
    return Surface(partial(count_chat, dialect=dialect), own=OWN)


def flagged(line: UsageLine, *flags: str) -> UsageLine:
    """Return the line with these flags, too."""
    return replace(line, flags=line.flags | set(flags))


def stated(counts: Mapping[str, object]) -> dict[str, object]:
    """Return the counts that are stated."""
    return {name: count for name, count in counts.items() if count is not None}


def _count_more(tally: Tally) -> None:
    details = tally.usage.inner("prompt_tokens_details")
    ttls = details.inner("cache_write_ttls")
    for ttl in TTLS:
        written = ttls.count(ttl)
        tally.add(f"input_cache_write_{ttl}", written)
        tally.add("input_cache_write", -written)
    tool = details.count("tool_tokens")
    tally.add("input_tool", tool)
    tally.add("input_uncached", -tool)
    tally.add_unit("web_search_requests", tally.usage.beside().count("web_search_requests"))
