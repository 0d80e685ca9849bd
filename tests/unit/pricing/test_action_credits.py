"""Credits for actions."""

from fractions import Fraction

import pytest

from services.pricing.domain.charges.action_credits import ActionCredits
from services.pricing.domain.rating import rate_period
from services.pricing.domain.readings import Readings
from shared.money import exact
from tests.support.pricing_values import TOKENS, amounts, charged, sentences, terms

FLEX = ActionCredits(Fraction(10_000), Fraction(20), exact("0.005"))
KIND = "meter:action-tokens@1"


@pytest.mark.parametrize(
    ("actions", "blocks"),
    [((), 0), (("1",), 1), (("10000",), 1), (("10001",), 2), (("4000", "4000"), 2)],
)
def test_each_action_is_rounded_up_on_its_own(actions: tuple[str, ...], blocks: int) -> None:
    """Two small actions are two blocks: they are not added before they are rounded."""
    values = [exact(units) for units in actions]

    assert blocks == FLEX.blocks(values)
    assert Fraction(blocks, 10) == sum(amounts(FLEX.price_events(values, TOKENS)), Fraction(0))


def test_the_step_tells_credits_and_their_value() -> None:
    """A customer sees actions, blocks, credits and money."""
    steps = FLEX.price_events([exact("10001")], TOKENS)

    assert ["1 actions in blocks of 10,000: 40 credits at 0.005 USD each"] == sentences(steps)


def test_it_is_rated_from_the_events_of_a_meter() -> None:
    """The line's quantity is what the actions used."""
    read = Readings(events={KIND: (Fraction(4000), Fraction(4000))})

    rated = rate_period(terms(charged(FLEX, KIND)), [], read)

    assert (Fraction(8000), exact("0.2")) == (rated.lines[0].quantity, rated.total)


def test_rounding_the_sum_would_be_caught() -> None:
    """Ceil of the sum is one block where two are due."""
    assert FLEX.blocks([Fraction(8000)]) != FLEX.blocks([Fraction(4000), Fraction(4000)])
