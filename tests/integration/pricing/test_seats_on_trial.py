"""Evaluations and comparisons know who holds seats, and levels before a period."""

from typing import Any

import httpx
import pytest

from shared.database import Database
from tests.support.example_books import book_file
from tests.support.pricing_usage import usage_row

from . import test_levels as stored
from .billing_api import Headers
from .seats_api import MODEL, OUTPUT, Used, assign, november, sell_seats, to_hold, use

DAYS = {"start": "2023-11-01", "end": "2023-12-01"}


def used_by(user: str, millions: int) -> dict[str, Any]:
    quantity = str(millions * 1_000_000)
    return {"kind": OUTPUT, "model": MODEL, "user": user, "quantity": quantity}


async def evaluate(client: httpx.AsyncClient, headers: Headers, **body: Any) -> Any:
    answer = await client.post("/v1/evaluate", json=DAYS | body, headers=headers)
    assert answer.is_success, answer.text
    return {line["charge"]: line["amount_exact"] for line in answer.json()["lines"]}


@pytest.mark.parametrize(("holders", "api"), [({}, "80"), ({"ada": "premium"}, "150")])
async def test_seats_can_be_tried_on_given_usage(
    client: httpx.AsyncClient, headers: Headers, holders: dict[str, str], api: str
) -> None:
    """Zed used 150 dollars, ada 30; the seat with 100 is zed's, or ada's who is named."""
    content = book_file("cursor-teams").content.model_dump(mode="json")

    found = await evaluate(
        client,
        headers,
        content=content,
        plan="teams",
        seats={"premium": 1},
        seat_holders=holders,
        usage=[used_by("zed", 10), used_by("ada", 2)],
    )

    assert api == found["api"]


async def test_past_usage_is_read_by_user(
    client: httpx.AsyncClient, headers: Headers, vendor: str, store: Database
) -> None:
    """Of globex' own users: zed above 100, ada without a seat, unless she is named."""
    await sell_seats(client, headers, premium=1)
    await use(store, vendor, Used("zed", november(3), 10), Used("ada", november(3), 2))
    asked = {"price_book": "sold", "version": 1, "plan": "teams", "tenant": "globex"}

    found = [
        (await evaluate(client, headers, **asked, seats={"premium": 1}, seat_holders=holders))[
            "api"
        ]
        for holders in ({}, {"ada": "premium"})
    ]

    assert ["80", "150"] == found


async def test_levels_are_given_or_known(
    client: httpx.AsyncClient, headers: Headers, vendor: str, store: Database
) -> None:
    """10 GB from before; a level of a charge that prices none is a fault."""
    await stored.sell(client, headers)
    await stored.use(store, vendor, usage_row(stored.OCTOBER, stored.STORED, 10))
    asked = {"price_book": "sold", "version": 1, "plan": "stored"}

    past = await evaluate(client, headers, **asked, tenant="globex")
    given = await evaluate(client, headers, **asked, usage=[], levels={"storage": "2"})
    body = {**DAYS, **asked, "usage": [], "levels": {"tokens": "2"}}
    refused = await client.post("/v1/evaluate", json=body, headers=headers)

    assert ("300", "60") == (past["storage"], given["storage"])
    faults = [(fault["code"], fault["path"]) for fault in refused.json()["faults"]]
    assert [("unknown_charge", "levels.tokens")] == faults


async def test_versions_are_compared_by_those_who_hold_the_seats(
    client: httpx.AsyncClient, headers: Headers, vendor: str, store: Database
) -> None:
    """A premium seat with 20 instead of 100 dollars: ada's 90 cost 70 more, zed's the same.

    Seats of a class are counted, and who holds them is read of the month that is compared.
    """
    await sell_seats(client, headers, premium=1)
    await assign(client, headers, to_hold("ada", "premium"))
    await use(store, vendor, Used("zed", november(3), 10), Used("ada", november(3), 6))
    content = book_file("cursor-teams").content.model_dump(mode="json")
    (own,) = [pool for pool in content["pools"] if pool["key"] == "own-api"]
    own["included_per_seat"]["premium"] = "20"

    answer = await client.post("/v1/price-books/sold/diff", json=content, headers=headers)

    (charge,) = [one for one in answer.json()["money"]["charges"] if one["charge"] == "api"]
    assert ("150", "220", "70") == tuple(
        charge[f"{name}_exact"] for name in ("before", "after", "difference")
    )
