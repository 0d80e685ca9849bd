"""Which usage a charge claims, as JSON."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field, SerializerFunctionWrapHandler, model_serializer

from services.pricing.domain.charge import UsageFilter as DomainFilter
from services.pricing.schemas.content import Content
from services.pricing.schemas.fields import Wildcard, few_patterns

VALUES_MAX = 200

Values = Annotated[
    list[Wildcard],
    Field(min_length=1, max_length=VALUES_MAX),
    AfterValidator(few_patterns),
]
"""Texts, or patterns in which `*` stands for any text."""

DIMENSIONS = {
    "kinds": "kind",
    "providers": "provider",
    "models": "model",
    "agents": "agent",
    "context_bands": "context_band",
    "service_tiers": "service_tier",
    "speeds": "speed",
    "regions": "region",
    "purposes": "purpose",
    "statuses": "status",
}
"""Field of a filter → the dimension of usage that it speaks of."""


class UsageFilter(Content):
    """Which usage a charge claims: in each dimension that is named, one of its values.

    A meter of metering is named by the kind of its rows, `meter:<name>@<version>`.
    """

    kinds: Values
    providers: Values | None = None
    models: Values | None = None
    agents: Values | None = None
    context_bands: Values | None = None
    service_tiers: Values | None = None
    speeds: Values | None = None
    regions: Values | None = None
    purposes: Values | None = None
    statuses: Values | None = None
    batch: Annotated[bool, Field(strict=True)] | None = None
    exempt_models: Values | None = None

    @model_serializer(mode="wrap")
    def _named_only(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        content: dict[str, Any] = handler(self)
        return {name: value for name, value in content.items() if value is not None}

    def to_domain(self) -> DomainFilter:
        named = {DIMENSIONS[name]: getattr(self, name) for name in DIMENSIONS}
        dimensions = {name: frozenset(values) for name, values in named.items() if values}
        if self.batch is not None:
            dimensions["batch"] = frozenset({str(self.batch).lower()})
        exempt = {"model": frozenset(self.exempt_models)} if self.exempt_models else {}
        return DomainFilter(dimensions, exempt)
