"""Several subscriptions of one tenant: each row of usage is rated by one of them."""

import httpx

from shared.database import Database

from .billing_api import Headers, seal_november
from .subscription_api import (
    amounts_of,
    book,
    change,
    publish_book,
    statements_of,
    subscribe,
    use,
)


async def test_each_rates_what_it_claims(
    client: httpx.AsyncClient, store: Database, vendor: str, headers: Headers
) -> None:
    """Two plans side by side; what neither claims is unrated on the first one's statement, once."""
    await publish_book(client, headers)
    await subscribe(client, headers)
    await subscribe(client, headers, "extra", plan="search", starts_on="2023-11-16")
    await use(
        store,
        vendor,
        (3, "input_uncached", 1000),
        (20, "web_search_requests", 100),
        (20, "output_text", 7),
    )
    await seal_november(store, vendor)
    extra, main = sorted(
        await statements_of(client, headers), key=lambda found: str(found["subscription_id"])
    )

    assert {"searches": "1"} == amounts_of(extra)
    assert {"team": "300", "seats": "60", "input": "3"} == amounts_of(main)
    assert ([], ["output_text"]) == (
        extra["unrated"],
        [row["kind"] for row in main["unrated"]],
    )


async def test_what_none_holds_yet_stays_with_the_one_there_is(
    client: httpx.AsyncClient, store: Database, vendor: str, headers: Headers
) -> None:
    """Searches before the second subscription begins are not its own: they are unrated."""
    await publish_book(client, headers)
    await subscribe(client, headers)
    await subscribe(client, headers, "extra", plan="search", starts_on="2023-11-16")
    await use(store, vendor, (3, "web_search_requests", 100))
    await seal_november(store, vendor)
    found = {one["subscription_id"]: one for one in await statements_of(client, headers)}

    assert ["100"] == [row["quantity"] for row in found["main"]["unrated"]]
    assert ("0", []) == (found["extra"]["total_exact"], found["extra"]["unrated"])


async def test_two_never_claim_the_same(client: httpx.AsyncClient, headers: Headers) -> None:
    """Neither a second subscription, nor a change, a phase or a version makes them meet."""
    await publish_book(client, headers)
    await publish_book(client, headers, "other")
    await subscribe(client, headers)
    phases = [{"starts_on": "2024-01-01", "plan": "team"}]
    meeting = {
        "at once": await subscribe(client, headers, "second"),
        "by a phase": await subscribe(client, headers, "third", plan="search", phases=phases),
    }
    beside = await subscribe(client, headers, "fourth", plan="search", price_book="other")
    meeting["by a change"] = await change(client, headers, "plan", "now", plan="search")
    content = book()
    content["charges"][4]["usage"] = {"kinds": ["input_uncached"]}
    meeting["by a version"] = await publish_book(
        client, headers, "other", content=content, version=2, effective_on="2024-01-01"
    )

    assert 200 == beside.status_code
    assert dict.fromkeys(meeting, "subscriptions_claim_same_usage") == {
        how: answer.json()["code"] for how, answer in meeting.items()
    }


async def test_one_after_the_other_may_claim_the_same(
    client: httpx.AsyncClient, headers: Headers
) -> None:
    """Days that have passed to a successor are not taken back: withdrawing the end is refused."""
    await publish_book(client, headers)
    await subscribe(client, headers)
    ended = (await change(client, headers, "cancel", "2023-12-01")).json()
    after = await subscribe(client, headers, "after", starts_on="2023-12-01")
    back = await change(client, headers, "withdraw", change_id=ended["change"]["change_id"])

    assert 200 == after.status_code
    assert "subscriptions_claim_same_usage" == back.json()["code"]


async def test_each_has_its_own_currency(
    client: httpx.AsyncClient, store: Database, vendor: str, headers: Headers
) -> None:
    """One in dollars, one in yen: each statement is in its subscription's currency."""
    await publish_book(client, headers)
    await publish_book(client, headers, "yen", content=book(currency="JPY"))
    await subscribe(client, headers)
    await subscribe(client, headers, "extra", plan="search", price_book="yen")
    await seal_november(store, vendor)

    currencies = {
        one["subscription_id"]: one["currency"] for one in await statements_of(client, headers)
    }
    assert {"main": "USD", "extra": "JPY"} == currencies
