"""Context bands: classes of requests by their total input, the same for everybody.

Which price a long request has is decided for each request, so its class is counted with its
usage. A price book whose borders lie elsewhere could not be rated from what was counted.
"""

from fractions import Fraction

from shared.context_bands import BAND_ABOVE, CONTEXT_BANDS

BOUNDS: dict[str, Fraction | None] = {
    **{name: Fraction(upper) for name, upper in CONTEXT_BANDS},
    BAND_ABOVE: None,
}
"""Band → most input tokens in it, inclusive; None: open. Of unknown context there is no band."""

EDGES = frozenset(BOUNDS.values())


def band_of(input_tokens: Fraction) -> str:
    """Return the band of a request with so much input."""
    for name, bound in BOUNDS.items():
        if bound is None or input_tokens <= bound:
            return name
    raise AssertionError("the last band is open")
