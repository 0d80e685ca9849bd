"""The mutually exclusive token types that an event may count."""

TOKEN_TYPES: tuple[str, ...] = (
    "input_uncached",
    "input_cache_read",
    "input_cache_write",
    "input_cache_write_5m",
    "input_cache_write_30m",
    "input_cache_write_1h",
    "input_cache_write_12h",
    "input_tool",
    "output_text",
    "output_reasoning",
    "output_citation",
)
KNOWN_TOKEN_TYPES = frozenset(TOKEN_TYPES)

_INPUT_HINT = (
    "say how the tokens were served: input_uncached for fresh input, input_cache_read for what "
    "came from the cache, input_cache_write_… for what was written to it"
)
_OUTPUT_HINT = (
    "say what the tokens are: output_text for the answer without thinking, output_reasoning for "
    "thinking"
)
AMBIGUOUS_TOKEN_TYPES: dict[str, str] = {
    **dict.fromkeys(("input", "input_tokens", "prompt", "prompt_tokens"), _INPUT_HINT),
    **dict.fromkeys(("output", "output_tokens", "completion", "completion_tokens"), _OUTPUT_HINT),
}
"""Names that providers use with and without the cached or thinking part: a hint for each."""
