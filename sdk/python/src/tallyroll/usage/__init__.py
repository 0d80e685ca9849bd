"""Raw usage of a provider → mutually exclusive token types. Pure: no I/O, no provider's SDK."""

from tallyroll.usage.lines import (
    FAILED,
    INFORMATIVE,
    MODALITY_ASSUMED,
    PARTIAL,
    UNKNOWN_FIELD,
    UNRECONCILED,
    UsageError,
    UsageLine,
)
from tallyroll.usage.normaliser import NORMALISER_VERSION, known_surfaces, normalise

__all__ = [
    "FAILED",
    "INFORMATIVE",
    "MODALITY_ASSUMED",
    "NORMALISER_VERSION",
    "PARTIAL",
    "UNKNOWN_FIELD",
    "UNRECONCILED",
    "UsageError",
    "UsageLine",
    "known_surfaces",
    "normalise",
]
