"""Bounds of what a subscription says, and its phases."""

from typing import Annotated

from pydantic import Field

from services.pricing.schemas.content import Content
from services.pricing.schemas.fields import Day
from services.pricing.schemas.overrides import Override
from shared.ids import Slug

SEATS_MAX = 10_000_000
VERSION_MAX = 1_000_000
TRIAL_DAYS_MAX = 366
OVERRIDES_MAX = 100
PHASES_MAX = 50

Version = Annotated[int, Field(ge=1, le=VERSION_MAX, strict=True)]
Stays = Annotated[
    bool,
    Field(
        strict=True,
        description="whether a named version is stayed on; false: until a later one is in force "
        "at the start of a period",
    ),
]


class Phase(Content):
    """Other terms from a day on; what is left out stays as it is."""

    starts_on: Day
    price_book: Slug | None = None
    plan: Slug | None = None
    price_version: Version | None = None
    stays: Stays = True
    overrides: list[Override] | None = Field(default=None, max_length=OVERRIDES_MAX)

    @property
    def chooses(self) -> bool:
        """Whether the phase has a plan (or a version) of its own."""
        return any(value is not None for value in (self.price_book, self.plan, self.price_version))
