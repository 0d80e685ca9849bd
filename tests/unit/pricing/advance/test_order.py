"""Which statement of a subscription comes next, and which day's seal it waits for."""

from datetime import date

import pytest

from services.pricing.domain.periods import Cycle, Period
from services.pricing.domain.subscription.terms import Terms
from services.pricing.domain.subscription.timeline import Timeline
from services.pricing.handlers.due import waits_for
from tests.support.pricing_values import NOVEMBER

DECEMBER = Period(date(2023, 12, 1), date(2024, 1, 1), 31)


@pytest.mark.parametrize(
    ("opens_on", "next_end", "day"),
    [
        (None, date(2023, 12, 1), date(2023, 11, 30)),
        (date(2023, 11, 1), date(2023, 12, 1), date(2023, 10, 31)),
        (date(2023, 11, 16), date(2023, 12, 1), date(2023, 11, 15)),
        # The trial ends with the period: that is closed first.
        (date(2023, 12, 1), date(2023, 12, 1), date(2023, 11, 30)),
        (date(2023, 11, 1), None, None),
    ],
)
def test_a_statement_waits_for_a_day(
    opens_on: date | None, next_end: date | None, day: date | None
) -> None:
    """An opening for the day before the first that is charged, a period for its last day."""
    assert day == waits_for(opens_on, next_end)


@pytest.mark.parametrize(
    ("trial_days", "ends_on", "ahead"),
    [
        (0, None, DECEMBER),
        (29, None, DECEMBER),
        # Its first charged day begins December: an opening brings December's fees.
        (30, None, None),
        (45, None, None),
        (0, date(2023, 11, 30), None),
        (0, date(2023, 12, 10), Period(date(2023, 12, 1), date(2023, 12, 11), 31)),
    ],
)
def test_a_period_is_charged_by_one_statement(
    trial_days: int, ends_on: date | None, ahead: Period | None
) -> None:
    """By the statement before, unless it ends there, or it is the first to be charged."""
    told = Timeline(
        date(2023, 11, 1), Cycle(1), Terms("b", "p"), ends_on=ends_on, trial_days=trial_days
    )

    assert ahead == told.period_ahead(NOVEMBER)
