"""Prices that a vendor states itself: by contract with a provider, or by hand."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Literal

from services.pricing.domain.cost.circumstances import service_tier_of, speed_of
from services.pricing.domain.cost.model_ids import canonical_provider
from services.pricing.domain.cost.prices import Source, UnitPrice
from services.pricing.domain.usage import Usage

ANY_MODEL = "*"


@dataclass(frozen=True)
class OverlayPrice:
    """A price of a contract or by hand, for usage of the days `[effective_from, effective_to)`.

    `model` may be "*". None in `service_tier`, `batch` and `speed` accepts everything; "" is the
    provider's standard, other tiers and speeds are in the table's words. Of equally specific rows
    the one with the highest `position` counts; with `price` None it takes the others back.
    """

    position: int
    source: Literal[Source.CONTRACT, Source.MANUAL]
    provider: str
    model: str
    kind: str
    service_tier: str | None
    batch: bool | None
    speed: str | None
    effective_from: date
    effective_to: date | None
    price: UnitPrice | None

    def __post_init__(self) -> None:
        if self.effective_to is not None and self.effective_to <= self.effective_from:
            raise ValueError("a price holds for a day at least")

    def rank(self, usage: Usage) -> tuple[bool, ...]:
        """Tell how specific the row is; a higher rank wins, whatever the order of writing.

        The usage's own spelling of the model comes before another spelling of the same model.
        """
        stated = (self.service_tier, self.batch, self.speed)
        named = (self.model == usage.model, self.model != ANY_MODEL)
        return (*named, *(value is not None for value in stated))

    def covers(self, usage: Usage) -> bool:
        """Tell whether the row speaks of this usage; its model and kind are known to match."""
        day = usage.usage_day
        if day < self.effective_from or (self.effective_to and day >= self.effective_to):
            return False
        return (
            self.service_tier in {None, service_tier_of(usage.service_tier)}
            and self.batch in {None, usage.batch == "true"}
            and self.speed in {None, speed_of(usage.speed)}
        )


class Overlay:
    """All rows of an account, found by provider, model and kind."""

    def __init__(
        self, rows: Iterable[OverlayPrice], meaning: Callable[[str, str], str] = lambda _, m: m
    ) -> None:
        """Index the rows; `meaning` is the model that a provider's spelling of it stands for."""
        self._meaning = meaning
        self._rows: dict[tuple[Source, str, str, str], list[OverlayPrice]] = defaultdict(list)
        for row in rows:
            provider = canonical_provider(row.provider)
            model = meaning(provider, row.model)
            self._rows[row.source, provider, model, row.kind].append(row)

    def find(self, source: Source, usage: Usage) -> UnitPrice | None:
        """Return the price that a source states, None if it states none.

        The most specific row wins: model, then service tier, batch, speed, then the latest row.
        """
        provider = canonical_provider(usage.provider)
        covering = [
            row
            for model in (self._meaning(provider, usage.model), ANY_MODEL)
            for row in self._rows.get((source, provider, model, usage.kind), ())
            if row.covers(usage)
        ]
        covering.sort(key=lambda row: (row.rank(usage), row.position), reverse=True)
        for _, equals in groupby(covering, key=lambda row: row.rank(usage)):
            price = next(equals).price
            if price is not None:
                return price
        return None
