"""Documents of an invoice in every format: what the routes hand out."""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
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

MAKER = ThreadPoolExecutor(1, "documents")
"""One document at a time: that bounds the memory, however many links are opened at once."""

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Document:
    """A file to hand out."""

    name: str
    media_type: str
    content: bytes


async def read_pages(
    connection: AsyncConnection, invoice: Invoice, *, locale: str | None
) -> tuple[UsageStatement, Locale]:
    """Return what a document is made of; `locale` None: the tenant's; raises `unknown_locale`."""
    chosen = await choose_locale(connection, invoice, locale)
    return await read_statement(connection, invoice), chosen


async def make_document(
    statement: UsageStatement, locale: Locale, format_: DocumentFormat
) -> Document:
    """Return the usage statement of an invoice as a file.

    Call it outside a transaction: documents are made one after the other in a thread of their own,
    and no connection to the database waits for that.
    """
    loop = asyncio.get_running_loop()
    content = await loop.run_in_executor(MAKER, _content, statement, format_, locale)
    name = file_name("usage-statement", statement.name, format_)
    return Document(name, MEDIA_TYPES[format_], content)


def file_name(kind: str, name: str, form: str) -> str:
    """Return what a document is saved as, in characters that every system takes."""
    return f"{kind}-{_UNSAFE.sub('-', name)}.{form}"


def _content(statement: UsageStatement, format_: DocumentFormat, locale: Locale) -> bytes:
    return typeset(statement, locale) if format_ == "pdf" else as_file(statement, format_)
