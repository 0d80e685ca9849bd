"""Routes of credit notes' documents, and of the list of all documents of an invoice."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request, Response

from services.invoicing.api.common import BillingReader, InvoiceId, Services, account_of
from services.invoicing.api.serving import PDF, expiry_of, file_response, link_signer, opened
from services.invoicing.corrections.models import CreditNote
from services.invoicing.documents.credit_note import read_credit_note
from services.invoicing.documents.credit_schemas import (
    CreditNoteLinkWrite,
    InvoiceDocument,
    InvoiceDocuments,
)
from services.invoicing.documents.credit_service import make_credit_note
from services.invoicing.documents.links import CREDIT_NOTE, DAYS_MAX, Link, LinkSigner
from services.invoicing.documents.locales import parse_locale, tag_of
from services.invoicing.documents.reading import choose_locale
from services.invoicing.documents.schemas import LinkRead, LocaleTag
from services.invoicing.documents.service import FORMATS, Document
from services.invoicing.models import Invoice
from services.invoicing.repository import credit_notes, invoices

NoteId = Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$")]


def credit_documents_router(services: Services) -> APIRouter:
    """Return the routes under `/v1`."""
    router = APIRouter(prefix="/v1", tags=["documents"])
    signer = link_signer(services)

    @router.get("/credit-notes/{credit_note_id}/document", response_class=Response, responses=PDF)
    async def get_credit_note_document(
        credit_note_id: NoteId,
        caller: BillingReader,
        locale: Annotated[LocaleTag | None, Query()] = None,
    ) -> Response:
        """Return an issued credit note as PDF, in the locale that a statement would have."""
        async with services.database.transaction() as connection:
            note = await credit_notes.read_note(
                connection, account_of(caller), credit_note_id, tenant_id=caller.tenant_id
            )
        return file_response(await _made(services, note, locale))

    @router.post("/credit-notes/{credit_note_id}/links")
    async def make_credit_note_link(
        credit_note_id: NoteId,
        written: CreditNoteLinkWrite,
        caller: BillingReader,
        request: Request,
    ) -> LinkRead:
        """Make a signed link to an issued credit note, which can be sent to the tenant."""
        locale = tag_of(parse_locale(written.locale)) if written.locale else ""
        async with services.database.transaction() as connection:
            note = await credit_notes.read_note(
                connection, account_of(caller), credit_note_id, tenant_id=caller.tenant_id
            )
            await read_credit_note(connection, note.account, note)  # or `credit_note_not_issued`
        expires_at = signer.expiry(written.expires_in_days)
        link = Link(credit_note_id, "pdf", locale, int(expires_at.timestamp()), CREDIT_NOTE)
        return LinkRead(url=_base(services, request) + signer.path(link), expires_at=expires_at)

    _add_list(router, services, signer)
    _add_open(router, services, signer)
    return router


def _add_list(router: APIRouter, services: Services, signer: LinkSigner) -> None:
    @router.get("/invoices/{invoice_id}/documents")
    async def list_documents(
        invoice_id: InvoiceId,
        caller: BillingReader,
        request: Request,
        expires_in_days: Annotated[int, Query(ge=1, le=DAYS_MAX)] = 30,
    ) -> InvoiceDocuments:
        """List an invoice's usage statement and credit notes, each with a signed link."""
        account = account_of(caller)
        async with services.database.transaction() as connection:
            invoice = await invoices.read_invoice(
                connection, account, invoice_id, tenant_id=caller.tenant_id
            )
            issued = await credit_notes.issued_notes(connection, account, [invoice_id])
        base, days = _base(services, request), expires_in_days
        documents = _listed(invoice, issued[invoice_id], signer, base=base, days=days)
        return InvoiceDocuments(invoice_id=invoice_id, documents=documents)


def _listed(
    invoice: Invoice, notes: Sequence[CreditNote], signer: LinkSigner, *, base: str, days: int
) -> list[InvoiceDocument]:
    expires_at = signer.expiry(days)
    ends, name = int(expires_at.timestamp()), invoice.number or invoice.invoice_id
    links = [
        ("usage_statement", name, None, Link(invoice.invoice_id, one, "", ends)) for one in FORMATS
    ] + [
        (
            "credit_note",
            note.number,
            note.credit_note_id,
            Link(note.credit_note_id, "pdf", "", ends, CREDIT_NOTE),
        )
        for note in notes
    ]
    return [
        InvoiceDocument.model_validate(
            {
                "kind": kind,
                "name": called,
                "credit_note_id": note_id,
                "format": link.format,
                "url": base + signer.path(link),
                "expires_at": expires_at,
            }
        )
        for kind, called, note_id, link in links
    ]


def _add_open(router: APIRouter, services: Services, signer: LinkSigner) -> None:
    @router.get(
        "/documents/{credit_note_id}/credit-note.pdf", response_class=Response, responses=PDF
    )
    async def open_credit_note(
        credit_note_id: str,
        expires: str = "",
        locale: str = "",
        key: str = "",
        *,
        signature: str = "",
        accept: Annotated[str, Header(include_in_schema=False)] = "",
    ) -> Response:
        """Return the credit note that a signed link leads to; no API key is needed.

        What is wrong with a link is told as for usage statements.
        """

        async def make() -> Document:
            link = Link(credit_note_id, "pdf", locale, expiry_of(expires), CREDIT_NOTE)
            signer.verify(link, key_id=key, signature=signature)
            async with services.database.transaction() as connection:
                note = await credit_notes.read_note_by_id(connection, credit_note_id)
            return await _made(services, note, locale or None)

        return await opened(make, accept)


async def _made(services: Services, note: CreditNote, locale: str | None) -> Document:
    async with services.database.transaction() as connection:
        document = await read_credit_note(connection, note.account, note)
        chosen = await choose_locale(connection, document.invoice, locale)
    return await make_credit_note(document, chosen)


def _base(services: Services, request: Request) -> str:
    return (services.settings.invoicing_public_url or str(request.base_url)).rstrip("/")
