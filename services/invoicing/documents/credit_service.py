"""The document of a credit note as a file."""

import asyncio

from babel import Locale

from services.invoicing.documents.credit_layout import lay_out_credit_note
from services.invoicing.documents.credit_note import CreditNoteDocument
from services.invoicing.documents.locales import Speech
from services.invoicing.documents.service import MAKER, Document, file_name
from services.invoicing.documents.typesetting import TEMPLATE, set_pages
from services.invoicing.sheets import MEDIA_TYPES

CREDIT_NOTE_TEMPLATE = TEMPLATE.with_name("credit_note.typ")


async def make_credit_note(document: CreditNoteDocument, locale: Locale) -> Document:
    """Return a credit note as PDF; call it outside a transaction, as for statements."""
    loop = asyncio.get_running_loop()
    content = await loop.run_in_executor(MAKER, typeset_credit_note, document, locale)
    return Document(file_name("credit-note", document.name, "pdf"), MEDIA_TYPES["pdf"], content)


def typeset_credit_note(document: CreditNoteDocument, locale: Locale) -> bytes:
    """Return a credit note as PDF. The same note gives the same bytes."""
    content = lay_out_credit_note(document, Speech(locale, document.currency))
    moment = int(document.note.created_at.timestamp())
    return set_pages(CREDIT_NOTE_TEMPLATE, content, moment)
