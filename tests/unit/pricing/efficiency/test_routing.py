"""What a cheaper model would save, reckoned by hand and as identities."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.pricing.domain.efficiency.routing import (
    Model,
    RoutingPolicy,
    routing_saving,
    unknown_baselines,
)
from services.pricing.domain.usage import Usage
from tests.unit.pricing.efficiency.prices import PRICES, dollars, used

DEAR, CHEAP = Model("lab", "dear"), Model("lab", "cheap")
ALL = RoutingPolicy(
    "all", "", DEAR, CHEAP, hold_out=Fraction(0), gate=Fraction(1), cache_loss=Fraction(0)
)
SHARES = st.fractions(0, 1, max_denominator=20)
ROWS = st.lists(
    st.builds(
        used,
        st.sampled_from(
            ["input_uncached", "input_cache_read", "input_cache_write_5m", "output_text", "strange"]
        ),
        st.integers(0, 1_000),
        model=st.sampled_from(["dear", "cheap"]),
        agent=st.sampled_from("xy"),
    ),
    max_size=8,
)
ASKED = [used("input_uncached", 100), used("input_cache_read", 100), used("output_text", 10)]
"""On the dear model 1,000 + 100 + 500 = 1,600; on the cheap one 200 + 50 + 80 = 330."""


def test_without_assumptions_it_is_the_difference() -> None:
    """1,600 - 330."""
    found = routing_saving(ASKED, ALL, PRICES)

    assert (Fraction(1_600), Fraction(1_270)) == (found.all_agents.baseline_cost, found.saving)


def test_every_assumption_takes_its_part() -> None:
    """A tenth is held out; a fifth of the rest is repeated; half the cache is written anew.

    cheaper 0.9 x 1,270 = 1,143; lost 0.9 x 100 x 0.5 x (2.5 - 0.5) = 90; repeated
    0.9 x 0.2 x 1,600 = 288; the router 65: 700 are left.
    """
    policy = replace(
        ALL,
        hold_out=Fraction(1, 10),
        gate=Fraction(4, 5),
        cache_loss=Fraction(1, 2),
        router_cost=Fraction(65),
    )

    found = routing_saving(ASKED, policy, PRICES)

    assert dollars(1_143, 90, 288, 700) == (
        found.all_agents.cheaper,
        found.all_agents.lost_cache,
        found.all_agents.repeated,
        found.saving,
    )


def test_a_cache_that_lives_an_hour_is_lost_at_its_price() -> None:
    """Most was written for an hour: what is lost is written anew at 4, and not at 2.5.

    100 reads lost: 100 x (4 - 0.5); with most written for 5 minutes it is 100 x (2.5 - 0.5).
    """
    policy = replace(ALL, cache_loss=Fraction(1))
    reads, short = used("input_cache_read", 100), used("input_cache_write_5m", 10)

    lost = [
        routing_saving([reads, short, used("input_cache_write_1h", hours)], policy, PRICES)
        for hours in (20, 5)
    ]

    assert dollars(350, 200) == tuple(one.all_agents.lost_cache for one in lost)


def test_without_a_price_for_writes_they_are_fresh_input() -> None:
    """A provider that takes nothing more for writing: 100 reads lost are input at 3, not at 0.3."""
    policy = replace(ALL, chosen=Model("lab", "simple"), cache_loss=Fraction(1))

    found = routing_saving([used("input_cache_read", 100), used("output_text", 1)], policy, PRICES)

    assert dollars(150, 111, 270) == (
        found.all_agents.baseline_cost,
        found.all_agents.cheaper,
        found.all_agents.lost_cache,
    )
    assert {} == found.unpriced


def test_writing_that_is_cheaper_than_reading_is_no_gain() -> None:
    """Written at 0.5, read at 1: a lost cache costs nothing more, and does not save."""
    policy = replace(ALL, chosen=Model("lab", "even"), cache_loss=Fraction(1))

    found = routing_saving([used("input_cache_read", 100)], policy, PRICES)

    assert dollars(0, 0) == (found.all_agents.lost_cache, found.saving)


def test_a_share_is_of_the_baseline_and_of_nothing_there_is_none() -> None:
    """800 of 1,600 are left after a router of 470."""
    found = routing_saving(ASKED, replace(ALL, router_cost=Fraction(470)), PRICES)

    assert Fraction(1, 2) == found.share
    assert routing_saving([], ALL, PRICES).share is None


def test_a_loss_that_nobody_can_tell_is_no_loss_of_nothing() -> None:
    """Reads have a price there, neither writes nor fresh input have: the row is on neither side."""
    policy = replace(ALL, chosen=Model("lab", "odd"), cache_loss=Fraction(1))

    found = routing_saving([used("input_cache_read", 100), used("output_text", 1)], policy, PRICES)

    assert dollars(50, 42, 0) == (
        found.all_agents.baseline_cost,
        found.all_agents.cheaper,
        found.all_agents.lost_cache,
    )
    assert {("odd", "input_cache_read"): 100} == {k[1:3]: q for k, q in found.unpriced.items()}


def test_a_route_can_lose() -> None:
    """If nothing passes the gate, everything is paid twice: the saving is below zero."""
    found = routing_saving(ASKED, replace(ALL, gate=Fraction(0)), PRICES)

    assert Fraction(-330) == found.saving


def test_only_requests_of_the_baseline_are_routed() -> None:
    """What others asked, or another agent, is not in it: the dearest model is no baseline."""
    rows = [*ASKED, used("output_text", 5, model="cheap"), used("output_text", 5, agent="other")]

    assert routing_saving(ASKED, replace(ALL, agent="coder"), PRICES) == routing_saving(
        rows, replace(ALL, agent="coder"), PRICES
    )


def test_each_agent_has_its_part() -> None:
    """A tenth of 1,600 and of 250 stays; the rest costs 330 and 40; the router is nobody's."""
    rows = [*ASKED, used("output_text", 5, agent="other")]
    policy = replace(ALL, hold_out=Fraction(1, 10), router_cost=Fraction(65))

    found = routing_saving(rows, policy, PRICES)

    assert [
        ("coder", *dollars(1_600, 160, 297, 1_143)),
        ("other", *dollars(250, 25, 36, 189)),
    ] == [
        (one.agent, one.baseline_cost, one.held_out, one.chosen_cost, one.saving)
        for one in found.agents
    ]
    assert Fraction(1_143 + 189 - 65) == found.saving


def test_what_one_side_has_no_price_for_is_on_neither_side() -> None:
    """Usage that the cheap model has no price for saves nothing: it is listed."""
    rows = [*ASKED, used("strange", 9)]

    found = routing_saving(rows, ALL, PRICES)

    assert Fraction(1_270) == found.saving
    assert {"strange"} == {key[2] for key in found.unpriced}


def test_a_baseline_that_nobody_asked_for_is_told() -> None:
    """Its saving would be zero, and look like a result."""
    policy = replace(ALL, baseline=Model("lab", "cheap"), chosen=DEAR)

    assert [policy] == unknown_baselines(ASKED, [ALL, policy])


@given(ROWS, SHARES, SHARES, SHARES)
def test_the_parts_sum_to_the_difference_of_what_is_paid(
    rows: list[Usage], hold_out: Fraction, gate: Fraction, cache_loss: Fraction
) -> None:
    """Identity: the saving is the baseline's cost less everything that is paid with the policy."""
    policy = replace(ALL, hold_out=hold_out, gate=gate, cache_loss=cache_loss)
    found = routing_saving(rows, policy, PRICES)
    known = [row for row in rows if row.model == "dear" and row.kind != "strange"]
    before = sum((PRICES.cost(row) or 0 for row in known), start=0)
    there = [row._replace(model="cheap") for row in known]
    cheap = sum((PRICES.cost(row) or 0 for row in there), start=0)
    read = sum((row.quantity for row in known if row.kind == "input_cache_read"), start=0)
    routed = 1 - hold_out
    paid = hold_out * before + routed * (cheap + 2 * cache_loss * read + (1 - gate) * before)

    assert before - paid == found.saving


@pytest.mark.parametrize(
    "wrong",
    [
        {"hold_out": Fraction(2)},
        {"gate": Fraction(-1)},
        {"cache_loss": Fraction(3, 2)},
        {"router_cost": Fraction(-1)},
        {"chosen": DEAR},
    ],
)
def test_a_policy_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    """Shares beyond everything, and a route to where it comes from."""
    with pytest.raises(ValueError, match=r"shares|another"):
        replace(ALL, **wrong)  # type: ignore[arg-type]
