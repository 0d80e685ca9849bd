"""Which kinds of usage are tokens, and which part of a call they are."""

TOKEN_PARTS: dict[str, str] = {
    "input_uncached": "fresh_input",
    "input_tool": "fresh_input",
    "input_cache_read": "cache_read",
    "input_cache_write": "cache_write",
    "input_cache_write_5m": "cache_write",
    "input_cache_write_30m": "cache_write",
    "input_cache_write_1h": "cache_write",
    "input_cache_write_12h": "cache_write",
    "output_text": "output",
    "output_citation": "output",
    "output_reasoning": "reasoning",
}
"""Token type → part. Every other kind is a unit or the value of a meter, and no tokens."""

PARTS = tuple(dict.fromkeys(TOKEN_PARTS.values()))
