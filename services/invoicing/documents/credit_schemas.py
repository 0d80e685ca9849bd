"""HTTP models of credit notes' documents, and of all that an invoice has."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from services.invoicing.documents.links import DAYS_MAX
from services.invoicing.documents.schemas import LocaleTag
from services.invoicing.documents.service import DocumentFormat


class CreditNoteLinkWrite(BaseModel):
    """A link to make."""

    model_config = ConfigDict(extra="forbid")

    locale: LocaleTag | None = Field(
        default=None, description="such as de-DE; by default the tenant's, the vendor's, or en"
    )
    expires_in_days: int = Field(default=30, ge=1, le=DAYS_MAX)


class InvoiceDocument(BaseModel):
    """A document of an invoice, and a signed link to it that needs no API key."""

    kind: Literal["usage_statement", "credit_note"]
    name: str = Field(description="the number of the invoice or credit note, without one its id")
    credit_note_id: str | None = Field(description="null for the usage statement")
    format: DocumentFormat
    url: str
    expires_at: datetime


class InvoiceDocuments(BaseModel):
    """The usage statement in each of its forms, then the issued credit notes, oldest first."""

    invoice_id: str
    documents: list[InvoiceDocument]
