"""An envelope of 1,000 dollars a month, 200 of them to explore, a tenth in overdraft."""

from datetime import UTC, datetime
from fractions import Fraction

from services.pricing.domain.envelopes.balance import Balance, Hold, Raise, Spent, balance_of
from services.pricing.domain.envelopes.envelope import Envelope, Ledger, Scope

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
ENVELOPE = Envelope(
    "platform", Scope(team="platform"), "month", Fraction(1_000), Fraction(1, 5), Fraction(1, 10)
)


def dollars(*amounts: int | str) -> tuple[Fraction, ...]:
    """Return exact amounts."""
    return tuple(map(Fraction, amounts))


def balance(
    metered: int | Fraction = 0,
    *,
    ledger: Ledger = Ledger.RUN,
    spent: Spent | None = None,
    raises: tuple[Raise, ...] = (),
    holds: tuple[Hold, ...] = (),
    envelope: Envelope = ENVELOPE,
) -> Balance:
    """Return a ledger of which so much was metered just now."""
    spent = spent or Spent(Fraction(metered), NOW)
    return balance_of(envelope, ledger, spent, now=NOW, raises=raises, holds=holds)
