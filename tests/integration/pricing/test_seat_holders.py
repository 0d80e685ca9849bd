"""Seats are held by users: assigned by the API, billed by the handlers, on a real database."""

from datetime import date
from typing import Any

import httpx
import pytest
from sqlalchemy.exc import DBAPIError

from services.pricing.handlers import beside_usage
from services.pricing.repository import by_user
from shared.accounts.repository import Account
from shared.database import Database

from .billing_api import (
    Headers,
    days_of,
    execute,
    neighbours,
    publish_demo,
    seal,
    statements_of,
)
from .seats_api import (
    HOLDERS,
    Used,
    amounts_of,
    assign,
    key_of,
    november,
    sell_seats,
    to_hold,
    to_leave,
    use,
)
from .subscription_api import change, subscribe

LAST = date(2023, 11, 30)


async def november_of_three(client: httpx.AsyncClient, headers: Headers) -> None:
    """Ada holds the premium seat, bob the standard one from the 11th on; zed holds none."""
    await sell_seats(client, headers, premium=1, standard=1)
    made = await assign(
        client, headers, to_hold("ada", "premium"), to_hold("bob", "standard", "2023-11-11")
    )
    assert 201 == made.status_code, made.text


async def use_of_three(store: Database, vendor: str) -> None:
    """Ada 90 dollars at list price, bob 30 on a day of his seat, zed 150."""
    used = [Used("ada", november(3), 6), Used("bob", november(20), 2), Used("zed", november(3), 10)]
    await use(store, vendor, *used)


async def test_a_statement_gives_each_seat_its_own(
    client: httpx.AsyncClient, headers: Headers, vendor: str, store: Database
) -> None:
    """By hand, and as the running bill said.

    Ada's 90 are within 100. Bob has 20 dollars for 20 of 30 days: 30 - 40/3. The standard seat is
    left for ten days: zed has 20/3 of 150. Together 160; and 18 M tokens at 0.25.
    """
    await november_of_three(client, headers)
    await use_of_three(store, vendor)
    bill = (await client.get("/v1/tenants/globex/bill", headers=headers)).json()

    await seal(store, vendor, *days_of(november(1), LAST))

    (statement,) = await statements_of(client, headers)
    expected = {"premium-seats": "120", "standard-seats": "40", "api": "160", "surcharge": "4.5"}
    assert expected == amounts_of(statement)
    assert "324.5" == statement["total_exact"]
    (live,) = bill["subscriptions"]
    hashes = ("input_hash", "rating_hash", "total_exact")
    assert [statement[name] for name in hashes] == [live[name] for name in hashes]


@pytest.mark.parametrize("known_before", [False, True])
async def test_late_usage_is_of_the_seat_of_its_own_period(
    client: httpx.AsyncClient,
    headers: Headers,
    vendor: str,
    store: Database,
    known_before: bool,
) -> None:
    """Ada uses 30 dollars more of November, 20 of them above her 100; zed holds her seat by then.

    December's own usage is within zed's seat. What is booked in December is no part of November's
    statement, even where it was known before that was made.
    """
    late = [Used("ada", november(4), 2, date(2023, 12, 3)), Used("zed", date(2023, 12, 5), 6)]
    await november_of_three(client, headers)
    await use_of_three(store, vendor)
    if known_before:
        await use(store, vendor, *late, version=2)
    await seal(store, vendor, *days_of(november(1), LAST))
    swapped = [to_leave("ada", "2023-12-01"), to_hold("zed", "premium", "2023-12-01")]
    assert 201 == (await assign(client, headers, *swapped)).status_code
    await use(store, vendor, *late, version=2)

    await seal(store, vendor, *days_of(date(2023, 12, 1), date(2023, 12, 31)))

    first, december = await statements_of(client, headers)
    assert "160" == amounts_of(first)["api"]
    adjusted = {n["charge"]: n["amount_exact"] for n in december["lines"] if n["adjusts"]}
    assert {"api": "20", "surcharge": "0.5"} == adjusted
    expected = {"premium-seats": "120", "standard-seats": "40", "api": "0", "surcharge": "1.5"}
    assert expected == amounts_of(december)


async def test_a_correction_of_the_user_alone_moves_what_is_included(
    client: httpx.AsyncClient, headers: Headers, vendor: str, store: Database
) -> None:
    """In December it turns out that ada's 90 dollars were zed's, who has 20/3: 90 more to pay.

    What has a price is the same; the rows of the correction add up to nothing.
    """
    await november_of_three(client, headers)
    await use_of_three(store, vendor)
    await seal(store, vendor, *days_of(november(1), LAST))
    told: dict[str, Any] = {"day": november(3), "booked": date(2023, 12, 3), "entry": "correction"}
    moved = [Used("ada", millions=-6, **told), Used("zed", millions=6, **told)]
    await use(store, vendor, *moved, version=2)

    await seal(store, vendor, *days_of(date(2023, 12, 1), date(2023, 12, 31)))

    _, december = await statements_of(client, headers)
    adjusted = {n["charge"]: n["amount_exact"] for n in december["lines"] if n["adjusts"]}
    assert {"api": "90"} == adjusted


async def test_a_period_in_parts_has_the_same_seats(
    client: httpx.AsyncClient, headers: Headers, vendor: str, store: Database
) -> None:
    """From the 16th on the seats are paid by the year: half of 40 and 32, 120 and 96; api stays."""
    await november_of_three(client, headers)
    await use_of_three(store, vendor)
    changed = await change(client, headers, "plan", "2023-11-16", plan="teams-annual")
    assert changed.is_success, changed.text

    await seal(store, vendor, *days_of(november(1), LAST))

    (statement,) = await statements_of(client, headers)
    assert {
        "premium-seats": "60",
        "premium-seats-annual": "48",
        "standard-seats": "20",
        "standard-seats-annual": "16",
        "api": "160",
        "surcharge": "4.5",
    } == amounts_of(statement)


async def test_without_assignments_those_who_used_most_hold_the_seats(
    client: httpx.AsyncClient, headers: Headers, vendor: str, store: Database
) -> None:
    """Zed has the premium seat and ada the standard one: 150 - 100, 90 - 20 and 30."""
    await sell_seats(client, headers, premium=1, standard=1)
    await use_of_three(store, vendor)

    await seal(store, vendor, *days_of(november(1), LAST))

    (statement,) = await statements_of(client, headers)
    assert "150" == amounts_of(statement)["api"]


async def test_only_books_with_pools_of_seats_read_usage_by_user(
    client: httpx.AsyncClient,
    headers: Headers,
    vendor: str,
    store: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither a bill nor a closing asks for it otherwise; where one does, once for all."""
    asked: list[Any] = []

    async def counted(connection: Any, account: Any, wanted: Any) -> Any:
        asked.append(len(wanted))
        return await by_user.read_by_user(connection, account, wanted)

    monkeypatch.setattr(beside_usage, "read_by_user", counted)
    await publish_demo(client, headers)
    terms = {"tenant_id": "globex", "price_book": "demo", "plan": "support"}
    await client.put(
        "/v1/subscriptions/plain", json={**terms, "starts_on": "2023-11-01"}, headers=headers
    )
    await client.get("/v1/tenants/globex/bill", headers=headers)
    await seal(store, vendor, *days_of(november(1), LAST))

    assert [] == asked
    assert 1 == len(await statements_of(client, headers))


async def test_seats_of_many_are_read_at_once(
    client: httpx.AsyncClient,
    headers: Headers,
    vendor: str,
    store: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Three tenants are closed together by one reading; each comes to what its bill says."""
    asked: list[int] = []
    tenants = neighbours(Account(vendor, "test"), 3)
    await sell_seats(client, headers, premium=1, standard=1)
    for number, tenant in enumerate(tenants, start=1):
        await client.put(f"/v1/tenants/{tenant}", json={"name": tenant}, headers=headers)
        if tenant != "globex":
            terms = {"tenant_id": tenant, "plan": "teams", "seats": 0}
            await subscribe(client, headers, tenant, **terms)
        await use(store, vendor, Used("ada", november(3), number), tenant=tenant)
    bills = [
        (await client.get(f"/v1/tenants/{tenant}/bill", headers=headers)).json()
        for tenant in tenants
    ]

    async def counted(connection: Any, account: Any, wanted: Any) -> Any:
        asked.append(len(wanted))
        return await by_user.read_by_user(connection, account, wanted)

    monkeypatch.setattr(beside_usage, "read_by_user", counted)
    await seal(store, vendor, *days_of(november(1), LAST))

    statements = {one["tenant_id"]: one for one in await statements_of(client, headers)}
    assert [3] == asked
    for tenant, bill in zip(tenants, bills, strict=True):
        assert statements[tenant]["input_hash"] == bill["subscriptions"][0]["input_hash"]
    # 15 within the premium seat; the others have no seats: 30 and 45 less nothing.
    assert ["0", "30", "45"] == [amounts_of(statements[name])["api"] for name in tenants]


async def test_the_log_is_written_once_and_listed(
    client: httpx.AsyncClient, headers: Headers
) -> None:
    """The same key and body is the same entry, another body is refused; pages follow each other."""
    await sell_seats(client, headers, premium=2)
    first = await assign(client, headers, to_hold("ada", "premium"), key="one")
    again = await assign(client, headers, to_hold("ada", "premium"), key="one")
    other = await assign(client, headers, to_hold("bob", "premium"), key="one")
    await assign(client, headers, to_leave("ada", "2023-11-16"), to_hold("bob", "premium"))

    page = (await client.get(f"{HOLDERS}?limit=2", headers=headers)).json()
    rest = (await client.get(f"{HOLDERS}?after={page['next_after']}", headers=headers)).json()

    assert (201, first.json()) == (again.status_code, again.json())
    assert (409, "idempotency_key_reused") == (other.status_code, other.json()["code"])
    told = [(n["position"], n["kind"], n["user"]) for n in page["entries"] + rest["entries"]]
    assert [(1, "assign", "ada"), (2, "release", "ada"), (3, "assign", "bob")] == told
    assert rest["next_after"] is None


async def test_a_day_tells_who_holds_seats(client: httpx.AsyncClient, headers: Headers) -> None:
    """With what is left of each class, and who goes without since seats were given up."""
    await sell_seats(client, headers, premium=2, standard=1)
    await assign(client, headers, to_hold("bob", "premium"), to_hold("ada", "premium"))
    await change(client, headers, "seats", "2023-11-20", seats=1, seat_class="premium")

    days = [
        (await client.get(f"{HOLDERS}/on/{day}", headers=headers)).json()
        for day in ("2023-11-30", "2023-12-01")
    ]
    outside = await client.get(f"{HOLDERS}/on/2023-10-31", headers=headers)

    held = [[holder["user"] for holder in day["holders"]] for day in days]
    assert ([["bob", "ada"], ["bob"]], ["ada"]) == (
        held,
        [holder["user"] for holder in days[1]["without_seat"]],
    )
    assert [
        {"seat_class": "premium", "seats": 1, "left": 0},
        {"seat_class": "standard", "seats": 1, "left": 1},
    ] == [seat for seat in days[1]["seats"] if seat["seat_class"]]
    assert (404, "day_outside_subscription") == (outside.status_code, outside.json()["code"])


async def test_every_fault_is_told_at_once(
    client: httpx.AsyncClient, headers: Headers, vendor: str, store: Database
) -> None:
    """Each with its code and place; nothing of the request is stored."""
    await sell_seats(client, headers, premium=1)
    await seal(store, vendor, *days_of(november(1), LAST))

    early = await assign(
        client,
        headers,
        to_hold("ada", "premium", "2023-11-16"),
        to_hold("ada", "premium", "2023-10-16"),
        to_leave("bob", "2023-12-01"),
    )
    too_many = await assign(
        client,
        headers,
        to_hold("ada", "premium", "2023-12-01"),
        to_hold("bob", "premium", "2023-12-10"),
        to_hold("carl", "gold", "2023-12-10"),
    )

    def told(answer: httpx.Response) -> list[tuple[str, str]]:
        assert (409, "seat_holders_refused") == (answer.status_code, answer.json()["code"])
        return [(fault["code"], fault["path"]) for fault in answer.json()["faults"]]

    assert [
        ("change_in_billed_period", "changes[0].from_day"),
        ("change_before_start", "changes[1].from_day"),
        ("holds_no_seat", "changes[2].user"),
    ] == told(early)
    assert [("no_seat_left", "changes[1]"), ("no_seat_left", "changes[2]")] == told(too_many)
    listed = (await client.get(HOLDERS, headers=headers)).json()
    assert [] == listed["entries"]


@pytest.mark.parametrize(
    ("changes", "code", "path"),
    [
        ([], "empty_list", ""),
        ([to_hold("", "premium")], "invalid_text", "[0].user"),
        ([to_hold("ada", None, last="2023-10-31")], "until_before_from", "[0]"),
        ([to_leave("ada", "16.11.")], "not_a_day", "[0].from_day"),
    ],
)
async def test_a_body_that_says_nothing_is_refused(
    client: httpx.AsyncClient, headers: Headers, changes: Any, code: str, path: str
) -> None:
    """As any other, with the code and place of what is wrong."""
    answer = await assign(client, headers, *changes)

    faults = [(fault["code"], fault["path"]) for fault in answer.json()["faults"]]
    assert (400, [(code, f"body.changes{path}")]) == (answer.status_code, faults)


async def test_seats_that_are_agreed_for_later_can_be_assigned(
    client: httpx.AsyncClient, headers: Headers
) -> None:
    """From the day on which there are more; and for no day on which there are fewer again."""
    await sell_seats(client, headers, premium=1)
    await assign(client, headers, to_hold("ada", "premium"))
    await change(client, headers, "seats", "2023-12-10", seats=2, seat_class="premium")
    await change(client, headers, "seats", "2024-01-10", seats=1, seat_class="premium")

    answers = [
        await assign(client, headers, to_hold("bob", "premium", first, last))
        for first, last in (
            ("2023-12-09", "2023-12-31"),
            ("2023-12-10", "2024-02-01"),
            # A seat that is given up in January is paid until the end of January.
            ("2023-12-10", "2024-01-31"),
        )
    ]

    assert [409, 409, 201] == [answer.status_code for answer in answers]
    days = [answer.json()["faults"][0]["message"][-11:-1] for answer in answers[:2]]
    assert ["2023-12-09", "2024-02-01"] == days


async def test_an_ended_subscription_has_no_new_holders(
    client: httpx.AsyncClient, headers: Headers, vendor: str, store: Database
) -> None:
    """After its last day nobody is assigned, and nothing once all of it is billed."""
    await sell_seats(client, headers, premium=1)
    await change(client, headers, "cancel", "2023-12-01")
    beyond = await assign(client, headers, to_hold("ada", "premium", "2023-12-01"))
    await seal(store, vendor, *days_of(november(1), LAST))
    ended = await assign(client, headers, to_hold("ada", "premium", "2023-12-01"))

    assert ["change_after_end"] == [fault["code"] for fault in beyond.json()["faults"]]
    assert (409, "subscription_ended") == (ended.status_code, ended.json()["code"])


async def test_a_tenants_key_sees_its_own_seats_and_assigns_none(
    client: httpx.AsyncClient, headers: Headers
) -> None:
    """Another tenant's subscription does not exist for it."""
    await sell_seats(client, headers, premium=1)
    await client.put("/v1/tenants/acme", json={"name": "Acme"}, headers=headers)
    own, other = [await key_of(client, headers, name) for name in ("globex", "acme")]

    codes = [(await client.get(HOLDERS, headers=key)).status_code for key in (own, other)]
    codes += [
        (await client.get(f"{HOLDERS}/on/2023-11-16", headers=key)).status_code
        for key in (own, other)
    ]
    refused = await assign(client, own, to_hold("ada", "premium"))

    assert ([200, 404, 200, 404], 403) == (codes, refused.status_code)


async def test_entries_are_never_changed(
    client: httpx.AsyncClient, headers: Headers, vendor: str, store: Database
) -> None:
    """Not even by the owner of the table: what a period was rated by stays."""
    await sell_seats(client, headers, premium=1)
    await assign(client, headers, to_hold("ada", "premium"))

    for statement in (
        "update pricing.seat_assignment set until_day = '2023-11-02' where vendor_id = :vendor",
        "delete from pricing.seat_assignment where vendor_id = :vendor",
    ):
        with pytest.raises(DBAPIError, match="immutable"):
            await execute(store, statement, {"vendor": vendor})
