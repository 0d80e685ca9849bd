"""Costs of many days: the same as one by one, whatever changes between them."""

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from services.pricing.domain.cost.overlay import OverlayPrice
from services.pricing.domain.cost.prices import PriceTable, Source, UnitPrice
from services.pricing.domain.cost.provider_cost import ProviderPrices
from services.pricing.domain.growth.costs import DayCosts
from services.pricing.domain.usage import Usage

FIRST = date(2023, 11, 1)
DAYS = [FIRST + timedelta(days=n) for n in range(10)]
ITSELF = Usage(
    *("own", "", "model", "output_text", "32k", "", "false", "", "", "", ""), FIRST, Fraction(0)
)


def _price(first: int, end: int, amount: str) -> OverlayPrice:
    return OverlayPrice(
        position=first,
        source=Source.CONTRACT,
        provider="own",
        model="model",
        kind="output_text",
        service_tier=None,
        batch=None,
        speed=None,
        effective_from=DAYS[first],
        effective_to=DAYS[end],
        price=UnitPrice(Fraction(amount), ()),
    )


PRICES = ProviderPrices(PriceTable({}, {}), [_price(0, 3, "1/3"), _price(7, 9, "2/3")])


@given(st.lists(st.decimals(0, 10**15, places=9), min_size=10, max_size=10))
def test_each_day_has_its_price(quantities: list[Decimal]) -> None:
    """Three days at a third of a dollar, none for four, two at two thirds, none for the last."""
    cost, unpriced = DayCosts(PRICES).cost(ITSELF, DAYS, quantities)

    singles = [
        PRICES.cost(ITSELF._replace(usage_day=day, quantity=Fraction(quantity)))
        for day, quantity in zip(DAYS, quantities, strict=True)
    ]
    assert sum((one for one in singles if one is not None), Fraction(0)) == cost
    assert sum(map(Fraction, [*quantities[3:7], quantities[9]])) == unpriced


def test_prices_that_were_looked_up_are_of_their_provider() -> None:
    """The same model and kind elsewhere has no price: what is kept of one is not told of both."""
    costs = DayCosts(PRICES)
    elsewhere = ITSELF._replace(provider="elsewhere")

    found = [costs.cost(usage, DAYS[:1], [Decimal(3)]) for usage in (ITSELF, elsewhere)]

    assert [(Fraction(1), Fraction(0)), (Fraction(0), Fraction(3))] == found
