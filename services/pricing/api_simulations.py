"""The HTTP API of pricing: plans over past usage, run in another process."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from services.pricing.api import BillingReader, CatalogWriter, Limit, vendor_of
from services.pricing.handlers import simulations
from services.pricing.handlers.idempotency import once
from services.pricing.repository import simulations as stored
from services.pricing.schemas.reading import body_schema, read_body, read_json
from services.pricing.schemas.simulation import SimulationList, SimulationRead, SimulationWrite
from services.pricing.schemas.simulation_result import SimulationResult
from services.pricing.simulation.plot_specs import plots_of
from shared.database import Database
from shared.idempotency import IdempotencyKey

BODY_BYTES_MAX = 256 * 1024
NEWEST_DEFAULT = 20
SimulationId = Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$")]


def simulations_router(database: Database) -> APIRouter:
    """Return the routes under `/v1/simulations`."""
    router = APIRouter(prefix="/v1/simulations", tags=["simulations"])
    _add_results(router, database)

    @router.post("", status_code=202, openapi_extra=body_schema(SimulationWrite))
    async def post_simulation(
        request: Request, caller: CatalogWriter, key: IdempotencyKey
    ) -> SimulationRead:
        """Ask for a simulation of plans, published or not, over the past usage of all tenants."""
        account = vendor_of(caller)
        body = await read_json(request, bytes_max=BODY_BYTES_MAX)
        written = read_body(SimulationWrite, body, code="invalid_simulation")
        async with database.transaction() as connection:

            async def write() -> SimulationRead:
                return await simulations.ask(connection, account, written)

            return await once(
                connection,
                account,
                key,
                request=("simulations", written),
                answer=SimulationRead,
                write=write,
            )

    @router.get("")
    async def list_simulations(
        caller: BillingReader, limit: Limit = NEWEST_DEFAULT
    ) -> SimulationList:
        """List the newest simulations."""
        account = vendor_of(caller)
        async with database.transaction() as connection:
            rows = await stored.list_newest(connection, account, limit=limit)
        return SimulationList(simulations=[simulations.read_of(row) for row in rows])

    @router.get("/{simulation_id}")
    async def get_simulation(simulation_id: SimulationId, caller: BillingReader) -> SimulationRead:
        """Return how a simulation stands."""
        async with database.transaction() as connection:
            return await simulations.read(connection, vendor_of(caller), simulation_id)

    return router


def _add_results(router: APIRouter, database: Database) -> None:
    @router.get("/{simulation_id}/result")
    async def get_simulation_result(
        simulation_id: SimulationId, caller: BillingReader
    ) -> SimulationResult:
        """Return what came out: by plan and tenant, with people, break-even and migration."""
        async with database.transaction() as connection:
            return await simulations.read_result(connection, vendor_of(caller), simulation_id)

    @router.get("/{simulation_id}/plots")
    async def get_simulation_plots(
        simulation_id: SimulationId, caller: BillingReader
    ) -> dict[str, dict[str, Any]]:
        """Return pictures of what came out, as Vega-Lite specs by name."""
        async with database.transaction() as connection:
            found = await simulations.read_result(connection, vendor_of(caller), simulation_id)
        return plots_of(found)

    @router.get("/{simulation_id}/result.csv", response_class=Response)
    async def get_simulation_csv(simulation_id: SimulationId, caller: BillingReader) -> Response:
        """Return a row for each plan and tenant."""
        async with database.transaction() as connection:
            found = await simulations.read_result(connection, vendor_of(caller), simulation_id)
        return Response(simulations.csv_text(found), media_type="text/csv; charset=utf-8")
