"""Meters: what cannot be a plain sum, named and versioned by the vendor."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from services.metering.api.dependencies import CatalogWriter, Needs, UsageReader
from services.metering.api.usage import Days
from services.metering.handlers import meters as handlers
from services.metering.handlers.events import account_of
from services.metering.handlers.meter_values import ValueQuestion, read_value
from services.metering.repository.meters import Span
from services.metering.schemas import Meter, Meters, MeterValue, MeterWrite
from shared.accounts.access import Caller
from shared.clock import Clock

VERSION_MAX = 2**31 - 1
MeterName = Annotated[str, Path(pattern="^[a-z0-9][a-z0-9_-]{0,62}$")]
Version = Annotated[int, Path(ge=1, le=VERSION_MAX)]

router = APIRouter(prefix="/v1/meters", tags=["meters"])

_CREATED: dict[int | str, dict[str, Any]] = {
    200: {"model": Meter, "description": "a version of this content is there already"},
    400: {"description": "`invalid_meter` with every fault and its place"},
}


@router.post("", status_code=HTTPStatus.CREATED, responses=_CREATED, summary="Define a meter")
async def post_meter(
    written: MeterWrite, caller: CatalogWriter, needs: Needs, response: Response
) -> Meter:
    """Store a meter; of a known name the next version. The same content again is that version."""
    caller.require_vendor_key()
    async with needs.database.transaction() as connection:
        meter, is_new = await handlers.create_meter(
            connection, account_of(caller), written, needs.clock.now()
        )
    if not is_new:
        response.status_code = HTTPStatus.OK
    return meter


@router.get("", summary="All meters")
async def get_meters(caller: UsageReader, needs: Needs) -> Meters:
    """List every version of the account's meters."""
    async with needs.database.transaction() as connection:
        return await handlers.list_meters(connection, account_of(caller))


@router.get("/{name}/{version}", summary="One version of a meter")
async def get_meter(name: MeterName, version: Version, caller: UsageReader, needs: Needs) -> Meter:
    """Return the definition, and whether past events are counted."""
    async with needs.database.transaction() as connection:
        return await handlers.read_meter(connection, account_of(caller), name, version)


class ValueParameters(Days):
    """Whose value, over which period."""

    def span(self, caller: Caller, clock: Clock) -> Span:
        """Return the tenant's period; raises `tenant_required`, `invalid_window`."""
        window = self.days(caller, clock)
        return Span(window.account, caller.tenant(self.tenant), window.first, window.end)


@router.get("/{name}/{version}/value", summary="A meter's value over a period")
async def get_meter_value(
    name: MeterName,
    version: Version,
    parameters: Annotated[ValueParameters, Query()],
    caller: UsageReader,
    needs: Needs,
) -> MeterValue:
    """Compute a tenant's value over the days from `from` to `to`, exclusive.

    It is provisional until the period's last day is sealed; from then on it stays as it is.
    """
    question = ValueQuestion(name, version, parameters.span(caller, needs.clock))
    return await read_value(needs.database, needs.events, question, needs.clock.now())
