"""HTTP models of what efficiency comes to; amounts in US dollars, exact, `null` where unknown."""

from datetime import date
from fractions import Fraction
from typing import Any, Self

from pydantic import BaseModel, Field

from services.pricing.domain.efficiency.caching import CacheReport, CacheUse
from services.pricing.domain.efficiency.custom_models import CustomModelCase
from services.pricing.domain.efficiency.routing import AgentSaving, RoutingSaving
from services.pricing.domain.efficiency.waste import Retried, RetriedReport, Waste, WasteReport
from services.pricing.schemas.efficiency import ModelNamed, UnpricedRead
from shared.money import format_exact


def _or_null(value: Fraction | None) -> str | None:
    return None if value is None else format_exact(value)


def _figures(source: object, model: type[BaseModel]) -> dict[str, Any]:
    """Return the fields of a model from what has attributes of their names, amounts as text."""
    values = {name: getattr(source, name) for name in model.model_fields}
    return {name: v if isinstance(v, str) else _or_null(v) for name, v in values.items()}


class CacheUseRead(BaseModel):
    """The cache of one agent on one model; counts in tokens."""

    agent: str
    provider: str
    model: str
    fresh: str
    read: str
    written: str
    hit_ratio: str | None = Field(description="read of all input")
    saved_by_reads: str = Field(description="against the same input fresh")
    lost_by_writes: str = Field(description="above the same input fresh")
    saved: str = Field(description="by reads less by writes; below 0 where writes did not pay")
    could_save: str = Field(description="more, at the target")
    reads_per_write: str | None = Field(description="how often what was written was read")
    reads_to_pay: str | None = Field(
        description="from which on a write pays, at the prices of what was written"
    )

    @classmethod
    def of(cls, use: CacheUse) -> Self:
        return cls(**_figures(use, cls))


class CacheRead(BaseModel):
    """What prompt caches saved and could have, by agent and model and in all."""

    saved: str
    could_save: str
    by_agent_and_model: list[CacheUseRead]
    unpriced: list[UnpricedRead]

    @classmethod
    def of(cls, report: CacheReport) -> Self:
        return cls(
            saved=format_exact(report.saved),
            could_save=format_exact(report.could_save),
            by_agent_and_model=[CacheUseRead.of(use) for use in report.uses],
            unpriced=UnpricedRead.of(report.unpriced),
        )


class WasteRow(BaseModel):
    """What was paid, and parts of it that came to nothing: parts of parts, not to be added."""

    agent: str
    provider: str
    model: str
    cost: str
    aborted: str = Field(description="broke off; what the provider told of it until then")
    failed: str
    share: str | None = Field(description="aborted and failed of the cost")
    reasoning: str = Field(description="thinking, where the provider tells it apart from text")
    aborted_reasoning: str = Field(description="thinking in what broke off")
    failed_reasoning: str = Field(description="thinking in what failed")
    unused_reasoning: str = Field(
        description="both: thinking without a whole answer. Of answers that came, nobody says "
        "whether they were used"
    )

    @classmethod
    def of(cls, waste: Waste) -> Self:
        return cls(**_figures(waste, cls))


class RetriedRow(BaseModel):
    """What an agent's requests on a model cost that say which one they repeat."""

    agent: str
    provider: str
    model: str
    cost: str

    @classmethod
    def of(cls, retried: Retried) -> Self:
        return cls(**_figures(retried, cls))


class RetriedRead(BaseModel):
    """What repeated something. `known` false: nobody said so, and that is not 0."""

    known: bool
    cost: str | None = Field(description="of what says it, known at least; null: nothing does")
    by_agent_and_model: list[RetriedRow]
    reason: str
    known_by: str = Field(description="what makes it known")
    unpriced: list[UnpricedRead]

    @classmethod
    def of(cls, report: RetriedReport) -> Self:
        known = bool(report.agents)
        return cls(
            known=known,
            cost=format_exact(report.cost) if known else None,
            by_agent_and_model=[RetriedRow.of(one) for one in report.agents],
            reason=REPEATS,
            known_by=KNOWN_BY,
            unpriced=UnpricedRead.of(report.unpriced),
        )


REPEATS = (
    "What broke off or failed and was sent again is in `aborted` or `failed`. What was answered "
    "and asked again looks like any other request, unless its event says so. Tries inside a "
    "provider's own client are one event, that of the last."
)
KNOWN_BY = (
    "The tag `retry_of` on an event of a run, with the id of the event which it repeats; runs are "
    "kept for some time only."
)


class WasteRead(BaseModel):
    """Waste in all, and by agent and model; amounts are what is known at least."""

    total: WasteRow
    by_agent_and_model: list[WasteRow]
    retried: RetriedRead
    unpriced: list[UnpricedRead]

    @classmethod
    def of(cls, report: WasteReport, retried: RetriedReport) -> Self:
        return cls(
            total=WasteRow.of(report.total),
            by_agent_and_model=[WasteRow.of(one) for one in report.agents],
            retried=RetriedRead.of(retried),
            unpriced=UnpricedRead.of(report.unpriced),
        )


class RoutingAgentRead(BaseModel):
    """One agent's part; in place of `baseline_cost` it would have paid the next four."""

    agent: str
    baseline_cost: str
    held_out: str
    chosen_cost: str
    lost_cache: str
    repeated: str
    cheaper: str
    saving: str = Field(description="cheaper - lost_cache - repeated: before the router's cost")

    @classmethod
    def of(cls, saving: AgentSaving) -> Self:
        return cls(**_figures(saving, cls))


class RoutingRead(BaseModel):
    """What a policy would have saved: cheaper - lost_cache - repeated - router_cost."""

    name: str
    baseline: ModelNamed
    chosen: ModelNamed
    hold_out: str = Field(description="share, as stated")
    gate: str = Field(description="share, as stated")
    cache_loss: str = Field(description="share, as stated")
    baseline_cost: str
    held_out: str = Field(description="of the baseline's cost: stays where it is")
    chosen_cost: str = Field(description="of the routed requests on the chosen model")
    cheaper: str = Field(description="baseline_cost - held_out - chosen_cost")
    lost_cache: str
    repeated: str
    router_cost: str
    saving: str
    share: str | None = Field(description="of the baseline's cost")
    unused_baseline: bool = Field(description="nobody asked for the baseline: nothing to save")
    by_agent: list[RoutingAgentRead] = Field(description="sum to the policy's")
    unpriced: list[UnpricedRead]

    @classmethod
    def of(cls, found: RoutingSaving, *, unused: bool) -> Self:
        policy, parts = found.policy, RoutingAgentRead.of(found.all_agents)
        return cls(
            name=policy.name,
            baseline=ModelNamed.of(policy.baseline),
            chosen=ModelNamed.of(policy.chosen),
            hold_out=format_exact(policy.hold_out),
            gate=format_exact(policy.gate),
            cache_loss=format_exact(policy.cache_loss),
            **parts.model_dump(exclude={"agent", "saving"}),
            router_cost=format_exact(policy.router_cost),
            saving=format_exact(found.saving),
            share=_or_null(found.share),
            unused_baseline=unused,
            by_agent=[RoutingAgentRead.of(one) for one in found.agents],
            unpriced=UnpricedRead.of(found.unpriced),
        )


class CustomModelRead(BaseModel):
    """A model of one's own against what the usage cost."""

    name: str
    replaces: ModelNamed
    months: str = Field(description="a month is a twelfth of 365 days")
    tokens: str
    cost_now: str
    cost_custom: str
    fixed_a_month: str = Field(description="of `cost_custom`, before a token is served")
    per_million_tokens: str
    saving: str
    break_even_tokens: str | None = Field(
        description="a month, of today's mix; null: it never pays, or nobody used what it replaces"
    )
    unused_model: bool = Field(description="nobody used the model that it would replace")
    unpriced: list[UnpricedRead]

    @classmethod
    def of(cls, case: CustomModelCase) -> Self:
        return cls(
            name=case.model.name,
            replaces=ModelNamed.of(case.model.replaces),
            months=format_exact(case.months),
            tokens=format_exact(case.tokens),
            cost_now=format_exact(case.cost_now),
            cost_custom=format_exact(case.cost_custom),
            fixed_a_month=format_exact(case.model.fixed_a_month),
            per_million_tokens=format_exact(case.model.per_token * 1_000_000),
            saving=format_exact(case.saving),
            break_even_tokens=_or_null(case.break_even_tokens),
            unused_model=case.unused,
            unpriced=UnpricedRead.of(case.unpriced),
        )


class EfficiencyRead(BaseModel):
    """Every figure of some usage, and what was assumed for it."""

    start: date
    end: date = Field(description="exclusive")
    tenant: str | None = Field(description="null: all together")
    assumptions: list[str]
    cache: CacheRead
    waste: WasteRead
    routing: list[RoutingRead]
    custom_models: list[CustomModelRead]
