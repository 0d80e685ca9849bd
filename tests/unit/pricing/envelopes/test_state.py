"""When a ledger is used up: told by what it has now, not by what it was given."""

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

import pytest

from services.pricing.domain.envelopes.balance import Raise, Spent, balance_of
from services.pricing.domain.envelopes.envelope import Ledger
from services.pricing.handlers.envelopes.state import forecast_of
from services.pricing.schemas.envelope import EnvelopeWrite

NOW = datetime(2026, 3, 11, 12, tzinfo=UTC)
FIRST = date(2026, 2, 1)
DAILY = {FIRST + timedelta(days=n): Fraction(10) for n in range(38)}
"""10 a day, up to March 10."""


@pytest.mark.parametrize(
    ("raised", "until", "repaid", "expected"),
    [
        (0, NOW + timedelta(days=9), 0, date(2026, 3, 21)),
        (50, NOW + timedelta(days=9), 0, date(2026, 3, 26)),
        (50, NOW - timedelta(days=1), 0, date(2026, 3, 21)),
        (0, NOW + timedelta(days=9), 50, date(2026, 3, 16)),
        (500, NOW + timedelta(days=9), 0, None),
    ],
    ids=["as given", "raised", "raise over", "repaid", "raised by much"],
)
def test_it_is_used_up_by_what_it_has(
    raised: int, until: datetime, repaid: int, expected: date | None
) -> None:
    """200 are used up on the 21st; with 50 more five days later, with 50 less five days sooner."""
    written = EnvelopeWrite.model_validate(
        {"scope": {"tenant": "acme"}, "amount": "200", "explore_share": "0"}
    )
    balance = balance_of(
        written.to_domain("x"),
        Ledger.RUN,
        Spent(Fraction(100), NOW, Fraction(repaid)),
        now=NOW,
        raises=[Raise(Ledger.RUN, Fraction(raised), until)],
    )

    found = forecast_of(balance, DAILY, NOW.date())

    assert found is not None
    assert ("310", expected) == (found.p50, found.exhausted_on)
