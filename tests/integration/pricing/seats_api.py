"""What the tests of seat holders share: Cursor Teams' book, usage by user, assignments."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Literal
from uuid import uuid4

import httpx

from services.pricing.handlers.usage import store_usage
from shared.database import Database
from shared.events.usage_aggregated import UsageAggregated, UserUsageRow
from tests.support.example_books import book_file
from tests.support.pricing_service import NOW
from tests.support.pricing_usage import usage_row

from .billing_api import Headers
from .subscription_api import SUBSCRIPTION, Answer, change, publish_book, subscribe

HOLDERS = f"{SUBSCRIPTION}/seat-holders"
MODEL, OUTPUT = "claude-sonnet-4-6", "output_text"


@dataclass(frozen=True)
class Used:
    """So many millions of output tokens, at 15 dollars each, by a user on a day."""

    user: str
    day: date
    millions: int
    booked: date | None = None
    entry: Literal["usage", "correction"] = "usage"


def november(day: int) -> date:
    return date(2023, 11, day)


async def sell_seats(
    client: httpx.AsyncClient, headers: Headers, *, plan: str = "teams", **seats: int
) -> None:
    """Put globex on Cursor Teams from November on, with so many seats of each class."""
    content = book_file("cursor-teams").content.model_dump(mode="json")
    published = await publish_book(client, headers, content=content)
    assert published.is_success, published.text
    await subscribe(client, headers, plan=plan, seats=0)
    for seat_class, count in seats.items():
        answer = await change(
            client, headers, "seats", "2023-11-01", seats=count, seat_class=seat_class
        )
        assert answer.is_success, answer.text


async def assign(
    client: httpx.AsyncClient, headers: Headers, *changes: Answer, key: str | None = None
) -> httpx.Response:
    named = {"Idempotency-Key": key or str(uuid4())}
    return await client.post(HOLDERS, json={"changes": changes}, headers={**headers, **named})


def to_hold(
    user: str, seat_class: str | None, first: str = "2023-11-01", last: str | None = None
) -> Answer:
    days = {"from_day": first, "until_day": last}
    return {"kind": "assign", "user": user, "seat_class": seat_class, **days}


def to_leave(user: str, first: str) -> Answer:
    return {"kind": "release", "user": user, "from_day": first}


async def use(
    store: Database, vendor: str, *used: Used, tenant: str = "globex", version: int = 1
) -> None:
    """Count usage, by everything that has a price and by user, through the handler."""
    message = UsageAggregated(
        vendor_id=vendor,
        mode="test",
        tenant_id=tenant,
        version=version,
        watermark=NOW,
        rows=_rows(used),
        user_rows=[_user_row(one) for one in used],
    )
    async with store.transaction() as connection:
        await store_usage(connection, message)


def _rows(used: Sequence[Used]) -> list[Any]:
    sums: dict[tuple[date, date, str], int] = defaultdict(int)
    for one in used:
        sums[one.day, one.booked or one.day, one.entry] += one.millions * 1_000_000
    return [
        usage_row(day, OUTPUT, quantity, booked_day=booked, entry=entry)
        for (day, booked, entry), quantity in sums.items()
    ]


def _user_row(one: Used) -> UserUsageRow:
    return UserUsageRow(
        team="core",
        user=one.user,
        agent="support-0",
        model=MODEL,
        purpose="production",
        kind=OUTPUT,
        usage_day=one.day,
        booked_day=one.booked or one.day,
        entry=one.entry,
        quantity=Decimal(one.millions * 1_000_000),
        events=1,
    )


def amounts_of(statement: Any) -> dict[str, str]:
    """Return the amounts of the lines of its own period."""
    return {n["charge"]: n["amount_exact"] for n in statement["lines"] if not n["adjusts"]}


async def key_of(client: httpx.AsyncClient, headers: Headers, tenant: str, *scopes: str) -> Headers:
    """Return the headers of a key that is bound to a tenant; without scopes it may read bills."""
    allowed = list(scopes) or ["billing:read", "catalog:write"]
    body = {"name": tenant, "scopes": allowed, "tenant_id": tenant}
    made = await client.post("/v1/api-keys", json=body, headers=headers)
    return {"Authorization": f"Bearer {made.json()['api_key']}"}
