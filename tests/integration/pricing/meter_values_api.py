"""What the tests of meters that do not add up share: a book that sells people, and answers."""

from datetime import date
from typing import Any

import httpx
from sqlalchemy import text

from services.pricing.handlers.meter_values import store_meter_value
from services.pricing.handlers.meters import remember_meter
from services.pricing.handlers.usage import store_usage
from shared.database import Database
from shared.events.meter_wanted import MeterWanted
from shared.events.usage_aggregated import MeterDefined, MeterValued, UsageRow
from tests.support.pricing_service import NOW, Metering

from .billing_api import (
    Headers,
    days_of,
)

PEOPLE = "meter:people@1"
NOVEMBER, DECEMBER, JANUARY = date(2023, 11, 1), date(2023, 12, 1), date(2024, 1, 1)
THROUGH_NOVEMBER = days_of(NOVEMBER, date(2023, 11, 30))
THROUGH_DECEMBER = days_of(DECEMBER, date(2023, 12, 31))


def book(**values: Any) -> dict[str, Any]:
    """Return a book whose plan sells people at 5.00 each, and tokens."""
    charges = [
        charge("people", "5.00", PEOPLE) | values,
        charge("output", "0.01", "output_text"),
    ]
    plan = {"key": "support", "name": "Support", "charges": ["people", "output"]}
    return {"currency": "USD", "charges": charges, "plans": [plan]}


def charge(key: str, amount: str, kind: str) -> dict[str, Any]:
    usage = {"kinds": [kind]}
    return {
        "key": key,
        "name": key,
        "model": "per_unit",
        "unit_amount": amount,
        "usage": usage,
    }


async def define(
    store: Database, vendor: str, name: str = "people", *, is_additive: bool = False
) -> None:
    message = MeterDefined(
        vendor_id=vendor, mode="test", name=name, meter_version=1, is_additive=is_additive
    )
    async with store.transaction() as connection:
        await remember_meter(connection, message)


async def wanted(store: Database, vendor: str) -> list[MeterWanted]:
    """Return the questions in the outbox, in their order."""
    query = text(
        "select payload from pricing.outbox where headers->>'type' = 'MeterWanted' "
        "order by position"
    )
    async with store.transaction() as connection:
        rows = (await connection.execute(query)).all()
    read = [MeterWanted.model_validate_json(row.payload) for row in rows]
    return [message for message in read if message.vendor_id == vendor]


def valued(question: MeterWanted, value: str, **values: Any) -> MeterValued:
    """Return what metering answers."""
    asked = {
        name: getattr(question, name)
        for name in MeterWanted.model_fields
        if name in MeterValued.model_fields
    }
    answer: dict[str, Any] = {
        "value_exact": value,
        "events": 9,
        "content_hash": f"hash-of-{value}",
        "offsets": {0: 7},
        "as_of": NOW,
    }
    return MeterValued.model_validate(asked | answer | values)


async def answer(store: Database, *messages: MeterValued) -> None:
    for message in messages:
        async with store.transaction() as connection:
            await store_meter_value(connection, message)


async def use(store: Database, vendor: str, *rows: UsageRow) -> None:
    async with store.transaction() as connection:
        await store_usage(connection, Metering("", vendor).usage("globex", list(rows)))


def amounts(statement: Any) -> list[tuple[str, str, bool]]:
    return [
        (line["charge"], line["amount_exact"], line["adjusts"] is not None)
        for line in statement["lines"]
    ]


async def bill_of(client: httpx.AsyncClient, headers: Headers) -> Any:
    answered = await client.get("/v1/tenants/globex/bill", headers=headers)
    assert 200 == answered.status_code, answered.text
    return answered.json()["subscriptions"][0]
