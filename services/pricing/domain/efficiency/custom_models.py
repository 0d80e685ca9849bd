"""Whether a model of one's own pays: fixed cost of training and hosting against tokens served."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from services.pricing.domain.cost.provider_cost import ProviderPrices
from services.pricing.domain.efficiency.costing import Coster, UnpricedKey, is_usage
from services.pricing.domain.efficiency.routing import Model
from services.pricing.domain.usage import Usage

TOKEN_KINDS = ("input_", "output_")


@dataclass(frozen=True)
class CustomModel:
    """A model of one's own that would serve what another serves now; US dollars, at least 0.

    training   once, spread evenly over `months` (at least 1)
    hosting    each month, whatever is served
    per_token  each token served, of whatever type
    replaces   the model whose tokens it would serve
    """

    name: str
    replaces: Model
    training: Fraction
    months: int
    hosting: Fraction
    per_token: Fraction

    def __post_init__(self) -> None:
        if min(self.training, self.hosting, self.per_token) < 0 or self.months < 1:
            raise ValueError("costs are 0 or more, and are spread over at least one month")

    @property
    def fixed_a_month(self) -> Fraction:
        """What it costs each month before it serves a token."""
        return self.training / self.months + self.hosting


@dataclass(frozen=True)
class CustomModelCase:
    """A custom model against the usage of some months, in US dollars."""

    model: CustomModel
    months: Fraction
    tokens: Fraction
    """Served in these months by the model that it replaces, with a price."""
    cost_now: Fraction
    unpriced: dict[UnpricedKey, Fraction]

    @property
    def cost_custom(self) -> Fraction:
        """What the same tokens cost on the custom model; training is paid once, however long."""
        paid = self.model.training * min(self.months / self.model.months, Fraction(1))
        return paid + self.model.hosting * self.months + self.tokens * self.model.per_token

    @property
    def unused(self) -> bool:
        """Whether nobody used the model that it replaces: then nothing can be said."""
        return not self.tokens

    @property
    def saving(self) -> Fraction:
        """What it would save, below 0 for a loss."""
        return self.cost_now - self.cost_custom

    @property
    def break_even_tokens(self) -> Fraction | None:
        """Tokens a month, of today's mix, from which it pays while its training is paid off.

        None if it never does, or nobody used what it replaces.
        """
        if not self.tokens:
            return None
        spared = self.cost_now / self.tokens - self.model.per_token
        return self.model.fixed_a_month / spared if spared > 0 else None


def custom_model_case(
    rows: Iterable[Usage], model: CustomModel, prices: ProviderPrices, months: Fraction
) -> CustomModelCase:
    """Return what a custom model would have cost in place of another over `months` (above 0)."""
    if months <= 0:
        raise ValueError("a case is about some time")
    coster = Coster(prices)
    tokens = cost = Fraction(0)
    for row in rows:
        if not is_usage(row) or Model(row.provider, row.model) != model.replaces:
            continue
        if row.kind.startswith(TOKEN_KINDS) and (paid := coster.cost(row)) is not None:
            tokens, cost = tokens + row.quantity, cost + paid
    return CustomModelCase(model, months, tokens, cost, coster.unpriced)
