"""Context bands: classes of requests by their total input, counted with usage and priced by it."""

from bisect import bisect_left

CONTEXT_BANDS: tuple[tuple[str, int], ...] = (
    ("32k", 32_000),
    ("64k", 64_000),
    ("128k", 128_000),
    ("200k", 200_000),
    ("256k", 256_000),
    ("272k", 272_000),
    ("512k", 512_000),
    ("1M", 1_000_000),
)
"""Context bands by total input tokens of a request, upper bound inclusive, decimal thousands."""

BAND_ABOVE = "above"
BAND_UNKNOWN = "unknown"
_BANDS = (*(name for name, _ in CONTEXT_BANDS), BAND_ABOVE)
_UPPER_BOUNDS = tuple(upper for _, upper in CONTEXT_BANDS)


def context_band(context_input_tokens: int | None) -> str:
    """Return the band of a request's total input; unknown when nobody said it."""
    if context_input_tokens is None:
        return BAND_UNKNOWN
    return _BANDS[bisect_left(_UPPER_BOUNDS, context_input_tokens)]
