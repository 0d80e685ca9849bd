"""Why a draft does not go out yet: its vendor's grace period, or an approval that is missing."""

from dataclasses import dataclass
from datetime import datetime

GRACE_PERIOD = "grace_period"
APPROVAL_MISSING = "approval_missing"
HOLD_REASONS = frozenset({GRACE_PERIOD, APPROVAL_MISSING})


@dataclass(frozen=True)
class Hold:
    """What a draft waits for: a person if `approval`, else until a time; both end by a release."""

    until: datetime
    approval: bool
    released_at: datetime | None = None

    def reason(self, now: datetime) -> str | None:
        """Return why the draft waits at a time; None: it goes on."""
        if self.released_at is not None:
            return None
        if self.approval:
            return APPROVAL_MISSING
        return GRACE_PERIOD if now < self.until else None
