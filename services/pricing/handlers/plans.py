"""Plans of published versions as values of the domain, kept: they never change."""

from collections import OrderedDict
from dataclasses import dataclass

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.plan import Plan
from services.pricing.repository import catalog
from services.pricing.schemas.price_book import PriceBookContent
from shared.accounts.repository import Account
from shared.currencies import CURRENCIES, Currency

PLANS_MAX = 1_000
"""Plans that a process keeps; the least used one goes first."""


@dataclass(frozen=True)
class PricedPlan:
    """A plan with the currency of its book."""

    plan: Plan
    currency: Currency


class Plans:
    """Plans by the hash of their book's content and their key."""

    def __init__(self, limit: int = PLANS_MAX) -> None:
        """Keep up to `limit` plans."""
        self._limit = limit
        self._kept: OrderedDict[tuple[str, str], PricedPlan | None] = OrderedDict()

    async def find(
        self, connection: AsyncConnection, account: Account, version: RowMapping, plan: str
    ) -> PricedPlan | None:
        """Return a plan of a version, which has `book`, `version` and `content_hash`.

        None when the version has no such plan. The content is read on the first look only.
        """
        key = (version["content_hash"], plan)
        if key not in self._kept:
            stored = await catalog.read_version(
                connection, account, version["book"], version=version["version"]
            )
            assert stored is not None, "a published version stays"
            self._kept[key] = _built(PriceBookContent.model_validate(stored["content"]), plan)
            if len(self._kept) > self._limit:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]


def _built(content: PriceBookContent, key: str) -> PricedPlan | None:
    plan = content.plan(key)
    return None if plan is None else PricedPlan(plan, CURRENCIES[content.currency])


plans = Plans()
"""The plans of this process."""
