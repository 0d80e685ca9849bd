"""Routes of an invoice's documents: with a key, or by a signed link without one."""

from typing import Annotated, cast

from fastapi import APIRouter, Header, Query, Request, Response

from services.invoicing.api.common import (
    BillingReader,
    BillingWriter,
    InvoiceId,
    Services,
    account_of,
)
from services.invoicing.api.serving import FILES, expiry_of, file_response, link_signer, opened
from services.invoicing.documents.links import Link, LinkSigner
from services.invoicing.documents.locales import DEFAULT_LOCALE, parse_locale, tag_of
from services.invoicing.documents.schemas import (
    LinkRead,
    LinkWrite,
    LocaleRead,
    LocaleTag,
    LocaleWrite,
)
from services.invoicing.documents.service import (
    FORMATS,
    Document,
    DocumentFormat,
    make_document,
    read_pages,
)
from services.invoicing.repository import documents as repository
from services.invoicing.repository import invoices
from services.invoicing.repository.documents import VENDOR_ITSELF
from shared.accounts import repository as accounts
from shared.ids import Slug


def documents_router(services: Services) -> APIRouter:
    """Return the routes of documents under `/v1`."""
    router = APIRouter(prefix="/v1", tags=["documents"])
    settings = services.settings
    signer = link_signer(services)

    @router.get("/invoices/{invoice_id}/statement", response_class=Response, responses=FILES)
    async def get_statement(
        invoice_id: InvoiceId,
        caller: BillingReader,
        format: DocumentFormat = "pdf",  # noqa: A002 - the name of the parameter
        locale: Annotated[LocaleTag | None, Query()] = None,
    ) -> Response:
        """Return the usage statement of an invoice as PDF, CSV or Parquet.

        It is written in the locale that is named, else the tenant's, the vendor's, or English.
        """
        async with services.database.transaction() as connection:
            invoice = await invoices.read_invoice(
                connection, account_of(caller), invoice_id, tenant_id=caller.tenant_id
            )
            statement, chosen = await read_pages(connection, invoice, locale=locale)
        return file_response(await make_document(statement, chosen, format))

    @router.post("/invoices/{invoice_id}/links")
    async def make_link(
        invoice_id: InvoiceId, written: LinkWrite, caller: BillingReader, request: Request
    ) -> LinkRead:
        """Make a signed link to the usage statement, which can be sent to the tenant."""
        locale = tag_of(parse_locale(written.locale)) if written.locale else ""
        async with services.database.transaction() as connection:
            await invoices.read_invoice(
                connection, account_of(caller), invoice_id, tenant_id=caller.tenant_id
            )
        expires_at = signer.expiry(written.expires_in_days)
        path = signer.path(Link(invoice_id, written.format, locale, int(expires_at.timestamp())))
        base = settings.invoicing_public_url or str(request.base_url)
        return LinkRead(url=base.rstrip("/") + path, expires_at=expires_at)

    _add_open(router, services, signer)
    _add_locales(router, services)
    return router


def _add_open(router: APIRouter, services: Services, signer: LinkSigner) -> None:
    @router.get(
        "/documents/{invoice_id}/statement.{format_}", response_class=Response, responses=FILES
    )
    async def open_link(
        invoice_id: str,
        format_: str,
        expires: str = "",
        locale: str = "",
        key: str = "",
        *,
        signature: str = "",
        accept: Annotated[str, Header(include_in_schema=False)] = "",
    ) -> Response:
        """Return the document that a signed link leads to; no API key is needed.

        A link that was changed is `invalid_link` (403), an old one `link_expired` (410): a page for
        browsers, a problem for programs.
        """

        async def make() -> Document:
            link = Link(invoice_id, format_, locale, expiry_of(expires))
            signer.verify(link, key_id=key, signature=signature)
            return await _linked(services, link)

        return await opened(make, accept)


async def _linked(services: Services, link: Link) -> Document:
    assert link.format in FORMATS, "only these are signed"
    format_ = cast("DocumentFormat", link.format)
    async with services.database.transaction() as connection:
        invoice = await repository.read_invoice_by_id(connection, link.invoice_id)
        statement, locale = await read_pages(connection, invoice, locale=link.locale or None)
    return await make_document(statement, locale, format_)


def _add_locales(router: APIRouter, services: Services) -> None:
    @router.put("/document-locale")
    async def put_locale(written: LocaleWrite, caller: BillingWriter) -> LocaleRead:
        """Set the locale of a tenant's documents, or of all tenants without one."""
        tenant = written.tenant
        if tenant is not None or caller.tenant_id is not None:
            tenant = caller.tenant(tenant)
        locale, account = tag_of(parse_locale(written.locale)), account_of(caller)
        async with services.database.transaction() as connection:
            if tenant is not None:
                await accounts.read_tenant(connection, account, tenant)  # or `unknown_tenant`
            await repository.put_locale(connection, account, tenant or VENDOR_ITSELF, locale)
        return LocaleRead(locale=locale, source="tenant" if tenant else "vendor")

    @router.get("/document-locale")
    async def get_locale(caller: BillingReader, tenant: Slug | None = None) -> LocaleRead:
        """Return the locale that a tenant's documents are written in."""
        if tenant is not None or caller.tenant_id is not None:
            tenant = caller.tenant(tenant)
        async with services.database.transaction() as connection:
            known = await repository.read_locales(
                connection, account_of(caller), [tenant] if tenant else []
            )
        if tenant in known:
            return LocaleRead(locale=known[tenant], source="tenant")
        if VENDOR_ITSELF in known:
            return LocaleRead(locale=known[VENDOR_ITSELF], source="vendor")
        return LocaleRead(locale=DEFAULT_LOCALE, source="default")
