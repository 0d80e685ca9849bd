"""What people need to know of an issued invoice beside its state: a function of what Stripe holds.

Nothing of it comes from an event, so order and duplication of events cannot change it. Several
facts may hold at once: an invoice is partly paid and overdue.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Fact = Literal[
    "partly_paid",
    "overdue",
    "payment_failed",
    "finalization_failed",
    "disputed",
    "refunded",
    "refund_failed",
]

Facts = Mapping[Fact, str | None]
"""Each fact that holds, with its reason: a stable code, or None where the fact says it all."""

# The dispute that needs most is told: `disputed` has one reason.
_DISPUTE_ORDER = (
    "needs_response",
    "warning_needs_response",
    "under_review",
    "warning_under_review",
    "lost",
)
_UNPAID = frozenset({"open", "uncollectible"})


@dataclass(frozen=True)
class Refund:
    """A refund at Stripe; `amount_minor` in ISO 4217 minor units."""

    status: str
    amount_minor: int


@dataclass(frozen=True)
class Payments:
    """What Stripe holds of an invoice now; amounts in ISO 4217 minor units, tax included.

    `finalization_error` is the code of the last failed finalization, `dispute_statuses` are those
    of all disputes of its payments.
    """

    status: str
    paid_minor: int
    remaining_minor: int
    due_at: datetime | None
    attempted: bool
    finalization_error: str | None
    refunds: Sequence[Refund] = ()
    dispute_statuses: Sequence[str] = ()

    @property
    def refunded_minor(self) -> int:
        """What went back, or is on its way back."""
        returned = [one for one in self.refunds if one.status not in ("failed", "canceled")]
        return sum(one.amount_minor for one in returned)


def facts_of(payments: Payments, now: datetime) -> Facts:
    """Return the facts that hold at a time."""
    facts: dict[Fact, str | None] = {}
    if payments.status in _UNPAID and payments.paid_minor > 0:
        facts["partly_paid"] = None
    if payments.status == "open" and payments.due_at is not None and payments.due_at <= now:
        facts["overdue"] = None
    if payments.status == "open" and payments.attempted:
        facts["payment_failed"] = None
    if payments.status == "draft" and payments.finalization_error is not None:
        facts["finalization_failed"] = payments.finalization_error
    disputed = _dispute(payments.dispute_statuses)
    if disputed is not None:
        facts["disputed"] = disputed
    if payments.refunded_minor > 0:
        whole = payments.refunded_minor >= payments.paid_minor
        facts["refunded"] = "full" if whole else "partial"
    if any(one.status == "failed" for one in payments.refunds):
        facts["refund_failed"] = None
    return facts


def _dispute(statuses: Sequence[str]) -> str | None:
    if not statuses:
        return None
    return next((one for one in _DISPUTE_ORDER if one in statuses), min(statuses))


def news(before: Facts, after: Facts) -> list[tuple[Fact, str | None]]:
    """Return the facts to tell: those that hold now and did not, or for another reason.

    What no longer holds is not told: the state that ends it is (paid, void, issued).
    """
    return [
        (fact, reason)
        for fact, reason in after.items()
        if fact not in before or before[fact] != reason
    ]


WAITING: dict[Fact, frozenset[str | None] | None] = {
    "overdue": None,
    "payment_failed": None,
    "finalization_failed": None,
    "refund_failed": None,
    "disputed": frozenset({"needs_response", "warning_needs_response"}),
}
"""The facts that wait for a person, and for which reasons; None: for any."""


def waits_for_a_person(fact: Fact, reason: str | None) -> bool:
    """Tell whether somebody has to act."""
    if fact not in WAITING:
        return False
    reasons = WAITING[fact]
    return reasons is None or reason in reasons
