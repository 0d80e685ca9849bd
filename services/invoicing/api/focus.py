"""Route of the FOCUS export."""

from collections.abc import Iterator
from tempfile import TemporaryFile
from typing import IO, Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from services.invoicing.api.common import BillingReader, Services, account_of
from services.invoicing.focus.export import export_focus, month_of
from services.invoicing.repository.documents import Billed
from services.invoicing.sheets import MEDIA_TYPES, Form
from shared.ids import Slug

ROWS_MAX = 1_000_000
CHUNK_BYTES = 256 * 1024

FILES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "the file",
        "content": {MEDIA_TYPES["csv"]: {}, MEDIA_TYPES["parquet"]: {}},
    }
}


def focus_router(services: Services) -> APIRouter:
    """Return the route of the FOCUS export under `/v1`."""
    router = APIRouter(prefix="/v1", tags=["exports"])

    @router.get("/focus", response_class=Response, responses=FILES)
    async def get_focus(
        caller: BillingReader,
        month: Annotated[str, Query(pattern=r"^\d{4}-\d{2}$", examples=["2026-10"])],
        format: Form = "csv",  # noqa: A002 - the name of the parameter
        tenant: Slug | None = None,
    ) -> Response:
        """Return a month's billed invoices as FOCUS 1.2 rows: periods that begin in the month.

        `BilledCost` sums to the invoices. A tenant's key sees its own.
        """
        wanted = caller.tenant(tenant) if caller.tenant_id else tenant
        billed = Billed(account_of(caller), wanted, *month_of(month))
        file = TemporaryFile()  # noqa: SIM115 - closed when it is sent
        try:
            async with services.database.transaction("REPEATABLE READ") as connection:
                await export_focus(connection, billed, file, format, rows_max=ROWS_MAX)
        except BaseException:
            file.close()
            raise
        disposition = {"Content-Disposition": f'attachment; filename="focus-{month}.{format}"'}
        return StreamingResponse(_sent(file), media_type=MEDIA_TYPES[format], headers=disposition)

    return router


def _sent(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        file.seek(0)
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
