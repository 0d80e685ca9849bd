"""The ten vendor shapes load through the API, and an evaluation says the same figures."""

import json
from datetime import date

import httpx
import pytest

from services.pricing.book_client import apply_file, define_meters, publish_when_told
from services.pricing.handlers.meters import remember_meter
from shared.database import Database
from shared.errors import TallyrollError
from shared.events.usage_aggregated import MeterDefined
from tests.support.example_books import BOOKS, book_file, figures

from .billing_api import Headers


@pytest.fixture(name="signed")
def _signed(client: httpx.AsyncClient, headers: Headers) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=client._transport, base_url=client.base_url, headers=headers)


def metering(store: Database, vendor: str) -> httpx.AsyncClient:
    """Return a client of what metering does for us: it makes a meter, and pricing hears of it."""

    async def answer(request: httpx.Request) -> httpx.Response:
        name = json.loads(request.content)["name"]
        message = MeterDefined(
            vendor_id=vendor, mode="test", name=name, meter_version=1, is_additive=True
        )
        async with store.transaction() as connection:
            await remember_meter(connection, message)
        return httpx.Response(201, json={"name": name, "version": 1})

    return httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://metering")


async def load(signed: httpx.AsyncClient, meters: httpx.AsyncClient, book: str) -> str:
    """Do what `tallyrollctl pricebook load` does; return what became of the book."""
    file = book_file(book)
    assert file.effective_on is not None
    await define_meters(meters, file)
    await apply_file(signed, file)
    return (await publish_when_told(signed, file, file.effective_on)).action


async def test_all_shapes_load_and_load_again(
    signed: httpx.AsyncClient, store: Database, vendor: str
) -> None:
    """Ten books are published; the second time nothing is left to do."""
    meters = metering(store, vendor)

    first = [await load(signed, meters, book) for book in BOOKS]
    again = [await load(signed, meters, book) for book in BOOKS]
    listed = (await signed.get("/v1/price-books")).json()["price_books"]

    assert (["published"] * 10, ["unchanged"] * 10) == (first, again)
    assert set(BOOKS) <= {book["book"] for book in listed}


async def test_a_meter_that_nobody_told_of_is_waited_for_and_then_told(
    signed: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the message the book is refused in the end, with the places that name the meter."""
    monkeypatch.setattr("services.pricing.book_client.ATTEMPT_SECONDS", 0)
    file = book_file("agentforce")
    await apply_file(signed, file)

    with pytest.raises(TallyrollError, match="not_publishable") as caught:
        await publish_when_told(signed, file, date(2026, 6, 1))

    assert {"unknown_meter"} == {fault.code for fault in caught.value.faults}
    assert {fault.path for fault in caught.value.faults} <= file.lines.keys()


async def test_an_evaluation_says_the_figures(signed: httpx.AsyncClient) -> None:
    """What the API answers for each case is what the figures say."""
    told = []
    for one in figures():
        if {"seat_usage", "seat_changes"} & one.case.keys():
            continue  # an evaluation knows seats as they begin
        body = {
            "content": dict(book_file(one.book).raw),
            "plan": one.case["plan"],
            "start": one.case["start"].isoformat(),
            "end": one.case["end"].isoformat(),
            "seats": one.case.get("seats", 0),
            "seat_holders": one.case.get("seat_holders", {}),
            "usage": json.loads(json.dumps(one.case["usage"], default=str)),
        }
        answer = await signed.post("/v1/evaluate", json=body)
        assert 200 == answer.status_code, answer.text
        told.append((str(one), one.case["total"], answer.json()["total_exact"]))

    assert 25 < len(told)
    assert [] == [row for row in told if row[1] != row[2]]
