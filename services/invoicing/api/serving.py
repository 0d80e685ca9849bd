"""How documents are handed out: their headers, and what a link that does not lead to one gets."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Response

from services.invoicing.api.common import Services
from services.invoicing.documents.links import LinkSigner, link_keys
from services.invoicing.documents.pages import refusal_page
from services.invoicing.documents.service import Document
from services.invoicing.sheets import MEDIA_TYPES
from shared.errors import TallyrollError

EXPIRY_DIGITS_MAX = 12

PRIVATE = {
    "Cache-Control": "private, no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}
"""A document is its reader's: kept by no cache, named to no other site, found by no engine."""

FILES: dict[int | str, dict[str, Any]] = {
    200: {"description": "the file", "content": {name: {} for name in MEDIA_TYPES.values()}}
}
PDF: dict[int | str, dict[str, Any]] = {
    200: {"description": "the file", "content": {MEDIA_TYPES["pdf"]: {}}}
}


def link_signer(services: Services) -> LinkSigner:
    """Return what signs and verifies links, by the deployment's keys."""
    settings = services.settings
    listed = settings.invoicing_link_keys
    keys = link_keys(
        listed.get_secret_value() if listed else None,
        settings.secret_key.get_secret_value().encode(),
    )
    return LinkSigner(keys, services.clock)


def expiry_of(text: str) -> int:
    """Read a link's time of expiry; what is none has passed."""
    numeric = text.isascii() and text.isdigit() and len(text) <= EXPIRY_DIGITS_MAX
    return int(text) if numeric else 0


def file_response(document: Document) -> Response:
    """Return a document as an answer."""
    shown = "inline" if document.name.endswith(".pdf") else "attachment"
    disposition = {"Content-Disposition": f'{shown}; filename="{document.name}"'}
    return Response(document.content, media_type=document.media_type, headers=PRIVATE | disposition)


async def opened(make: Callable[[], Awaitable[Document]], accept: str) -> Response:
    """Return what a link leads to; a refusal is a page for browsers, a problem for programs."""
    try:
        return file_response(await make())
    except TallyrollError as refusal:
        if "text/html" not in accept:
            raise
        page = refusal_page(refusal)
        page.headers.update(PRIVATE)
        return page
