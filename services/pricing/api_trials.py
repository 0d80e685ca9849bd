"""The HTTP API of pricing: what prices would come to. Nothing here is stored."""

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Request

from services.pricing.api import AfterKey, BillingReader, CatalogWriter, vendor_of
from services.pricing.api_catalog import CONTENT_SCHEMA, VERSION, Book, VersionNumber
from services.pricing.handlers import catalog
from services.pricing.handlers.comparing import Days, Side, compare, faults_told
from services.pricing.handlers.evaluating import evaluate
from services.pricing.handlers.money_difference import Page
from services.pricing.repository import catalog as books
from services.pricing.schemas.comparison import VersionDiff, VersionFaults
from services.pricing.schemas.evaluation import Evaluation, EvaluationWrite
from services.pricing.schemas.fields import Day, InDigits
from services.pricing.schemas.price_book import PriceBookContent
from services.pricing.schemas.reading import body_schema, read_body, read_json
from services.pricing.schemas.validation import read_price_book
from shared.clock import Clock, utc_day
from shared.database import Database

SUBSCRIPTIONS_DEFAULT = 100
SUBSCRIPTIONS_MAX = 200
BODY_BYTES_MAX = 4 * 1024 * 1024

Subscriptions = Annotated[
    int, InDigits, Query(ge=1, le=SUBSCRIPTIONS_MAX, description="subscriptions that are rated")
]
Against = Annotated[
    int | None,
    InDigits,
    Query(ge=1, le=1_000_000, description="version; the one before by default"),
]
EffectiveOn = Annotated[
    Day | None, Query(description="the day that it would be published for; today by default")
]


def trials_router(database: Database, clock: Clock) -> APIRouter:
    """Return the routes that try prices, under `/v1`."""
    router = APIRouter(prefix="/v1", tags=["trials"])
    _add_diffs(router, database, clock)
    _add_faults(router, database, clock)

    @router.post("/evaluate", openapi_extra=body_schema(EvaluationWrite))
    async def post_evaluation(request: Request, caller: BillingReader) -> Evaluation:
        """Rate given or past usage by any charges; nothing is stored."""
        account = vendor_of(caller)
        body = await read_json(request, bytes_max=BODY_BYTES_MAX)
        written = read_body(EvaluationWrite, body, code="invalid_evaluation")
        async with database.transaction("REPEATABLE READ") as connection:
            return await evaluate(connection, account, written)

    return router


def _add_diffs(router: APIRouter, database: Database, clock: Clock) -> None:
    @router.get(f"{VERSION}/diff")
    async def get_version_diff(
        book: Book,
        version: VersionNumber,
        *,
        caller: BillingReader,
        against: Against = None,
        effective_on: EffectiveOn = None,
        after: AfterKey = "",
        limit: Subscriptions = SUBSCRIPTIONS_DEFAULT,
    ) -> VersionDiff:
        """Say what a version changes: in words, and in money over last month's usage."""
        account = vendor_of(caller)
        async with database.transaction("REPEATABLE READ") as connection:
            row = await catalog.read_version(connection, account, book, version)
            base = None
            if against is not None or version > 1:
                base = await catalog.read_version(connection, account, book, against or version - 1)
            return await compare(
                connection,
                account,
                book,
                (Side.of_row(base), Side.of_row(row)),
                days=_days(clock, effective_on),
                page=Page(after, limit),
            )

    @router.post("/price-books/{book}/diff", openapi_extra=CONTENT_SCHEMA)
    async def post_content_diff(
        book: Book,
        *,
        caller: BillingReader,
        content: Annotated[Any, Body()],
        against: Against = None,
        effective_on: EffectiveOn = None,
        after: AfterKey = "",
        limit: Subscriptions = SUBSCRIPTIONS_DEFAULT,
    ) -> VersionDiff:
        """Say what a content would change against the latest published version; store nothing."""
        account = vendor_of(caller)
        read = read_price_book(content)
        async with database.transaction("REPEATABLE READ") as connection:
            await books.read_book(connection, account, book)
            base = await books.latest_published(connection, account, book)
            if against is not None:
                base = await catalog.read_version(connection, account, book, against)
            return await compare(
                connection,
                account,
                book,
                (Side.of_row(base), Side(None, read)),
                days=_days(clock, effective_on),
                page=Page(after, limit),
            )


def _add_faults(router: APIRouter, database: Database, clock: Clock) -> None:
    @router.get(f"{VERSION}/faults")
    async def get_version_faults(
        book: Book,
        version: VersionNumber,
        *,
        caller: CatalogWriter,
        effective_on: EffectiveOn = None,
    ) -> VersionFaults:
        """Say everything that would keep a draft from being published; store nothing."""
        account = vendor_of(caller)
        async with database.transaction("REPEATABLE READ") as connection:
            row = await catalog.read_version(connection, account, book, version)
            if row["published_at"] is not None:
                return VersionFaults(faults=[])
            content = PriceBookContent.model_validate(row["content"])
            days = _days(clock, effective_on)
            found = await faults_told(connection, account, book, content, days=days)
            return VersionFaults(faults=found)


def _days(clock: Clock, effective_on: date | None) -> Days:
    today = utc_day(clock.now())
    return Days(today, effective_on or today)
