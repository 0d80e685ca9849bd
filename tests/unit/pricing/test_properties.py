"""What must hold of every price: exact at any size, in order, continuous, never a float."""

from dataclasses import replace
from datetime import date
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from services.pricing.domain.charges.graduated import Graduated
from services.pricing.domain.charges.graduated_package import GraduatedPackage
from services.pricing.domain.charges.graduated_percentage import GraduatedPercentage, RateTier
from services.pricing.domain.charges.package import Package
from services.pricing.domain.charges.per_unit import PerUnit
from services.pricing.domain.charges.percentage import Percentage
from services.pricing.domain.charges.price import QuantityPrice
from services.pricing.domain.charges.volume import Volume
from services.pricing.domain.charges.volume_package import VolumePackage
from services.pricing.domain.rating import RatingTerms, rate_period
from services.pricing.domain.readings import Readings
from services.pricing.domain.seats import SeatChange, Seats
from services.pricing.domain.tiers import PackageTier, Tier
from services.pricing.domain.usage import Usage
from services.pricing.schemas.validation import read_price_book
from shared.currencies import CURRENCIES
from tests.support.pricing_values import NOVEMBER, TOKENS, usage

PICO = Fraction(1, 10**12)
BOUNDS = (Fraction(10**6), Fraction(10**12), None)

PRICES = st.integers(0, 10**15).map(lambda units: units * PICO)
QUANTITIES = st.fractions(min_value=0, max_value=10**18, max_denominator=10**9)
WHOLE = st.integers(0, 10**18).map(Fraction)


@st.composite
def tiers(draw: st.DrawFn, flats: st.SearchStrategy[Fraction] = PRICES) -> tuple[Tier, ...]:
    return tuple(Tier(bound, draw(PRICES), draw(flats)) for bound in BOUNDS)


@st.composite
def package_tiers(draw: st.DrawFn) -> tuple[PackageTier, ...]:
    sizes = st.integers(1, 10**9).map(Fraction)
    return tuple(PackageTier(b, draw(sizes), draw(PRICES), draw(PRICES)) for b in BOUNDS)


@st.composite
def rate_tiers(draw: st.DrawFn) -> tuple[RateTier, ...]:
    return tuple(RateTier(bound, draw(PRICES), draw(PRICES)) for bound in BOUNDS)


RISING: st.SearchStrategy[QuantityPrice] = st.one_of(
    st.builds(PerUnit, PRICES),
    st.builds(Graduated, tiers()),
    st.builds(
        Package, st.integers(1, 10**9).map(Fraction), PRICES, st.sampled_from(["up", "down"])
    ),
    st.builds(GraduatedPackage, package_tiers()),
    st.builds(GraduatedPercentage, rate_tiers()),
)
FALLING: st.SearchStrategy[QuantityPrice] = st.one_of(
    st.builds(Volume, tiers()), st.builds(VolumePackage, package_tiers())
)


@given(RISING, QUANTITIES, QUANTITIES)
def test_more_never_costs_less(price: QuantityPrice, one: Fraction, other: Fraction) -> None:
    """Every price by quantity rises with it, but for those that are sold with a cliff."""
    low, high = sorted((one, other))

    assert price.amount(low, TOKENS) <= price.amount(high, TOKENS)


def test_volume_prices_fall_at_a_border() -> None:
    """The declared exception: one unit more may cost less, where a cheaper tier begins."""
    volume = Volume((Tier(Fraction(10), Fraction(2)), Tier(None, Fraction(1))))

    assert volume.amount(Fraction(11), TOKENS) < volume.amount(Fraction(10), TOKENS)


@given(RISING | FALLING, QUANTITIES)
def test_a_reversal_mirrors_what_it_reverses(price: QuantityPrice, quantity: Fraction) -> None:
    """A quantity below zero costs what the positive one costs, taken back; zero costs nothing."""
    assert -price.amount(quantity, TOKENS) == price.amount(-quantity, TOKENS)
    assert 0 == price.amount(Fraction(0), TOKENS)


@given(RISING | FALLING, QUANTITIES, st.fractions(min_value=0, max_value=1), st.integers(0, 2))
def test_within_a_tier_prices_are_straight(
    price: QuantityPrice, start: Fraction, share: Fraction, place: int
) -> None:
    """Linear pieces: between three equal distances in one tier nothing bends."""
    if isinstance(price, Package | GraduatedPackage | VolumePackage):
        return
    lower = (Fraction(0), *BOUNDS)[place] or Fraction(0)
    upper = BOUNDS[place] or lower + 10**15
    first = lower + (upper - lower) * (start % 1 + 1) / 10**7
    step = (upper - first) / 2 * share

    one, two, three = (price.amount(first + n * step, TOKENS) for n in range(3))

    assert two - one == three - two


@given(tiers(flats=st.just(Fraction(0))), st.sampled_from(BOUNDS[:2]), st.integers(1, 10**9))
def test_graduated_prices_do_not_jump_at_borders(
    table: tuple[Tier, ...], border: Fraction, parts: int
) -> None:
    """However close above a border, what is above it costs the next price and nothing more."""
    price, above = Graduated(table), Fraction(1, parts)
    place = BOUNDS.index(border)

    step = price.amount(border + above, TOKENS) - price.amount(border, TOKENS)

    assert above * table[place + 1].unit_amount == step


@given(WHOLE, st.integers(1, 10**15))
def test_no_digit_is_lost_at_any_size(quantity: Fraction, units: int) -> None:
    """10^18 tokens at 10^-12 each come to the last digit of 30."""
    amount = PerUnit(units * PICO).amount(quantity, TOKENS)

    assert quantity.numerator * units == amount * 10**12


def test_binary_floats_would_lose_digits() -> None:
    """The property above tells exact from float: a float cannot hold the product."""
    quantity, units = 10**18 - 1, 10**15 - 1

    assert quantity * units != int(quantity * (units / 10**12) * 10**12)


@given(
    st.lists(st.integers(0, 10**12).map(Fraction), max_size=6), st.randoms(use_true_random=False)
)
def test_without_allowances_the_order_of_events_is_nothing(
    values: list[Fraction], random: Random
) -> None:
    """Only free events depend on which came first."""
    price = Percentage(
        Fraction(3), Fraction(1), min_per_event=Fraction(2), max_per_event=Fraction(9)
    )
    shuffled = list(values)
    random.shuffle(shuffled)

    assert [step.amount for step in price.price_events(values, TOKENS)] == [
        step.amount for step in price.price_events(shuffled, TOKENS)
    ]


BOOK = yaml.safe_load(
    (Path(__file__).parent / "books" / "everything.yaml").read_text(encoding="utf-8")
)
PLAN = read_price_book(BOOK).plan("everything")
assert PLAN is not None
KINDS = (
    *("input_uncached", "input_audio", "output_text", "images", "web_search_requests", "pages"),
    *("files", "meter:payments@1", "meter:payouts@1", "meter:stated@2", "storage_gb", "licences"),
    *("meter:action-tokens@1", "unknown_unit"),
)
ROWS = st.lists(
    st.builds(
        usage,
        st.sampled_from(KINDS),
        st.integers(-(10**6), 10**18),
        agent=st.sampled_from(["a", "b"]),
        model=st.sampled_from(["gpt-5.5", "claude-opus-4-8", "gemini-3", "llama-4", "auto"]),
        context_band=st.sampled_from(["32k", "1M", "unknown"]),
        service_tier=st.sampled_from(["", "priority"]),
        speed=st.sampled_from(["", "fast"]),
        cost=st.none() | st.fractions(min_value=0, max_value=10**6),
        usage_day=st.dates(date(2023, 10, 25), date(2023, 11, 30)),
    ),
    max_size=15,
)
TERMS = RatingTerms(
    price_hash="hash",
    plan=PLAN,
    currency=CURRENCIES["USD"],
    seats=Seats({"": 3, "premium": 2}, (SeatChange(date(2023, 11, 11), 1, "premium"),)),
    period=NOVEMBER,
)


def readings_of(rows: list[Usage]) -> Readings:
    """Return single events that sum to the payments and actions of the rows; levels as well."""
    events = {}
    for kind in ("meter:payments@1", "meter:action-tokens@1"):
        values = tuple(row.quantity for row in rows if row.kind == kind)
        if values:
            events[kind] = values
    return Readings(events=events, levels={"storage": Fraction(7), "licences": Fraction(3)})


@given(ROWS)
def test_parts_sum_to_their_whole(rows: list[Usage]) -> None:
    """Of all models at once: steps and details sum to lines, lines to the total, none is lost."""
    rated = rate_period(TERMS, rows, readings_of(rows))

    assert rated.total == sum(line.amount for line in rated.lines)
    shown = Fraction(0)
    for line in rated.lines:
        assert line.amount == sum(step.amount for step in line.steps)
        if line.details:
            assert line.amount == sum(detail.amount for detail in line.details)
            assert line.quantity == sum(detail.quantity for detail in line.details)
        if line.model != "surcharge":
            shown += sum((detail.quantity for detail in line.details), Fraction(0))
    unrated = sum((row.quantity for row in rated.unrated), Fraction(0))
    assert sum((row.quantity for row in rows), Fraction(0)) == shown + unrated


@given(ROWS, st.randoms(use_true_random=False))
def test_order_and_splitting_change_no_hash(rows: list[Usage], random: Random) -> None:
    """The same usage in halves and in another order is the same input, and the same statement."""
    read = readings_of(rows)
    halves = [
        row._replace(quantity=row.quantity / 2, cost=None if row.cost is None else row.cost / 2)
        for row in rows
        for _ in range(2)
    ]
    random.shuffle(halves)

    assert rate_period(TERMS, rows, read) == rate_period(TERMS, halves, read)


def floats_in(value: Any) -> list[Any]:
    """Return every binary float within a value, however deep."""
    if isinstance(value, float):
        return [value]
    if isinstance(value, tuple | list):
        return [found for item in value for found in floats_in(item)]
    if hasattr(value, "__dict__"):
        return floats_in(list(vars(value).values()))
    return []


@given(ROWS)
def test_no_float_comes_out(rows: list[Usage]) -> None:
    """Nothing that a rating comes to is a binary float."""
    assert [] == floats_in(rate_period(TERMS, rows, readings_of(rows)))


def test_a_float_would_be_found() -> None:
    """The search above looks into lines, steps and details."""
    rated = rate_period(TERMS, [usage("pages", 1)])
    broken = replace(rated.lines[-1], details=(rated.lines[0].steps[0], 0.5))  # type: ignore[arg-type]

    assert [0.5] == floats_in(replace(rated, lines=(broken,)))
