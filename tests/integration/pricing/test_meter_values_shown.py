"""Values of meters that do not add up where nothing is billed: bills, trials, differences."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx

from services.pricing.repository.meter_values import forget_live
from shared.database import Database
from tests.support.pricing_service import NOW
from tests.support.pricing_usage import usage_row

from .billing_api import (
    FIRST_VERSION,
    Headers,
    execute,
    publish,
    seal,
    statements_of,
)
from .meter_values_api import (
    DECEMBER,
    NOVEMBER,
    PEOPLE,
    THROUGH_NOVEMBER,
    amounts,
    answer,
    bill_of,
    book,
    define,
    use,
    valued,
    wanted,
)


async def test_the_running_bill_says_what_it_does_not_know(
    client: httpx.AsyncClient, headers: Headers, vendor: str, sold: Database
) -> None:
    """Without a value the line says so; then it is provisional, with the instant it is true for.

    However often it is read, metering is asked once a minute.
    """
    unknown = await bill_of(client, headers)
    await bill_of(client, headers)
    (question,) = await wanted(sold, vendor)
    newer = NOW + timedelta(minutes=2)
    await answer(
        sold,
        valued(question, "6", as_of=newer),
        valued(question, "5", as_of=NOW, content_hash="older"),
    )
    known = await bill_of(client, headers)
    older = {"vendor": vendor}
    await execute(
        sold,
        "update pricing.live_meter set asked_at = asked_at - interval '1 minute' "
        "where vendor_id = :vendor",
        older,
    )
    await bill_of(client, headers)

    assert question.booked_before is None
    assert [("people", "0", "missing")] == told_of(unknown)
    assert [("people", "30", "provisional")] == told_of(known)
    as_of = datetime.fromisoformat(known["lines"][0]["meters"][0]["as_of"])
    assert newer == as_of.astimezone(UTC)
    assert 2 == len(await wanted(sold, vendor))
    assert [] == await statements_of(client, headers)


def told_of(bill: Any) -> list[tuple[str, str, str]]:
    return [
        (line["charge"], line["amount_exact"], used["state"])
        for line in bill["lines"]
        for used in line.get("meters", [])
    ]


async def test_a_live_bill_keeps_what_was_billed_until_it_knows_better(
    client: httpx.AsyncClient, headers: Headers, vendor: str, sold: Database
) -> None:
    """Late usage of a billed period: its last value stands in, so no difference is made up."""
    await seal(sold, vendor, *THROUGH_NOVEMBER)
    (question,) = await wanted(sold, vendor)
    await answer(sold, valued(question, "3"))
    late = usage_row(date(2023, 11, 16), "output_text", 100, booked_day=date(2023, 12, 3))
    await use(sold, vendor, late)

    before = await bill_of(client, headers)
    live = [one for one in await wanted(sold, vendor) if one.booked_before is None]
    await answer(
        sold,
        *(
            valued(one, "5", as_of=NOW + timedelta(days=1))
            for one in live
            if one.period_start == NOVEMBER
        ),
    )
    after = await bill_of(client, headers)

    assert {NOVEMBER, DECEMBER} == {one.period_start for one in live}
    assert [("output", "1", True)] == [row for row in amounts(before) if row[2]]
    assert [("people", "10", True), ("output", "1", True)] == [
        row for row in amounts(after) if row[2]
    ]


async def test_what_waits_too_long_is_told_and_asked_again(
    client: httpx.AsyncClient, headers: Headers, vendor: str, sold: Database
) -> None:
    """After a quarter of an hour a person is told; after an hour the next seal asks again."""
    await seal(sold, vendor, *THROUGH_NOVEMBER)
    quiet = await codes(client, headers)
    await execute(
        sold,
        "update pricing.meter_question set first_asked_at = first_asked_at - interval '2 hours', "
        "asked_at = asked_at - interval '2 hours' where vendor_id = :vendor",
        {"vendor": vendor},
    )
    loud = await codes(client, headers)
    await seal(sold, vendor, DECEMBER)
    asked = await wanted(sold, vendor)
    await answer(sold, valued(asked[0], "1"))

    assert ([], ["meter_value_missing"]) == (quiet, loud)
    assert [asked[0], asked[0]] == asked
    assert [] == await codes(client, headers)


async def codes(client: httpx.AsyncClient, headers: Headers) -> list[str]:
    answered = await client.get("/v1/attention", headers=headers)
    return [item["code"] for item in answered.json()["items"]]


async def test_live_values_are_forgotten(
    client: httpx.AsyncClient, headers: Headers, vendor: str, sold: Database
) -> None:
    """Nobody has looked for a month: the row goes."""
    await bill_of(client, headers)
    async with sold.transaction() as connection:
        early = await forget_live(connection, NOW, limit=9)
        late = await forget_live(connection, NOW + timedelta(seconds=1), limit=9_999)

    assert 0 == early
    assert late > 0


async def test_a_trial_takes_given_values(
    client: httpx.AsyncClient, headers: Headers, vendor: str, sold: Database
) -> None:
    """Values stand beside given or past usage; without one the line says so."""
    asked = {
        "price_book": "demo",
        "version": 1,
        "start": "2023-11-01",
        "end": "2023-12-01",
        "tenant": "globex",
    }

    async def evaluated(**values: Any) -> Any:
        return (await client.post("/v1/evaluate", json=asked | values, headers=headers)).json()

    given = await evaluated(meters={PEOPLE: "7"})
    missing = await evaluated()
    twice = await evaluated(
        tenant=None, usage=[{"kind": PEOPLE, "quantity": "1"}], meters={PEOPLE: "7"}
    )
    misnamed = await evaluated(meters={"people": "7"})

    assert ("35", ["given"]) == (given["total_exact"], [state for *_, state in told_of(given)])
    assert [("people", "0", "missing")] == told_of(missing)
    assert ["meter_given_twice"] == [fault["code"] for fault in twice["faults"]]
    assert 1 == len(misnamed["faults"])


async def test_a_trial_over_past_usage_takes_what_is_known(
    client: httpx.AsyncClient, headers: Headers, vendor: str, sold: Database
) -> None:
    """The tenant's newest value, unless another is given; what adds up is usage."""
    await bill_of(client, headers)
    (question,) = await wanted(sold, vendor)
    await answer(sold, valued(question, "6"))
    await define(sold, vendor, "actions", is_additive=True)
    asked = {
        "price_book": "demo",
        "version": 1,
        "start": "2023-11-01",
        "end": "2023-12-01",
        "tenant": "globex",
    }
    adding_up = {"meter:actions@1": "7"}

    known = (await client.post("/v1/evaluate", json=asked, headers=headers)).json()
    refused = await client.post("/v1/evaluate", json=asked | {"meters": adding_up}, headers=headers)

    assert [("people", "30", "provisional")] == told_of(known)
    assert (400, "meters.meter:actions@1") == (
        *(refused.status_code, refused.json()["faults"][0]["path"]),
    )


async def test_a_difference_in_money_takes_what_is_known_and_says_what_is_not(
    client: httpx.AsyncClient, headers: Headers, vendor: str, sold: Database
) -> None:
    """November's people at 5.00 and at 6.00; before their value is there, that it is not."""
    dearer = book(unit_amount="6.00")
    path = "/v1/price-books/demo/diff"
    before = (await client.post(path, json=dearer, headers=headers)).json()["money"]
    await seal(sold, vendor, *THROUGH_NOVEMBER)
    (question,) = await wanted(sold, vendor)
    await answer(sold, valued(question, "7"))

    after = (await client.post(path, json=dearer, headers=headers)).json()["money"]

    assert ("0", [PEOPLE]) == (
        before["total"]["after_exact"],
        before["subscriptions"][0]["meters_missing"],
    )
    assert ("35", "42", []) == (
        *(after["total"]["before_exact"], after["total"]["after_exact"]),
        after["subscriptions"][0]["meters_missing"],
    )


async def test_a_book_asks_no_more_of_a_single_value_than_it_tells(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """A filter by model is a fault once the meter is known not to add up; the path says where."""
    await define(store, vendor)
    usage = {"kinds": [PEOPLE], "models": ["gpt-5"]}
    await client.put(FIRST_VERSION, json=book(usage=usage), headers=headers)

    refused = await publish(client, headers)

    assert 409 == refused.status_code
    assert [("meter_has_no_dimensions", "charges[0].usage.models")] == [
        (fault["code"], fault["path"]) for fault in refused.json()["faults"]
    ]
