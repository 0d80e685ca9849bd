"""Growth by factor: breadth, mix, frequency, depth and price, by hand and as identities."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.metering.domain.token_types import TOKEN_TYPES
from services.pricing.domain.growth.factors import (
    FACTORS,
    Cell,
    Groups,
    GroupUse,
    split_revenue,
    split_tokens,
)
from services.pricing.domain.growth.kinds import TOKEN_PARTS
from services.pricing.domain.growth.shapley import product_effects

CHEAP, DEAR = Cell("small", "output_text"), Cell("large", "output_text")
READ, REASONING = Cell("small", "input_cache_read"), Cell("small", "output_reasoning")
CELLS = [CHEAP, DEAR, READ, REASONING]


def use(
    units: int, days: int, tokens: dict[Cell, int], prices: dict[Cell, str] | None = None
) -> GroupUse:
    """Return a group's use; `prices` are of a token."""
    revenue = {cell: tokens[cell] * Fraction(price) for cell, price in (prices or {}).items()}
    return GroupUse(units, days, {c: Fraction(n) for c, n in tokens.items()}, revenue)


def told(effects: Any) -> dict[str, Fraction]:
    """Return the effects that are not 0."""
    return {name: effect for name, effect in effects.items() if effect}


@st.composite
def uses(draw: st.DrawFn) -> GroupUse:
    units = draw(st.integers(0, 50))
    if not units:
        return GroupUse()
    counts = draw(st.dictionaries(st.sampled_from(CELLS), st.integers(-(10**6), 10**12)))
    if sum(counts.values()) <= 0:
        return GroupUse()  # corrections outweigh usage
    prices = {cell: draw(st.fractions(0, 1, max_denominator=10**6)) for cell in counts}
    revenue = {cell: counts[cell] * price for cell, price in prices.items()}
    tokens = {cell: Fraction(count) for cell, count in counts.items()}
    return GroupUse(units, units * draw(st.integers(1, 31)), tokens, revenue)


GROUPS = st.dictionaries(st.sampled_from(["a", "b", "c"]), uses(), max_size=3)


def test_tokens_by_hand() -> None:
    """40 → 60 users, 2 → 3 active days each, 100 → 150 tokens a day: 8,000 → 27,000.

    Each effect is the mean over the six orders; that of breadth is 6,333 1/3.
    """
    before = {"": use(40, 80, {CHEAP: 8_000})}
    after = {"": use(60, 180, {CHEAP: 27_000})}

    split = split_tokens(before, after)

    # Each: (change) x [both old / 3 + (one new) / 6 + (the other new) / 6 + both new / 3].
    breadth = 20 * Fraction(2 * (2 * 100) + 3 * 100 + 2 * 150 + 2 * (3 * 150), 6)
    frequency = 1 * Fraction(2 * (40 * 100) + 60 * 100 + 40 * 150 + 2 * (60 * 150), 6)
    depth = 50 * Fraction(2 * (40 * 2) + 60 * 2 + 40 * 3 + 2 * (60 * 3), 6)
    assert {"breadth": breadth, "frequency": frequency, "depth": depth} == told(split.effects)
    assert [8_000, 27_000, 19_000] == [split.before, split.after, breadth + frequency + depth]


def test_the_depth_effect_is_split_by_part_of_a_call() -> None:
    """One user and day: of 50 tokens more, 80 are read from the cache and -30 are output."""
    before = {"": use(1, 1, {CHEAP: 60, REASONING: 40})}
    after = {"": use(1, 1, {CHEAP: 30, REASONING: 40, READ: 80})}

    split = split_tokens(before, after)

    assert {"depth": 50} == told(split.effects)
    assert split.depth is not None
    assert {"cache_read": 80, "output": -30} == told(split.depth)


def test_light_users_who_come_are_mix_and_not_less_depth() -> None:
    """One heavy user of 100 stays; three at another tenant come with 10 each.

    Nobody uses less: the mean of all fell from 100 to 32.5, and that is mix.
    """
    before = {"big": use(1, 1, {CHEAP: 100})}
    after = {"big": use(1, 1, {CHEAP: 100}), "small": use(3, 3, {CHEAP: 30})}

    split = split_tokens(before, after)

    # Breadth: 3 units at the mean of the mixes (100 and 32.5); mix: -67.5 at the mean of 1 and 4.
    assert {"breadth": Fraction("198.75"), "group_mix": Fraction("-168.75")} == told(split.effects)
    together = split_tokens({"": before["big"]}, {"": use(4, 4, {CHEAP: 130})})
    assert told(together.effects)["depth"] < 0


def test_a_price_change_and_a_mix_change_are_different_lines() -> None:
    """100 tokens on the cheap model at 1, then 50 on it at 2 and 50 on the dear one at 5.

    Mix: half of the tokens move to a price that is 4 higher (before) or 3 (after): +175. Price: +1
    on 100 (before) or 50 tokens (after): +75. From 100 to 350.
    """
    before = {"": use(1, 1, {CHEAP: 100}, {CHEAP: "1"})}
    after = {"": use(1, 1, {CHEAP: 50, DEAR: 50}, {CHEAP: "2", DEAR: "5"})}

    split = split_revenue(before, after)

    assert {"model_mix": 175, "price": 75} == told(split.effects)
    assert [100, 350] == [split.before, split.after]


def test_a_new_price_alone_is_price_alone() -> None:
    """Usage that is the same brings in more by its price, and by nothing else."""
    tokens = {CHEAP: 100, READ: 300}
    before = {"a": use(2, 4, tokens, {CHEAP: "0.01", READ: "0.001"})}
    after = {"a": use(2, 4, tokens, {CHEAP: "0.02", READ: "0.001"})}

    assert {"price": 1} == told(split_revenue(before, after).effects)


def test_what_others_do_is_no_effect_of_a_group() -> None:
    """One tenant's price doubles, 100 tokens from 1 to 2; nine small ones come meanwhile.

    Its price made 100. With all factors changing in any order, by the number of all units as well,
    it would be told as 235: more units would be 100 tokens each until the shares have changed.
    """
    before = {"big": use(1, 1, {CHEAP: 100}, {CHEAP: "1"})}
    small = {f"small-{n}": use(1, 1, {CHEAP: 1}, {CHEAP: "1"}) for n in range(9)}
    after = {"big": use(1, 1, {CHEAP: 100}, {CHEAP: "2"}), **small}

    effects = told(split_revenue(before, after).effects)

    assert {"breadth", "group_mix", "price"} == effects.keys()
    assert 100 == effects["price"]
    assert 9 == effects["breadth"] + effects["group_mix"]
    all_units = product_effects([Fraction(1)] * 3, [Fraction(10), Fraction(1, 10), Fraction(2)])
    assert 235 == 100 * all_units[2]


@given(GROUPS, GROUPS)
@settings(max_examples=60, deadline=None)
def test_groups_are_split_each_alone(before: Groups, after: Groups) -> None:
    """All but breadth and mix are sums over the groups; these two together are, too."""
    names = before.keys() | after.keys()
    alone = [
        split_revenue(*({n: side[n] for n in (name,) if n in side} for side in (before, after)))
        for name in names
    ]
    effects = split_revenue(before, after).effects

    for name in FACTORS[2:]:
        assert effects[name] == sum((one.effects[name] for one in alone), Fraction(0))
    units = [sum((o.effects[n] for o in alone), Fraction(0)) for n in FACTORS[:2]]
    assert effects["breadth"] + effects["group_mix"] == sum(units)


@given(GROUPS, GROUPS)
@settings(max_examples=60, deadline=None)
def test_going_back_turns_every_sign(before: Groups, after: Groups) -> None:
    """Neither of the two spans is the base: of tokens, of their parts, and of revenue."""
    for split in (split_tokens, split_revenue):
        there, back = split(before, after), split(after, before)

        assert {name: -effect for name, effect in back.effects.items()} == there.effects
        assert {n: -e for n, e in (back.depth or {}).items()} == (there.depth or {})


@given(GROUPS, GROUPS)
@settings(max_examples=60, deadline=None)
def test_the_order_of_groups_changes_nothing(before: Groups, after: Groups) -> None:
    """Whichever tenant is read first."""
    turned = [dict(reversed(list(side.items()))) for side in (before, after)]

    assert split_revenue(before, after) == split_revenue(*turned)


@given(GROUPS, GROUPS)
@settings(max_examples=60, deadline=None)
def test_effects_sum_to_the_change(before: Groups, after: Groups) -> None:
    """Of tokens and of revenue, for whatever comes, goes and changes; of depth by its parts too."""
    tokens, revenue = split_tokens(before, after), split_revenue(before, after)

    assert tokens.after - tokens.before == sum(tokens.effects.values())
    assert revenue.after - revenue.before == sum(revenue.effects.values())
    assert tokens.depth is not None
    assert tokens.effects["depth"] == sum(tokens.depth.values())
    assert sum((use.all_tokens for use in after.values()), Fraction(0)) == tokens.after
    assert sum((use.all_revenue for use in after.values()), Fraction(0)) == revenue.after


@given(GROUPS)
@settings(max_examples=60, deadline=None)
def test_no_change_has_no_effects(groups: Groups) -> None:
    """All factors alike: every effect is 0."""
    assert {} == told(split_revenue(groups, groups).effects)
    assert set(FACTORS) == split_revenue(groups, groups).effects.keys()


@given(GROUPS, GROUPS, st.integers(2, 100))
@settings(max_examples=60, deadline=None)
def test_dearer_by_a_factor_is_price(before: Groups, after: Groups, times: int) -> None:
    """The currency in which revenue is told changes no share of an effect."""
    scaled = [
        {
            name: GroupUse(
                one.units, one.days, one.tokens, {c: a * times for c, a in one.revenue.items()}
            )
            for name, one in groups.items()
        }
        for groups in (before, after)
    ]
    effects = split_revenue(before, after).effects

    assert {n: e * times for n, e in effects.items()} == split_revenue(*scaled).effects


@pytest.mark.parametrize(
    "parts",
    [
        (1, 0, {CHEAP: Fraction(1)}, {}),
        (2, 1, {CHEAP: Fraction(1)}, {}),
        (1, 1, {}, {}),
        (0, 0, {CHEAP: Fraction(1)}, {}),
        (1, 1, {CHEAP: Fraction(1)}, {DEAR: Fraction(1)}),
    ],
)
def test_a_group_that_cannot_be_is_refused(parts: Any) -> None:
    """Units without days, days without tokens, tokens of nobody, revenue without tokens."""
    with pytest.raises(ValueError, match="nothing"):
        GroupUse(*parts)


def test_every_token_type_is_a_part_of_a_call() -> None:
    """What metering takes for tokens is what growth takes for tokens."""
    assert set(TOKEN_TYPES) == TOKEN_PARTS.keys()
