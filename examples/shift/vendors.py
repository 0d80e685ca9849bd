"""The ten vendor shapes of `examples/price-books` over the same usage: one table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from examples.shift.scaling import PEOPLE, REQUESTS_A_RESOLUTION, TraceHour
from examples.shift.trying import Year, sold, try_plans
from services.pricing.book_files import read_book_file
from services.pricing.handlers.timelines import SoldPlan
from services.pricing.simulation.backtest import TenantResult
from services.pricing.simulation.results import Writer, number
from shared.currencies import CURRENCIES
from shared.money import sum_exact

BOOKS = Path(__file__).parents[1] / "price-books"
MONTHS = 12
HUNDRED = 100
LARGE = ("gpt-5", "claude-sonnet-4-6", "gemini-3.1-pro")
ANSWERS, RESOLVED, RESOLUTIONS = "generative_answers", "resolved_conversations", "resolutions"
OUTCOMES = frozenset({ANSWERS, RESOLVED, RESOLUTIONS})
"""Counted by a scenario: the traces hold no outcomes."""


@dataclass(frozen=True)
class Shape:
    """A plan of a vendor's book, and what stands for our models and outcomes there.

    `models` are by ours; `units` are kinds that are counted beside tokens.
    """

    book: str
    plan: str
    models: Mapping[str, str] = field(default_factory=dict)
    units: tuple[str, ...] = ()
    by_person: bool = False

    def renamed(self, model: str) -> str:
        return self.models.get(model, model)

    @property
    def words(self) -> str:
        """Say what stands for what."""
        pairs = [f"{ours} as {theirs}" for ours, theirs in self.models.items()]
        told = [*pairs, *(f"{kind}: {SOURCES[kind]}" for kind in self.units)]
        return "; ".join(told) or "models as they ran"


def _all(large: str, small: str) -> dict[str, str]:
    return {**dict.fromkeys(LARGE, large), "gpt-5-mini": small}


ACTIONS = "meter:agent-actions@1"
SOURCES = {
    ACTIONS: "20 credits for each 10,000 tokens begun, request by request",
    ANSWERS: "one for each request (scenario)",
    RESOLVED: f"one for every {REQUESTS_A_RESOLUTION} requests (scenario)",
    RESOLUTIONS: f"one for every {REQUESTS_A_RESOLUTION} requests (scenario)",
}
SONNET, MINI = "claude-sonnet-4-6", "gpt-5-mini"
SHAPES = (
    Shape("github-copilot", "organisation", {"gpt-5": SONNET, "gemini-3.1-pro": SONNET}),
    Shape("model-rates", "api", {"gpt-5": "gpt-5.4"}),
    Shape(
        "cursor-individual", "ultra", {"gpt-5": SONNET, "gemini-3.1-pro": SONNET}, by_person=True
    ),
    Shape("cursor-teams", "teams", {"gpt-5": SONNET, "gemini-3.1-pro": SONNET}),
    Shape("agentforce", "flex-credits", units=(ACTIONS,)),
    Shape("copilot-studio", "pay-as-you-go", units=(ANSWERS,)),
    Shape("chatgpt-flexible", "workspace", _all("gpt-5.4", "gpt-5.4-mini")),
    Shape("anthropic", "enterprise", _all(SONNET, "claude-haiku-4-5")),
    Shape("intercom-fin", "fin", units=(RESOLUTIONS,)),
    Shape("hubspot-breeze", "professional-overage", units=(RESOLVED,)),
)


def try_vendors(
    hours: Mapping[str, TraceHour], today: SoldPlan, cost: Fraction, folder: Path
) -> list[dict[str, Any]]:
    """Return a row for each shape; `cost` is what the usage, as it ran, takes in the year."""
    return [_try(shape, hours, today, cost, folder=folder) for shape in SHAPES]


def _try(
    shape: Shape,
    hours: Mapping[str, TraceHour],
    today: SoldPlan,
    cost: Fraction,
    *,
    folder: Path,
) -> dict[str, Any]:
    file = read_book_file(BOOKS / f"{shape.book}.yaml")
    name = f"{shape.book}/{shape.plan}"
    units = {tenant: _units(shape, hour) for tenant, hour in hours.items()}
    year = Year(hours, shape.renamed, units, shape.by_person)
    store = year.store(folder / shape.book)
    try:
        results = try_plans(year, store, today, {name: sold(file, shape.plan)})
    finally:
        store.close()
    return _row(shape, file.content.plans, name, results, cost)


def _units(shape: Shape, hour: TraceHour) -> dict[str, int]:
    counts = {
        ACTIONS: hour.action_credits,
        ANSWERS: hour.requests,
        RESOLVED: hour.requests // REQUESTS_A_RESOLUTION,
        RESOLUTIONS: hour.requests // REQUESTS_A_RESOLUTION,
    }
    return {kind: counts[kind] for kind in shape.units}


def _row(
    shape: Shape, plans: Any, name: str, results: Sequence[TenantResult], cost: Fraction
) -> dict[str, Any]:
    revenue = sum_exact([result.tried[name].revenue for result in results])
    writer = Writer(CURRENCIES["USD"])
    by_tenant = {
        tenant: sum_exact(
            [r.tried[name].revenue for r in results if r.tenant_id.split(".")[0] == tenant]
        )
        for tenant in PEOPLE
    }
    tokens_unrated = sorted(
        {row for result in results for row in result.tried[name].unrated if "_" in row[2]}
    )
    margin = revenue - cost
    per_person = revenue / (sum(PEOPLE.values()) * MONTHS)
    return {
        "plan": name,
        "name": next(plan.name for plan in plans if plan.key == shape.plan),
        "stands_for": shape.words,
        "revenue": writer.money(revenue).model_dump(),
        "per_person_month": writer.money(per_person).model_dump(),
        "margin": writer.money(margin).model_dump(),
        "margin_percent": number(margin / revenue * HUNDRED) if revenue else None,
        "tenants": {t: writer.money(amount).model_dump() for t, amount in by_tenant.items()},
        "tokens_are_priced": not tokens_unrated,
        "scenario_outcomes": not OUTCOMES.isdisjoint(shape.units),
        "blocked_bills": sum(result.tried[name].blocked for result in results),
    }
