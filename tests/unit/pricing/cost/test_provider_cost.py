"""Cost of usage: which source wins, and what holds for any rows."""

from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from itertools import count
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.pricing.domain.cost.overlay import OverlayPrice
from services.pricing.domain.cost.prices import (
    PriceHistory,
    PriceKey,
    PriceTable,
    Reason,
    Source,
    Step,
    UnitPrice,
)
from services.pricing.domain.cost.provider_cost import (
    CostedUsage,
    FoundPrice,
    ProviderCost,
    ProviderPrices,
    provider_cost,
)
from services.pricing.domain.usage import Usage
from tests.support.pricing_values import usage

FIRST = date(2023, 11, 1)
DAY = date(2023, 11, 16)
KIND = "input_uncached"
MODEL = "claude-sonnet-4-6"
LISTED = UnitPrice(Fraction(3))
TABLE = PriceTable(
    {PriceKey("anthropic", MODEL, KIND): PriceHistory((FIRST,), (LISTED,))},
    {"anthropic": {MODEL: ("anthropic", MODEL)}},
)
_positions = count(1)


def stated(
    amount: int | None, source: Literal[Source.CONTRACT, Source.MANUAL] = Source.MANUAL, **v: Any
) -> OverlayPrice:
    values: dict[str, Any] = {
        "position": next(_positions),
        "source": source,
        "provider": "anthropic",
        "model": MODEL,
        "kind": KIND,
        "service_tier": None,
        "batch": None,
        "speed": None,
        "effective_from": FIRST,
        "effective_to": None,
        "price": None if amount is None else UnitPrice(Fraction(amount)),
    }
    return OverlayPrice(**(values | v))


def found(*rows: OverlayPrice, **values: Any) -> FoundPrice | Reason:
    return ProviderPrices(TABLE, rows).find(usage(KIND, 1, **values))


def amount_of(*rows: OverlayPrice, **values: Any) -> Fraction | Reason:
    price = found(*rows, **values)
    return price if isinstance(price, Reason) else price.unit_amount


def test_contract_wins_over_manual_over_list() -> None:
    """The order of the sources decides, not their amounts and not the order of writing."""
    contract, manual = stated(9, Source.CONTRACT), stated(1)

    assert FoundPrice(Source.LIST, Fraction(3), context_assumed=False) == found()
    assert FoundPrice(Source.MANUAL, Fraction(1), context_assumed=False) == found(manual)
    assert FoundPrice(Source.CONTRACT, Fraction(9), context_assumed=False) == found(
        contract, manual
    )


def test_a_price_holds_on_its_days_only() -> None:
    """The first day belongs to a price, the last one named does not; then the list is back."""
    row = stated(1, effective_from=DAY, effective_to=DAY + timedelta(days=1))

    prices = [amount_of(row, usage_day=DAY + timedelta(days=days)) for days in (-1, 0, 1)]

    assert [3, 1, 3] == prices


def test_the_latest_row_corrects_an_earlier_one() -> None:
    """Rows are never changed: a later one of the same key replaces it, or takes it back."""
    first, second, none = stated(1), stated(2), stated(None)

    assert 2 == amount_of(second, first)
    assert 3 == amount_of(none, second, first)


def test_what_is_taken_back_leaves_the_more_general_row() -> None:
    """Taking back a specific price is as if it had not been stated: others still hold."""
    general, specific, none = stated(1), stated(2, batch=True), stated(None, batch=True)

    assert 2 == amount_of(general, specific, batch="true")
    assert 1 == amount_of(general, specific, none, batch="true")


@pytest.mark.parametrize(
    "values",
    [{"model": MODEL}, {"service_tier": ""}, {"batch": False}, {"speed": ""}],
    ids=lambda values: next(iter(values)),
)
def test_the_more_specific_row_wins_whenever_it_was_written(values: dict[str, Any]) -> None:
    """A row that states more is not replaced by a later one that states less."""
    specific = stated(1, **({"model": "*"} | values))
    general = stated(2, model="*")

    assert 1 == amount_of(specific, general)


def test_a_row_speaks_only_of_what_it_states() -> None:
    """A price for batches is none for other requests; one for a tier none for another."""
    batch, tier = stated(1, batch=True), stated(2, service_tier="priority")

    assert 3 == amount_of(batch, tier)
    assert 1 == amount_of(batch, tier, batch="true")
    assert 2 == amount_of(batch, tier, service_tier="priority")


def test_a_price_of_ones_own_finds_any_spelling() -> None:
    """A model is named as usage has it, or as the table has it."""
    assert 1 == amount_of(stated(1), model="claude-sonnet-4.6-20260217")
    assert 1 == amount_of(stated(1, provider="aws", model="acme-1"), **ACME)


ACME = {"provider": "aws.bedrock", "model": "acme-1"}


def test_the_spelling_of_the_usage_comes_first() -> None:
    """A price for one dated model is not replaced by a later one for its family."""
    dated, family = stated(1, model=f"{MODEL}-20260217"), stated(2)

    assert 1 == amount_of(dated, family, model=f"{MODEL}-20260217")
    assert 2 == amount_of(dated, family)


@pytest.mark.parametrize("tier", ["", "default", "STANDARD", "ON_DEMAND"])
def test_the_standard_tier_has_many_names(tier: str) -> None:
    """A price for the standard tier is found under whatever the provider calls it."""
    standard, priority = stated(1, service_tier=""), stated(2, service_tier="priority")

    assert 1 == amount_of(standard, priority, service_tier=tier)
    assert 3 == amount_of(priority, service_tier=tier)
    assert 2 == amount_of(standard, priority, service_tier="ON_DEMAND_PRIORITY")


@pytest.mark.parametrize(("speed", "amount"), [("", 1), ("Standard", 1), ("fast", 2)])
def test_the_standard_speed_has_two_names(speed: str, amount: int) -> None:
    """A price for it is found under either, and for no other speed."""
    standard, fast = stated(1, speed=""), stated(2, speed="fast")

    assert amount == amount_of(standard, fast, speed=speed)


def test_a_model_comes_before_all_models() -> None:
    """However the usage spells it, and whichever row was written last."""
    assert 1 == amount_of(stated(1), stated(2, model="*"), model=f"{MODEL}-20260217")


def test_a_context_that_is_assumed_is_said() -> None:
    """Where long requests cost more, the price of one of unknown length is a guess."""
    cliff = UnitPrice(Fraction(1), (Step(200_000, Fraction(2)),))

    known, unknown = (
        found(stated(0, price=cliff), context_band=band) for band in ("32k", "unknown")
    )

    assert FoundPrice(Source.MANUAL, Fraction(1), context_assumed=False) == known
    assert FoundPrice(Source.MANUAL, Fraction(1), context_assumed=True) == unknown


def test_a_stated_zero_is_a_price() -> None:
    """Nothing is free by accident, but a vendor may say that something is."""
    assert 0 == amount_of(stated(0))
    assert Reason.UNKNOWN_MODEL == amount_of(model="acme-1")


def test_a_price_holds_for_a_day_at_least() -> None:
    """A price that ends before it starts cannot be constructed."""
    with pytest.raises(ValueError, match="a day at least"):
        stated(1, effective_to=FIRST)


def test_meters_and_nothing_cost_nothing() -> None:
    """Values of meters count again what other rows hold; a quantity of zero lacks no price."""
    rows = [usage("meter:rounded@1", 5), usage("output_text", 0)]

    assert ((), ()) == (cost_of(rows).costed, cost_of(rows).unpriced)
    assert [0, 0] == [ProviderPrices(TABLE).cost(row) for row in rows]


def test_each_detail_has_its_own_cost() -> None:
    """By agent, model, kind and day; one with something unpriced in it has none."""
    rows = [
        usage(KIND, 2, agent="a"),
        usage(KIND, 5, agent="a", region="eu"),
        usage(KIND, 1, agent="b"),
        usage("output_text", 1, agent="b"),
    ]

    assert {
        ("a", MODEL, KIND, DAY): 21,
        ("b", MODEL, KIND, DAY): 3,
        ("b", MODEL, "output_text", DAY): None,
    } == cost_of(rows).by_detail()


def cost_of(rows: list[Usage]) -> ProviderCost:
    return provider_cost(rows, ProviderPrices(TABLE))


ROWS = st.lists(
    st.builds(
        usage,
        st.sampled_from([KIND, "output_text"]),
        st.integers(-(10**18), 10**18),
        agent=st.sampled_from(["a", "b"]),
        model=st.sampled_from([MODEL, "unknown-1"]),
        context_band=st.sampled_from(["32k", "unknown"]),
    ),
    max_size=12,
)


@given(ROWS)
def test_rows_cost_what_they_cost_together(rows: list[Usage]) -> None:
    """The cost of single rows sums to that of all, and is None exactly for the unpriced."""
    prices = ProviderPrices(TABLE)
    costs = [prices.cost(row) for row in rows]

    assert cost_of(rows).total == sum((one for one in costs if one is not None), Fraction(0))
    unpriced = [bool(row.quantity) and (row.model, row.kind) != (MODEL, KIND) for row in rows]
    assert unpriced == [one is None for one in costs]


@given(ROWS, st.randoms(use_true_random=False))
def test_order_and_splitting_change_nothing(rows: list[Usage], random: Any) -> None:
    """The same usage in any order, and in halves, costs the same and lacks the same prices."""
    halves = [row._replace(quantity=row.quantity / 2) for row in rows * 2]
    random.shuffle(halves)

    assert cost_of(rows) == cost_of(halves)


@given(ROWS)
def test_parts_sum_to_the_whole(rows: list[Usage]) -> None:
    """Nothing is lost: each row has a cost or a reason, and costs sum to the total exactly."""
    cost = cost_of(rows)
    parts = [value for value in cost.by_detail().values() if value is not None]
    priced = sum((r.quantity for r in rows if (r.model, r.kind) == (MODEL, KIND)), Fraction(0))
    lacking = sum((r.usage.quantity for r in cost.unpriced), Fraction(0))
    everything = sum((row.quantity for row in rows), Fraction(0))

    assert 3 * priced == cost.total == sum(parts, Fraction(0))
    assert everything - priced == lacking


@given(ROWS)
def test_zero_for_the_unpriced_is_caught(rows: list[Usage]) -> None:
    """The variant that takes an unknown price for zero shows a complete cost that it has not."""
    cost = cost_of([*rows, usage("output_text", 1, agent="c")])
    nothing = FoundPrice(Source.LIST, Fraction(0), context_assumed=False)
    naive = replace(
        cost,
        unpriced=(),
        costed=(*cost.costed, *(CostedUsage(row.usage, nothing) for row in cost.unpriced)),
    )

    assert naive.complete
    assert naive.total == cost.total
    assert not cost.complete
    assert None in cost.by_detail().values()
    assert None not in naive.by_detail().values()
