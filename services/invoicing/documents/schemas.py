"""HTTP models of documents and of what is behind a line."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.invoicing.documents.links import DAYS_MAX
from services.invoicing.documents.locales import LOCALE_PATTERN
from services.invoicing.documents.service import DocumentFormat
from shared.ids import Slug

LocaleTag = Annotated[str, StringConstraints(pattern=LOCALE_PATTERN, max_length=40)]


class LinkWrite(BaseModel):
    """A link to make."""

    model_config = ConfigDict(extra="forbid")

    format: DocumentFormat = "pdf"
    locale: LocaleTag | None = Field(
        default=None, description="such as de-DE; by default the tenant's, the vendor's, or en"
    )
    expires_in_days: int = Field(default=30, ge=1, le=DAYS_MAX)


class LinkRead(BaseModel):
    """A link that needs no API key: whoever holds it reads the document until it expires."""

    url: str
    expires_at: datetime


class LocaleWrite(BaseModel):
    """The locale that documents are written in."""

    model_config = ConfigDict(extra="forbid")

    tenant: Slug | None = Field(default=None, description="null: the vendor's, for all others")
    locale: LocaleTag


class LocaleRead(BaseModel):
    """The locale in force, and whose it is."""

    locale: str
    source: Literal["tenant", "vendor", "default"]


class DetailUsage(BaseModel):
    """A detail of a line, and where its events are listed."""

    position: int
    agent: str
    model: str
    kind: str
    usage_day: date
    quantity: str = Field(description="exact decimal; details of a line sum to its quantity")
    amount_minor: int
    events_path: str = Field(description="of metering's API; the last page has no `next_cursor`")


class LineUsage(BaseModel):
    """What to ask of metering's API to see the usage behind a line.

    Rows of `usage_path` with the key of a detail and a `booked_day` in the bounds sum to the
    detail's quantity.
    """

    invoice_id: str
    line_key: str
    unit: str
    quantity: str
    usage_path: str | None = Field(
        description="of metering's API, for the details of this page; null for a line without usage"
    )
    booked_from: date | None = Field(description="inclusive; null: no bound")
    booked_to: date = Field(description="exclusive")
    details: list[DetailUsage]
    next_after: int | None = Field(description="the `after` of the next page, null on the last")
