"""HTTP models of what efficiency comes to; amounts in US dollars, exact, `null` where unknown."""

from fractions import Fraction
from typing import Self

from pydantic import BaseModel, Field

from services.pricing.domain.efficiency.caching import CacheReport, CacheUse
from services.pricing.domain.efficiency.custom_models import CustomModelCase
from services.pricing.domain.efficiency.routing import RoutingSaving
from services.pricing.domain.efficiency.waste import Waste, WasteReport
from services.pricing.schemas.efficiency import UnpricedRead
from shared.money import format_exact


def _or_null(value: Fraction | None) -> str | None:
    return None if value is None else format_exact(value)


def _figures(source: object, model: type[BaseModel]) -> dict[str, str | None]:
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
    saved: str = Field(description="against all input fresh; below 0 where writes did not pay")
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
    aborted: str
    failed: str
    share: str | None = Field(description="aborted and failed of the cost")
    reasoning: str
    unused_reasoning: str = Field(description="thinking in what was aborted or failed")

    @classmethod
    def of(cls, waste: Waste) -> Self:
        return cls(**_figures(waste, cls))


class WasteRead(BaseModel):
    """Waste in all, and by agent and model. Retries are not in it: the run tree knows them."""

    total: WasteRow
    by_agent_and_model: list[WasteRow]
    unpriced: list[UnpricedRead]

    @classmethod
    def of(cls, report: WasteReport) -> Self:
        return cls(
            total=WasteRow.of(report.total),
            by_agent_and_model=[WasteRow.of(one) for one in report.agents],
            unpriced=UnpricedRead.of(report.unpriced),
        )


class RoutingRead(BaseModel):
    """What a policy would have saved: cheaper - lost_cache - repeated - router_cost."""

    name: str
    baseline_cost: str
    cheaper: str
    lost_cache: str
    repeated: str
    router_cost: str
    saving: str
    share: str | None = Field(description="of the baseline's cost")
    unused_baseline: bool = Field(description="nobody asked for the baseline: nothing to save")
    unpriced: list[UnpricedRead]

    @classmethod
    def of(cls, found: RoutingSaving, *, unused: bool) -> Self:
        return cls(
            name=found.policy.name,
            baseline_cost=format_exact(found.baseline_cost),
            cheaper=format_exact(found.cheaper),
            lost_cache=format_exact(found.lost_cache),
            repeated=format_exact(found.repeated),
            router_cost=format_exact(found.policy.router_cost),
            saving=format_exact(found.saving),
            share=_or_null(found.share),
            unused_baseline=unused,
            unpriced=UnpricedRead.of(found.unpriced),
        )


class CustomModelRead(BaseModel):
    """A model of one's own against what the usage cost."""

    name: str
    months: str = Field(description="a month is a twelfth of 365 days")
    tokens: str
    cost_now: str
    cost_custom: str
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
            months=format_exact(case.months),
            tokens=format_exact(case.tokens),
            cost_now=format_exact(case.cost_now),
            cost_custom=format_exact(case.cost_custom),
            saving=format_exact(case.saving),
            break_even_tokens=_or_null(case.break_even_tokens),
            unused_model=case.unused,
            unpriced=UnpricedRead.of(case.unpriced),
        )


class EfficiencyRead(BaseModel):
    """Every figure of some usage, and what was assumed for it."""

    assumptions: list[str]
    cache: CacheRead
    waste: WasteRead
    routing: list[RoutingRead]
    custom_models: list[CustomModelRead]
