"""The split of a change over its factors: by hand, and without a residual."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import permutations
from math import prod

from hypothesis import given, settings
from hypothesis import strategies as st

from services.pricing.domain.growth.shapley import Changed, product_effects, shapley

AMOUNTS = st.fractions(min_value=-(10**12), max_value=10**12, max_denominator=10**6)
PAIRS = st.lists(st.tuples(AMOUNTS, AMOUNTS), min_size=1, max_size=4)


def _whole(*values: int) -> list[Fraction]:
    return list(map(Fraction, values))


def one_at_a_time(before: Sequence[Fraction], after: Sequence[Fraction]) -> list[Fraction]:
    """Change each factor alone, as a naive split does: what they do together is nobody's."""
    return [
        prod([*before[:place], after[place], *before[place + 1 :]], start=Fraction(1))
        - prod(before, start=Fraction(1))
        for place in range(len(before))
    ]


def test_three_factors_by_hand() -> None:
    """40 → 60 units, 50 → 80 calls, 2,000 → 2,500 tokens: 2.95 M, 3.40 M and 1.65 M of 8.00 M."""
    effects = product_effects(_whole(40, 50, 2_000), _whole(60, 80, 2_500))

    assert _whole(2_950_000, 3_400_000, 1_650_000) == effects


def test_two_factors_share_what_they_did_together() -> None:
    """From 2 x 3 to 4 x 5: 2 x (3 + 5) / 2 and 2 x (2 + 4) / 2."""
    assert _whole(8, 6) == product_effects(_whole(2, 3), _whole(4, 5))


def test_zeros_are_factors_like_others() -> None:
    """From nothing to 6: the effects are those of their orders, none divides by 0."""
    assert _whole(3, 3) == product_effects(_whole(0, 0), _whole(2, 3))
    assert _whole(6, 0) == product_effects(_whole(0, 3), _whole(2, 3))


@given(PAIRS)
def test_effects_sum_to_the_change(pairs: list[tuple[Fraction, Fraction]]) -> None:
    """No residual, exactly."""
    before, after = ([pair[side] for pair in pairs] for side in (0, 1))

    effects = product_effects(before, after)

    assert prod(after, start=Fraction(1)) - prod(before, start=Fraction(1)) == sum(effects)


def test_changing_one_at_a_time_leaves_a_residual() -> None:
    """The naive split would be caught by the property above: it lacks 3.4 M of 8 M."""
    effects = one_at_a_time(_whole(40, 50, 2_000), _whole(60, 80, 2_500))

    assert Fraction(5_400_000) == sum(effects)


@given(PAIRS.filter(lambda pairs: len(pairs) <= 3))
@settings(max_examples=60, deadline=None)
def test_an_effect_is_the_mean_over_all_orders(pairs: list[tuple[Fraction, Fraction]]) -> None:
    """The weights of the combinations are those of counting every order one by one."""

    def value(changed: Changed) -> Fraction:
        return prod(
            (pair[is_changed] for is_changed, pair in zip(changed, pairs, strict=True)),
            start=Fraction(1),
        )

    count = len(pairs)
    orders = list(permutations(range(count)))
    sums = [Fraction(0)] * count
    for order in orders:
        changed = [False] * count
        for place in order:
            earlier = value(tuple(changed))
            changed[place] = True
            sums[place] += value(tuple(changed)) - earlier

    assert [total / len(orders) for total in sums] == shapley(count, value)


@given(PAIRS)
def test_going_back_is_the_same_with_the_sign_turned(
    pairs: list[tuple[Fraction, Fraction]],
) -> None:
    """Neither of the two periods is the base."""
    before, after = ([pair[side] for pair in pairs] for side in (0, 1))

    assert [-effect for effect in product_effects(after, before)] == product_effects(before, after)
