"""HTTP models of price books and their versions."""

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from services.pricing.schemas.fields import Day, Name
from services.pricing.schemas.price_book import PriceBookContent

VersionState = Literal["draft", "published", "retired"]


class PriceBookWrite(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Name


class VersionSummary(BaseModel):
    version: int
    state: VersionState
    content_hash: str = Field(description="SHA-256 of the canonical JSON, in hex")
    effective_on: date | None
    published_at: datetime | None
    retired_at: datetime | None


class PriceBookRead(BaseModel):
    """A book with its newest versions, in rising order; all of them are on a page of their own."""

    book: str
    name: str
    versions: list[VersionSummary]


class PriceBookList(BaseModel):
    """In the order of their keys; `next_after` is the `after` of the next page, null at the end."""

    price_books: list[PriceBookRead]
    next_after: str | None


class VersionList(BaseModel):
    """In rising order; `next_after` is the `after` of the next page, null on the last one."""

    versions: list[VersionSummary]
    next_after: int | None


class VersionRead(VersionSummary):
    book: str
    content: PriceBookContent


class VersionPublish(BaseModel):
    """Periods that start on or after `effective_on` are rated with the version."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"effective_on": "2023-11-01"}]}
    )

    effective_on: Day


class VersionRetire(BaseModel):
    """A retirement says nothing more."""


PRICE_BOOK_EXAMPLE = {
    "currency": "USD",
    "charges": [
        {"model": "flat", "key": "platform", "name": "Platform fee", "amount": "500.00"},
        {"model": "per_seat", "key": "seats", "name": "Seats", "unit_amount": "20.00"},
        {
            "model": "graduated",
            "key": "input",
            "name": "Input tokens",
            "usage": {"kinds": ["input_uncached"], "models": ["claude-sonnet-4-6"]},
            "per": "1000000",
            "tiers": [
                {"up_to": "10000000", "unit_amount": "4.00"},
                {"up_to": None, "unit_amount": "3.50"},
            ],
        },
        {
            "model": "per_unit",
            "key": "output",
            "name": "Output tokens",
            "usage": {"kinds": ["output_text", "output_reasoning"]},
            "per": "1000000",
            "unit_amount": "18.00",
        },
    ],
    "plans": [{"key": "team", "name": "Team", "charges": ["platform", "seats", "input", "output"]}],
}
