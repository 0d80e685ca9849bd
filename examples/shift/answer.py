"""The answer in ten lines."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from services.pricing.schemas.simulation_result import PlanOutcome, SimulationResult
from services.pricing.simulation.backtest import TODAY

SEATS, USAGE, HYBRID = "shift/seat-60", "shift/usage", "shift/hybrid"


def answer(result: SimulationResult, vendors: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what the worked case comes to, for people who decide."""
    plans = {plan.plan: plan for plan in result.plans}
    return [
        *_money_lines(plans),
        *_people_lines(plans[USAGE]),
        _even_line(result),
        _seats_line(plans),
        _demand_line(plans[USAGE]),
        _move_line(result),
        _vendors_line(vendors),
    ]


def _money_lines(plans: Mapping[str, PlanOutcome]) -> Iterator[str]:
    today, usage = plans[TODAY], plans[USAGE]
    yield (
        f"Per seat (60 a month, {today.people.count} people: scenario data) the vendor earns "
        f"{_whole(today)} a year; the usage costs it {_money(today.cost)}: a margin of "
        f"{_percent(today.margin_percent)}."
    )
    yield (
        f"By usage (1.5 times the provider's price) it earns {_whole(usage)}, a margin of "
        f"{_percent(usage.margin_percent)}."
    )
    more = [t.tenant_id for t in usage.tenants if not t.change.shown.startswith("-")]
    less = [t.tenant_id for t in usage.tenants if t.change.shown.startswith("-")]
    yield (
        f"By usage {_names(more)} pay more ({_money(usage.pays_more.change)}), {_names(less)} "
        f"less; of {usage.people.count} people {usage.people.more_than_today} bring in more than "
        f"their seat does, {usage.people.less_than_today} less."
    )


def _people_lines(usage: PlanOutcome) -> Iterator[str]:
    people = usage.people
    yield (
        f"One person brings in 60.00 a month on a seat; by usage {_money(people.median)} in the "
        f"median, {_money(people.p99)} at the 99th percentile, {_money(people.largest)} at most."
    )
    yield (
        f"The top tenth of the people bring in {_share(usage)} of it by usage, a Gini coefficient "
        f"of {_number(people.gini)} (who uses how much is scenario data)."
    )


def _even_line(result: SimulationResult) -> str:
    (even,) = (seat for seat in result.seats if seat.plan == SEATS)
    at = even.cost_reaches_fee_at
    assert at is not None, "every model of the traces has a price"
    return (
        f"A seat of 60 pays for {_times(at.multiple)} the mean person's usage "
        f"({_tokens(at.tokens)} tokens a month); beyond, it loses money."
    )


def _seats_line(plans: Mapping[str, PlanOutcome]) -> str:
    margins = (_percent(plans[f"shift/seat-{price}"].margin_percent) for price in (20, 60, 200))
    hybrid = plans[HYBRID]
    return (
        f"Seats alone, at 20, 60 and 200: margins of {', '.join(margins)}; 30 with 3,000 credits "
        f"earn {_whole(hybrid)}, {_percent(hybrid.margin_percent)}."
    )


def _demand_line(usage: PlanOutcome) -> str:
    (answered,) = usage.answers
    return (
        f"Were usage to answer to prices (elasticity {answered.elasticity}), it would earn "
        f"{_money(answered.revenue)} by usage, a margin of {_money(answered.margin)}."
    )


def _move_line(result: SimulationResult) -> str:
    move = result.migration
    assert move is not None, "the worked case plans a move"
    return (
        f"Moving there with bills that rise by 25 % at most for {move.periods} months costs "
        f"{_money(move.cost)}; {move.cohorts['capped']} of {result.tenants} tenants are capped."
    )


def _vendors_line(vendors: Sequence[Mapping[str, Any]]) -> str:
    ranked = sorted(vendors, key=lambda row: float(row["revenue"]["shown"]))
    return (
        f"Ten vendors' plans over the same usage: from {_money_of(ranked[0])} to "
        f"{_money_of(ranked[-1])} a year."
    )


def _whole(plan: PlanOutcome) -> str:
    return _money(plan.revenue)


def _money(money: Any) -> str:
    return "an unknown amount" if money is None else f"{_grouped(money.shown)} USD"


def _money_of(row: Mapping[str, Any]) -> str:
    by = ", by outcomes that are scenario data" if row["scenario_outcomes"] else ""
    return f"{_grouped(row['revenue']['shown'])} USD ({row['plan']}{by})"


def _grouped(text: str) -> str:
    sign = "-" if text.startswith("-") else ""
    whole, _, part = text.removeprefix("-").partition(".")
    return f"{sign}{int(whole):,}.{part}" if part else f"{sign}{int(whole):,}"


def _percent(text: str | None) -> str:
    return "?" if text is None else f"{round(float(text)):,} %"


def _share(plan: PlanOutcome) -> str:
    share = plan.people.top_decile_share
    return "?" if share is None else f"{round(float(share) * 100)} %"


def _number(text: str | None) -> str:
    return "?" if text is None else f"{float(text):.2f}"


def _times(text: str | None) -> str:
    return "any" if text is None else f"{float(text):.2f} times"


def _tokens(text: str | None) -> str:
    return "any number of" if text is None else f"{int(float(text)):,}"


def _names(names: Sequence[str]) -> str:
    *most, last = names or ["nobody"]
    return f"{', '.join(most)} and {last}" if most else last
