"""What the tests of fees in advance share: a book that charges ahead, and what statements say."""

from datetime import date
from typing import Any

import httpx

from .billing_api import Headers
from .subscription_api import (
    book,
    statements_of,
)

OCTOBER_END, NOVEMBER_END = date(2023, 10, 31), date(2023, 11, 30)
NOVEMBER, DECEMBER = date(2023, 11, 1), date(2023, 12, 1)
FEES = ("team", "business", "seats")


def in_advance(**amounts: str) -> dict[str, Any]:
    """Return the book whose fees are charged in advance, with other amounts for some of them."""
    content = book()
    for charge in content["charges"]:
        if charge["key"] in FEES:
            charge["timing"] = "in_advance"
        if charge["key"] in amounts:
            charge["amount"] = amounts[charge["key"]]
    return content


def told(statement: dict[str, Any]) -> tuple[str, str, dict[str, str]]:
    """Return kind, total, and each fee by (charge, first day that it is for)."""
    fees = {
        f"{line['charge']} {line['advance']['period_start']}": line["amount_exact"]
        for line in statement["lines"]
        if line.get("advance")
    }
    return statement["kind"], statement["total_exact"], fees


async def all_told(client: httpx.AsyncClient, headers: Headers) -> list[Any]:
    return [told(statement) for statement in await statements_of(client, headers)]


async def bill_of(client: httpx.AsyncClient, headers: Headers) -> dict[str, Any]:
    answer = (await client.get("/v1/tenants/globex/bill", headers=headers)).json()
    bill: dict[str, Any] = answer["subscriptions"][0]
    return bill
