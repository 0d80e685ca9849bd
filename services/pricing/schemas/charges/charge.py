"""What all charges of a book have."""

from abc import abstractmethod

from pydantic import Field

from services.pricing.domain.charge import Charge as DomainCharge
from services.pricing.domain.charge import UsageFilter as DomainFilter
from services.pricing.domain.charges.price import Price
from services.pricing.schemas.conditions import MoneyConditions, Pools
from services.pricing.schemas.fields import Name
from services.pricing.schemas.usage_filter import UsageFilter
from shared.ids import Slug

ITEMS_MAX = 100
CELLS_MAX = 500


class ChargeContent(MoneyConditions):
    """A key that the book has once, a name for people, a price."""

    key: Slug
    name: Name

    @abstractmethod
    def price(self) -> Price:
        """Return the price as a value of the domain; raises ValueError if it could not exist."""

    def claim(self) -> DomainFilter | None:
        """Return what the charge claims; None for a fee."""
        return None

    def to_domain(self, pools: Pools) -> DomainCharge:
        """Return the charge as a value of the domain; `pools` hold those that it names."""
        return DomainCharge(self.key, self.name, self.price(), self.claim(), self.conditions(pools))


class Claiming(ChargeContent):
    """A charge that says which usage it claims."""

    usage: UsageFilter

    def claim(self) -> DomainFilter:
        return self.usage.to_domain()


class Narrowing(ChargeContent):
    """A charge whose price says what it claims; `usage` may narrow that."""

    usage: UsageFilter | None = Field(default=None, exclude_if=lambda value: value is None)

    def claim(self) -> DomainFilter:
        return self.usage.to_domain() if self.usage else DomainFilter(self.claimed_by_itself())

    def claimed_by_itself(self) -> dict[str, frozenset[str]]:
        """Return the dimensions that are claimed where no filter is given."""
        return {"kind": frozenset({"*"})}
