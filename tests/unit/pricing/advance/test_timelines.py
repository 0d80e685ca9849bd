"""Over any timeline, fees in advance less credits are the fees in arrears, to the last fraction."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from services.pricing.domain.advance import (
    ChargedFees,
    opening_of,
    own_key,
    with_fees_in_advance,
)
from services.pricing.domain.charges.flat import Flat
from services.pricing.domain.charges.per_seat import PerSeat
from services.pricing.domain.charges.price import Timing
from services.pricing.domain.periods import Cycle, Period
from services.pricing.domain.plan import Plan
from services.pricing.domain.rating import RatingTerms, rate_period
from services.pricing.domain.split.parts import Part, SplitTerms
from services.pricing.domain.split.rating import rate_parts
from services.pricing.domain.statement import Line, RatedStatement
from services.pricing.domain.subscription.changes import (
    Cancel,
    Change,
    ChoosePlan,
    Event,
    Pause,
    Resume,
    SetSeats,
    Withdraw,
)
from services.pricing.domain.subscription.terms import Terms
from services.pricing.domain.subscription.timeline import Stretch, Timeline
from shared.currencies import CURRENCIES
from tests.support.pricing_values import charged

DOLLAR = CURRENCIES["USD"]
NOVEMBER = date(2023, 11, 1)
ZERO = Fraction(0)


def sold(key: str, book: str, timing: Timing) -> Plan:
    """Return one of four plans; those of a book share a charge, in another order.

    `behind` is in arrears whatever is asked for, as an earlier version of `basic` may have been.
    """
    timing = "in_arrears" if key == "behind" else timing
    seats = charged(PerSeat(Fraction(30), timing=timing), key="seats", discount_percent=Fraction(7))
    support = charged(PerSeat(Fraction(11), "support", timing), key="support")
    if (book, key) == ("a", "team"):
        fee = charged(Flat(Fraction(300), timing), key="team", minimum=Fraction(400))
        return Plan(key, key, (fee, seats, support))
    if (book, key) == ("a", "business"):
        return Plan(key, key, (charged(Flat(Fraction(900), timing), key="business"), seats))
    fee = charged(Flat(Fraction(70), timing), key="seats", maximum=Fraction(65))
    return Plan(key, key, (support, fee))


PLANS = (("a", "team"), ("a", "business"), ("b", "basic"), ("b", "behind"))
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.sampled_from(PLANS).map(lambda plan: ChoosePlan(*plan)),
    st.builds(SetSeats, st.integers(0, 6), st.sampled_from(["", "support"])),
    st.just(Pause()),
    st.just(Resume()),
    st.just(Cancel()),
    st.integers(1, 8).map(lambda number: Withdraw(f"c{number}")),
)
MADE = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 70), EVENTS), max_size=8)
"""(the period in which it is made, days from its start to the day of effect, what happens)."""
SUBSCRIPTIONS = st.builds(
    Timeline,
    starts_on=st.integers(0, 40).map(lambda days: NOVEMBER + timedelta(days=days)),
    cycle=st.sampled_from([1, 15, 31]).map(Cycle),
    terms=st.sampled_from(PLANS).map(lambda plan: Terms(*plan)),
    seats=st.integers(0, 5),
    ends_on=st.integers(41, 150).map(lambda days: NOVEMBER + timedelta(days=days)),
    trial_days=st.sampled_from([0, 0, 7, 31, 50]),
)


def rate(told: Timeline, period: Period, timing: Timing) -> RatedStatement:
    """Rate fees as the service does: in parts where something changes."""
    parts = tuple(_part(stretch, timing) for stretch in told.stretches(period))
    if len(parts) == 1 and parts[0].charged == "all":
        return rate_period(RatingTerms("h", parts[0].plan, DOLLAR, parts[0].seats, period), [])
    return rate_parts(SplitTerms(parts, DOLLAR), [])


def _part(stretch: Stretch, timing: Timing) -> Part:
    book, key = stretch.terms.price_book, stretch.terms.plan
    plan = sold(key, book, timing)
    return Part(stretch.period, plan, book, "h", stretch.seats, stretch.charged)


@dataclass
class Billing:
    """A subscription that is billed period by period, with the changes that are made meanwhile."""

    told: Timeline
    lines: list[Line] = field(default_factory=list)
    charged: ChargedFees | None = None
    due: Fraction = ZERO

    def run(self, made: Sequence[tuple[int, int, Event]]) -> None:
        start, number = self.told.starts_on, 0
        while (period := self.told.period_from(start)) is not None:
            if period.start <= self.told.charged_from < period.end:
                self._take(opening_of(rate(self.told, period, "in_advance")), period.start)
            for when, days, event in made:
                if when == number:
                    self._change(event, period.start + timedelta(days=days), period)
            period = self.told.period_from(start)
            if period is None:
                return
            self._close(period)
            start, number = period.end, number + 1

    def _close(self, period: Period) -> None:
        ahead = self.told.period_ahead(period)
        statement = with_fees_in_advance(
            rate(self.told, period, "in_advance"),
            self.charged,
            rate(self.told, ahead, "in_advance") if ahead else None,
            currency=DOLLAR,
        )
        self._take(statement, period.end)
        self.due += rate(self.told, period, "in_arrears").total

    def _take(self, statement: RatedStatement, next_start: date) -> None:
        self.lines += statement.lines
        ahead = [
            replace(line, line_key=own_key(line.line_key), steps=())
            for line in statement.lines
            if line.advance and line.advance.period_start >= next_start
        ]
        self.charged = ChargedFees("s", tuple(ahead)) if ahead else None

    def _change(self, event: Event, on: date, period: Period) -> None:
        """Make a change as the service would; what it would refuse is left out."""
        if isinstance(event, Withdraw) and not any(
            change.change_id == event.change_id and change.effective_on >= period.start
            for change in self.told.standing
        ):
            return
        number = len(self.told.changes) + 1
        after = replace(
            self.told, changes=(*self.told.changes, Change(f"c{number}", number, on, event))
        )
        last = after.last_day
        ended = last is not None and last < period.start
        too_late = self.told.last_day is not None and on > self.told.last_day
        if not too_late and not (ended and (self.charged or period.start == self.told.starts_on)):
            self.told = after


@settings(max_examples=300, deadline=None)
@given(SUBSCRIPTIONS, MADE)
def test_advance_less_credits_is_arrears(
    told: Timeline, made: list[tuple[int, int, Event]]
) -> None:
    """Whatever changes when, every day is paid once, by what held on it."""
    billing = Billing(told)
    billing.run(made)

    assert billing.due == sum((line.amount for line in billing.lines), ZERO)
    assert [] == [
        line.name
        for line in billing.lines
        if line.amount != sum((step.amount for step in line.steps), ZERO)
    ]


def losses(told: Timeline, made: list[tuple[int, int, Event]]) -> Iterator[Fraction]:
    """Return by how much each way to forget something misses what is due."""
    for forget in ("credit", "opening"):
        billing = Billing(told)
        billing.run(made)
        kept = [
            line
            for line in billing.lines
            if not (forget == "credit" and line.amount < 0)
            and not (forget == "opening" and line.advance == billing.lines[0].advance)
        ]
        yield billing.due - sum((line.amount for line in kept), ZERO)


def test_a_forgotten_credit_or_opening_would_be_caught() -> None:
    """With an upgrade on the 16th, each of them misses some of what is due."""
    told = Timeline(NOVEMBER, Cycle(1), Terms("a", "team"), seats=2, ends_on=date(2023, 12, 31))

    assert all(losses(told, [(0, 15, ChoosePlan("a", "business"))]))
