"""Results as pictures: Vega-Lite specs, which any viewer draws."""

from collections.abc import Iterator
from typing import Any

from services.pricing.plotting import BLUE, GREY, ORANGE, RED, Rows, Spec, spec_of
from services.pricing.schemas.simulation_result import EvenAt, Money, PlanOutcome, SimulationResult
from services.pricing.simulation.backtest import TODAY

TENANTS_SHOWN = 30
"""Those whose bills change most, by any plan; more would not be told apart."""

PERIOD = "period after the move"
LEVEL = {"labelAngle": 0}


def plots_of(result: SimulationResult) -> dict[str, Spec]:
    """Return the plots of a result by name; one that has nothing to show is left out."""
    made = {
        "revenue": _revenue(result),
        "people": _people(result),
        "tenants": _tenants(result),
        "break-even": _break_even(result),
        "migration": _migration(result),
    }
    return {name: spec for name, spec in made.items() if spec is not None}


def _window(result: SimulationResult) -> str:
    return f"{result.tenants} tenants, {result.start} to {result.end}, {result.currency}"


def _revenue(result: SimulationResult) -> Spec | None:
    rows: Rows = []
    for plan in result.plans:
        pairs = (("revenue", plan.revenue), ("provider cost", plan.cost))
        rows += [
            {"plan": plan.plan, "what": what, "amount": _number(money)}
            for what, money in pairs
            if money is not None
        ]
    colours = {"domain": ["revenue", "provider cost"], "range": [BLUE, ORANGE]}
    return spec_of(
        "What each plan brings in, and what the usage costs",
        _window(result),
        rows,
        mark={"type": "bar"},
        height={"step": 15},
        encoding={
            "y": {"field": "plan", "type": "nominal", "sort": None, "title": None},
            "yOffset": {"field": "what", "sort": colours["domain"]},
            "x": {"field": "amount", "type": "quantitative", "title": result.currency},
            "color": {"field": "what", "scale": colours, "title": None, "type": "nominal"},
        },
    )


def _people(result: SimulationResult) -> Spec | None:
    rows = [
        {"plan": plan.plan, "what": what, "amount": _number(money)}
        for plan in result.plans
        for what, money in _ranks(plan)
        if money is not None and _number(money) > 0
    ]
    if not rows:
        return None
    order = ["median", "p90", "p99", "largest"]
    place = {"field": "plan", "type": "nominal", "sort": None, "title": None}
    amount = {
        "field": "amount",
        "type": "quantitative",
        "scale": {"type": "log"},
        "title": f"{result.currency} a month, logarithmic",
    }
    what = {"field": "what", "type": "nominal", "title": None}
    scale = {"domain": order, "range": [BLUE, "#5fa55a", ORANGE, RED]}
    shapes = {"domain": order, "range": ["circle", "square", "triangle-up", "diamond"]}
    return spec_of(
        "What one person brings in a month",
        f"{result.plans[0].people.count} people; {_window(result)}",
        rows,
        height={"step": 30},
        layer=[
            {
                "mark": {"type": "line", "color": "#c9ced6"},
                "encoding": {"y": place, "x": amount, "detail": {"field": "plan"}},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 90, "opacity": 1},
                "encoding": {
                    "y": place,
                    "x": amount,
                    "color": {**what, "scale": scale},
                    "shape": {**what, "scale": shapes},
                },
            },
        ],
    )


def _ranks(plan: PlanOutcome) -> Iterator[tuple[str, Money | None]]:
    people = plan.people
    yield from (("median", people.median), ("p90", people.p90), ("p99", people.p99))
    yield "largest", people.largest


def _tenants(result: SimulationResult) -> Spec | None:
    rows: Rows = [
        {
            "plan": plan.plan,
            "tenant": tenant.tenant_id,
            "change": _number(tenant.change),
            "who": "pays more" if _number(tenant.change) > 0 else "pays less",
        }
        for plan in result.plans
        for tenant in plan.tenants
        if plan.plan != TODAY and plan.unchanged < result.tenants
    ]
    plans = list(dict.fromkeys(row["plan"] for row in rows))
    largest: dict[str, float] = {}
    for row in rows:
        tenant = row["tenant"]
        largest[tenant] = max(largest.get(tenant, 0.0), abs(row["change"]))
    shown = sorted(largest, key=lambda tenant: -largest[tenant])[:TENANTS_SHOWN]
    rows = [row for row in rows if row["tenant"] in shown]
    if not rows:
        return None
    colours = {"domain": ["pays more", "pays less"], "range": [RED, BLUE]}
    return spec_of(
        "Who would pay more, who less than today",
        f"change of the bill over the window; {_window(result)}",
        rows,
        mark="bar",
        width=240,
        height={"step": 18},
        encoding={
            "facet": {"field": "plan", "title": None, "sort": plans, "columns": 2},
            "y": {"field": "tenant", "type": "nominal", "sort": shown, "title": None},
            "x": {"field": "change", "type": "quantitative", "title": result.currency},
            "color": {"field": "who", "type": "nominal", "scale": colours, "title": None},
        },
    )


def _break_even(result: SimulationResult) -> Spec | None:
    rows: Rows = []
    for seat in result.seats:
        cost = seat.cost_reaches_fee_at
        points = {"its provider cost": cost} if cost else {}
        points |= seat.usage_costs_as_much_at
        label = f"{seat.plan} ({seat.seat_fee.shown})"
        rows += [_even_row(label, what, at) for what, at in points.items() if _positive(at)]
    if not rows:
        return None
    place = {"field": "seat", "type": "nominal", "sort": None, "title": None}
    multiple = {
        "field": "multiple",
        "type": "quantitative",
        "scale": {"type": "log"},
        "title": "usage of one person, in multiples of the mean (1 = mean), logarithmic",
    }
    against = {"field": "against", "type": "nominal", "title": "costs as much as"}
    return spec_of(
        "From which usage on a seat is too cheap",
        "a seat costs as much as the same usage by another plan, or as its provider takes",
        rows,
        height={"step": 34},
        layer=[
            {
                "mark": {"type": "rule", "strokeDash": [4, 4], "color": GREY},
                "encoding": {"x": {"datum": 1}},
            },
            {
                "mark": {"type": "point", "size": 120, "strokeWidth": 2.5},
                "encoding": {
                    "y": place,
                    "x": multiple,
                    "color": against,
                    "shape": against,
                },
            },
        ],
    )


def _even_row(seat: str, against: str, at: EvenAt) -> dict[str, Any]:
    return {"seat": seat, "against": against, "multiple": float(at.multiple or 0)}


def _positive(at: EvenAt) -> bool:
    return at.multiple is not None and float(at.multiple) > 0


def _migration(result: SimulationResult) -> Spec | None:
    moves = result.migration
    if moves is None:
        return None
    rows: Rows = []
    for tenant in moves.tenants:
        for number, (bill, charged) in enumerate(zip(tenant.bills, tenant.charged, strict=True)):
            named = {"tenant": tenant.tenant_id, "period": number + 1}
            rows.append({**named, "what": "without bounds", "amount": _number(bill)})
            rows.append({**named, "what": "charged", "amount": _number(charged)})
            average = _number(tenant.average_today)
            rows.append({**named, "what": "average until now", "amount": average})
    order = ["average until now", "charged", "without bounds"]
    return spec_of(
        f"The first bills on {moves.to}",
        f"all tenants; bounds cost {_number(moves.cost):,.2f} {result.currency}"
        f" in {moves.periods} periods",
        rows,
        mark="bar",
        height=260,
        encoding={
            "x": {
                "field": "period",
                "type": "ordinal",
                "title": "period after the move",
                "axis": {"labelAngle": 0},
            },
            "xOffset": {"field": "what", "sort": order},
            "y": {
                "field": "amount",
                "aggregate": "sum",
                "type": "quantitative",
                "title": result.currency,
            },
            "color": {
                "field": "what",
                "type": "nominal",
                "sort": order,
                "scale": {"domain": order, "range": [GREY, BLUE, ORANGE]},
                "title": None,
            },
        },
    )


def _number(money: Money) -> float:
    """Return an amount for a picture: the one place where it need not be exact."""
    return float(money.shown)
