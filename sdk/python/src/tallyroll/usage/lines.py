"""What normalising returns, and how it refuses what it cannot be asked."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from tallyroll.event import Fault

UNRECONCILED = "unreconciled"
"""The counts contradict each other or the provider's totals, or cannot be read."""
PARTIAL = "partial"
"""The stream broke off: what is counted is what was known until then."""
UNKNOWN_FIELD = "unknown_field"
"""The provider counts something that this version does not know."""
MODALITY_ASSUMED = "modality_assumed"
"""Which modality was cached is not reported; text is taken to be cached first."""
FAILED = "failed"
"""An attempt that did not serve the response, whether it is billed or not."""
INFORMATIVE = "informative"
"""Counted by a hosted tool; the provider says that its billing records decide."""


@dataclass(frozen=True, slots=True)
class UsageLine:
    """What one model used for one request. Lines that count the same are equal."""

    model: str | None
    """As the response names it, else as the caller does; None if neither says."""
    tokens: dict[str, int] = field(default_factory=dict)
    """Mutually exclusive counts by token type, each 1 to 10^15; a type that is missing is 0.

    Empty if a count cannot be read or contradicts another: then nothing is known for certain.
    """
    units: dict[str, Decimal] = field(default_factory=dict)
    """Other quantities, exact and above 0."""
    flags: frozenset[str] = frozenset()
    line: int = field(default=0, compare=False)
    """Within the response: 0 is the main line, others keep their 1-based place in its list."""
    faults: tuple[Fault, ...] = field(default=(), compare=False)
    """Why the line is flagged, with the paths of the provider's fields."""


class UsageError(ValueError):
    """A call that cannot be answered; `faults` has every fault, at least one."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(f"{f.field}: {f.message} ({f.code})" for f in faults))
        self.faults = list(faults)

    @property
    def code(self) -> str:
        """The stable code of the first fault."""
        return self.faults[0].code
