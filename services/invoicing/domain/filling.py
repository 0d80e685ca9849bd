"""What a draft at Stripe still lacks while it is being filled."""

from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True)
class LineComparison:
    """Which of our lines a draft lacks, and whether it holds anything that is not ours."""

    missing: tuple[str, ...]
    unexpected: bool


def compare_lines(
    expected: tuple[tuple[str, int], ...], observed: tuple[tuple[str | None, int], ...]
) -> LineComparison:
    """Compare the lines of a draft that is being filled; `missing` keeps our order."""
    held = Counter(observed)
    return LineComparison(
        missing=tuple(key for key, amount in expected if not held[(key, amount)]),
        unexpected=bool(held - Counter(expected)),
    )
