"""Documents of an invoice in every format: what the routes hand out."""

import asyncio
import re
from dataclasses import dataclass
from typing import Literal, get_args

from babel import Locale
from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.documents.files import as_file
from services.invoicing.documents.reading import choose_locale, read_statement
from services.invoicing.documents.statement import UsageStatement
from services.invoicing.documents.typesetting import typeset
from services.invoicing.models import Invoice
from services.invoicing.sheets import MEDIA_TYPES

DocumentFormat = Literal["pdf", "csv", "parquet"]
FORMATS: tuple[str, ...] = get_args(DocumentFormat)

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Document:
    """A file to hand out."""

    name: str
    media_type: str
    content: bytes


async def make_document(
    connection: AsyncConnection,
    invoice: Invoice,
    format_: DocumentFormat,
    *,
    locale: str | None,
) -> Document:
    """Return the usage statement of an invoice; raises `unknown_locale`.

    Setting pages and writing files takes a thread, the event loop goes on.
    """
    chosen = await choose_locale(connection, invoice, locale)
    statement = await read_statement(connection, invoice)
    content = await asyncio.to_thread(_content, statement, format_, chosen)
    name = f"usage-statement-{_UNSAFE.sub('-', statement.name)}.{format_}"
    return Document(name, MEDIA_TYPES[format_], content)


def _content(statement: UsageStatement, format_: DocumentFormat, locale: Locale) -> bytes:
    return typeset(statement, locale) if format_ == "pdf" else as_file(statement, format_)
