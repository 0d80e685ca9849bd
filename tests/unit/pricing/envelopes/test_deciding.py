"""The ladder, and who is cut by it: nobody who is under way, but loops."""

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.pricing.domain.envelopes.balance import Spent
from services.pricing.domain.envelopes.deciding import Request, decide
from services.pricing.domain.envelopes.envelope import Ledger
from services.pricing.domain.envelopes.ladder import Ladder, Step
from services.pricing.domain.envelopes.loops import Asked, LoopRule, stopped_by
from tests.unit.pricing.envelopes.cases import ENVELOPE, NOW, balance

NEW = Request(Fraction(0), is_new=True)
UNDER_WAY = Request(Fraction(0), is_new=False)
WIDE = replace(ENVELOPE, overdraft=Fraction(1, 4))
"""Of 800: notify 400, advise 720, route 800, slow 840, ask 880, block 1,000."""


@pytest.mark.parametrize(
    ("metered", "step", "granted"),
    [
        (399, Step.OPEN, True),
        (400, Step.NOTIFY, True),
        (719, Step.NOTIFY, True),
        (720, Step.ADVISE, True),
        (800, Step.ROUTE, True),
        (840, Step.SLOW, True),
        (880, Step.ASK, False),
        (1_000, Step.BLOCK, False),
    ],
)
def test_each_step_begins_at_its_share(metered: int, step: Step, granted: bool) -> None:
    """A new run goes on until somebody has to be asked."""
    decision = decide(NEW, [balance(metered, envelope=WIDE)])

    assert (step, granted) == (decision.step, decision.granted)


def test_background_work_waits_first() -> None:
    """What can wait does, when others may still begin."""
    decision = decide(replace(NEW, background=True), [balance(840, envelope=WIDE)])

    assert (Step.SLOW, False) == (decision.step, decision.granted)


def test_an_approval_opens_what_asks() -> None:
    """Not what blocks: that needs a raise."""
    approved = replace(NEW, approved=frozenset({"platform"}))

    assert decide(approved, [balance(880, envelope=WIDE)]).granted
    assert not decide(approved, [balance(1_000, envelope=WIDE)]).granted


def test_each_envelope_that_asks_has_to_approve() -> None:
    """The team's approval is none of the agent's."""
    team, agent = (balance(880, envelope=replace(WIDE, name=name)) for name in ("team", "agent"))
    one = replace(NEW, approved=frozenset({"team"}))

    assert not decide(one, [team, agent]).granted
    assert decide(replace(one, approved=frozenset({"team", "agent"})), [team, agent]).granted


def test_what_is_held_is_granted_again() -> None:
    """Whatever was used since by others: the same request is the same reservation."""
    held = replace(NEW, estimate=Fraction(10), is_held=True)

    assert decide(held, [balance(1_000, envelope=WIDE)]).granted


@pytest.mark.parametrize("metered", [0, 720, 800, 840, 880, 999])
def test_a_run_under_way_is_not_cut(metered: int) -> None:
    """It goes on at every step, inside the overdraft."""
    assert decide(UNDER_WAY, [balance(metered, envelope=WIDE)]).granted


def test_the_overdraft_is_bounded() -> None:
    """880 are the ceiling of 800 with a tenth: what would go beyond is refused, whoever asks."""
    ask = replace(UNDER_WAY, estimate=Fraction(81))

    assert decide(replace(ask, estimate=Fraction(80)), [balance(800)]).granted
    assert not decide(ask, [balance(800)]).granted


def test_all_envelopes_are_asked_and_the_hardest_decides() -> None:
    """A team with plenty left is stopped by its agent's envelope, and told by which."""
    narrow = replace(ENVELOPE, name="agent", amount=Fraction(10))

    decision = decide(NEW, [balance(0), balance(9, envelope=narrow)])

    assert decision.by is not None
    assert ("agent", False) == (decision.by.envelope.name, decision.granted)
    assert "agent" in decision.reason


def test_nothing_is_in_the_way_where_no_envelope_is() -> None:
    """Work without an envelope goes on."""
    decision = decide(NEW, [])

    assert (True, Step.OPEN, None) == (decision.granted, decision.step, decision.by)


def test_old_figures_grant_inside_the_overdraft() -> None:
    """At 110 % somebody would be asked; on figures of two minutes ago a run begins, told so."""
    old = Spent(Fraction(880), NOW - timedelta(minutes=2))

    decision = decide(NEW, [balance(spent=old, envelope=WIDE)])

    assert (True, True, Step.ROUTE) == (decision.granted, decision.stale, decision.step)


def test_exploration_is_not_held_against_the_rest() -> None:
    """A run ledger that is used up leaves exploration open."""
    full = balance(880)
    free = balance(0, ledger=Ledger.EXPLORE)

    assert not decide(NEW, [full]).granted
    assert decide(NEW, [free]).granted


def test_a_forecast_beyond_the_ledger_advises() -> None:
    """Long before it is used up."""
    spent = Spent(Fraction(10), NOW, forecast=Fraction(801))

    assert Step.ADVISE is balance(spent=spent).step


@given(st.lists(st.fractions(0, 60, max_denominator=4), max_size=60))
def test_no_order_of_requests_goes_beyond_the_ceiling(estimates: list[Fraction]) -> None:
    """What is granted one after the other stays under it, whatever is asked."""
    used = Fraction(0)
    for estimate in estimates:
        now = balance(used)
        if decide(Request(estimate, is_new=False), [now]).granted:
            used += estimate
        assert used <= now.ceiling


def test_shares_to_tell_are_those_that_are_reached() -> None:
    """None at 40 %, one at exactly half, three at 95 %."""
    told = [Ladder().told_at(Fraction(n, 100)) for n in (40, 50, 95)]

    assert [[], [Fraction(1, 2)], [Fraction(1, 2), Fraction(3, 4), Fraction(9, 10)]] == told


@pytest.mark.parametrize(
    "wrong",
    [
        {"route": Fraction(1, 2)},
        {"notify": (Fraction(1), Fraction(1, 2))},
        {"advise": Fraction(0)},
        {"block": Fraction(1)},
    ],
)
def test_a_ladder_whose_steps_fall_is_refused(wrong: dict[str, object]) -> None:
    """A harder step does not come before a milder one."""
    with pytest.raises(ValueError, match="ladder"):
        replace(Ladder(), **wrong)  # type: ignore[arg-type]


def test_a_loop_is_stopped_by_its_own_requests() -> None:
    """51 dollars in five minutes are one; the same over an hour are not."""
    fast = [Asked(NOW - timedelta(seconds=n), Fraction(1)) for n in range(51)]
    slow = [Asked(NOW - timedelta(minutes=n), Fraction(1)) for n in range(51)]

    assert "spend_rate" == stopped_by(fast, LoopRule(), NOW)
    assert stopped_by(slow, LoopRule(), NOW) is None


def test_many_small_requests_are_a_loop_too() -> None:
    """601 requests without money in five minutes."""
    many = [Asked(NOW, Fraction(0))] * 601

    assert "request_rate" == stopped_by(many, LoopRule(), NOW)
    assert stopped_by(many[1:], LoopRule(), NOW) is None
