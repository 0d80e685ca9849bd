"""Closed periods that turn out cheaper: credited once, with the next statement or on order."""

import json
from datetime import date
from fractions import Fraction
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from services.pricing.handlers import crediting
from services.pricing.handlers.wallets import give
from services.pricing.repository import wallets
from services.pricing.repository.invariants_ledger import check_ledger
from services.pricing.repository.wallets import Wallet
from shared.database import Database
from shared.events.statement_rated import AdjustmentCredited
from shared.ids import new_id
from shared.money import parse_exact
from tests.support.credit_values import grant
from tests.support.pricing_usage import usage_row

from .billing_api import TERMS, Headers, days_of, publish_demo, seal, statements_of
from .test_late_usage import DECEMBER, MILLION, NOVEMBER, USED_ON, adjusted, late, use

JANUARY = date(2024, 1, 1)


class Books:
    """Pricing with November billed: 9 M of input at 4.00, beside 500 a month."""

    def __init__(
        self, client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
    ) -> None:
        self.client, self.headers, self.store, self.vendor = client, headers, store, vendor

    async def choose(self, choice: str = "credit_note", **values: Any) -> httpx.Response:
        body = {"negative_adjustments": choice, **values}
        return await self.client.put("/v1/adjustment-settings", json=body, headers=self.headers)

    async def late(self, *rows: tuple[int, date]) -> None:
        """Book corrections of November's input: millions, and the day."""
        made = [
            late(millions * MILLION, day, entry="usage" if millions > 0 else "correction")
            for millions, day in rows
        ]
        await use(self.store, self.vendor, *made)

    async def seal(self, first: date, last: date) -> None:
        await seal(self.store, self.vendor, *days_of(first, last))

    async def statements(self) -> list[Any]:
        return await statements_of(self.client, self.headers)

    async def told(self) -> list[AdjustmentCredited]:
        """Return what went into the outbox, in its order."""
        query = "select headers, payload from pricing.outbox order by position"
        async with self.store.transaction() as connection:
            rows = (await connection.execute(text(query))).all()
        bodies = [json.loads(r.payload) for r in rows if r.headers["type"] == "AdjustmentCredited"]
        found = [AdjustmentCredited.model_validate(body) for body in bodies]
        return [one for one in found if one.vendor_id == self.vendor]

    async def order(self, statement_id: str, key: str | None = None) -> httpx.Response:
        headers = {**self.headers, "Idempotency-Key": key or new_id()}
        return await self.client.post(f"/v1/statements/{statement_id}/credit", headers=headers)


@pytest.fixture(name="books")
async def _books(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> Books:
    books = Books(client, headers, store, vendor)
    await publish_demo(client, headers)
    await client.put("/v1/subscriptions/main", json=TERMS, headers=headers)
    await use(store, vendor, usage_row(USED_ON, "input_uncached", 9 * MILLION))
    await books.seal(NOVEMBER, date(2023, 11, 30))
    return books


async def test_it_is_credited_instead_of_standing_on_the_next_statement(books: Books) -> None:
    """The message has the exact difference by November's own line keys; the statement has none."""
    await books.choose(settlement="refund")
    await books.late((-2, date(2023, 12, 3)))
    bill = (await books.client.get("/v1/tenants/globex/bill", headers=books.headers)).json()
    await books.seal(DECEMBER, date(2023, 12, 31))

    first, second = await books.statements()
    (credited,) = await books.told()
    assert ([], "500") == (adjusted(second), second["total_exact"])
    assert bill["subscriptions"][0]["rating_hash"] == second["rating_hash"]
    assert ("-8", "0", "refund", first["statement_id"]) == (
        credited.total_exact,
        credited.returned_exact,
        credited.settlement,
        credited.statement_id,
    )
    keys = {line["line_key"] for line in first["lines"]}
    assert {line.line_key for line in credited.lines} <= keys
    path = f"/v1/statements/{first['statement_id']}/credits"
    listed = (await books.client.get(path, headers=books.headers)).json()["adjustments"]
    assert [credited.adjustment_id] == [one["adjustment_id"] for one in listed]


async def test_the_credited_rating_is_the_last_one(books: Books) -> None:
    """What comes afterwards is a difference to it: nothing is credited or billed twice."""
    await books.choose()
    await books.late((-2, date(2023, 12, 3)), (-1, date(2024, 1, 2)), (12, date(2024, 2, 2)))
    await books.seal(DECEMBER, date(2024, 3, 31))

    made = await books.statements()
    # 9 M, 7 M, 6 M, then 18 M: 36, 28, 24, and 40 + 8 x 3.50 = 68.
    assert ["-8", "-4"] == [one.total_exact for one in await books.told()]
    assert [[], [], [], ["44"], []] == [[row[2] for row in adjusted(one)] for one in made]
    asked = sum(parse_exact(one["total_exact"]) for one in made)
    credited = sum(parse_exact(one.total_exact) for one in await books.told())
    assert 5 * 500 + 68 == asked + credited


async def test_what_is_dearer_stands_on_the_next_statement(books: Books) -> None:
    """A difference above zero is never a credit, whatever the setting."""
    await books.choose()
    await books.late((1, date(2023, 12, 3)))
    await books.seal(DECEMBER, date(2023, 12, 31))

    assert (["4"], []) == (
        [row[2] for row in adjusted((await books.statements())[1])],
        await books.told(),
    )


async def test_a_tenants_own_setting_goes_before_the_vendors(books: Books) -> None:
    """The default is the next statement; a tenant may have another than its vendor."""
    get = "/v1/adjustment-settings"
    headers = books.headers
    default = (await books.client.get(get, headers=headers)).json()
    await books.choose()
    await books.choose("next_statement", tenant="globex")
    own = (await books.client.get(f"{get}?tenant=globex", headers=headers)).json()
    other = (await books.client.get(get, headers=headers)).json()
    unknown = await books.choose(tenant="nobody")
    wrong = await books.choose("later")
    await books.late((-2, date(2023, 12, 3)))
    await books.seal(DECEMBER, date(2023, 12, 31))

    settings = [one["negative_adjustments"] for one in (default, own, other)]
    assert ["next_statement", "next_statement", "credit_note"] == settings
    assert ["-8"] == [row[2] for row in adjusted((await books.statements())[1])]
    assert [] == await books.told()
    assert (404, 400) == (unknown.status_code, wrong.status_code)


async def test_what_prepaid_credits_paid_returns_to_them(books: Books) -> None:
    """Of 8 that November is cheaper, credits had paid 5: these go back, 3 are left to credit."""
    await books.choose()
    held = Wallet(books.vendor, "test", "globex", "USD")
    async with books.store.transaction() as connection:
        await give(connection, held, grant("g", 505), on=NOVEMBER, origin="grant")
    await books.seal(DECEMBER, date(2023, 12, 31))
    # December drew 500 of 505, then January 5; its correction returns to January's draw.
    await use(
        books.store,
        books.vendor,
        usage_row(date(2024, 1, 5), "input_uncached", 2 * MILLION, booked_day=date(2024, 1, 5)),
    )
    await books.seal(JANUARY, date(2024, 1, 31))
    january = (await books.statements())[2]
    assert ["5"] == [draw["amount_exact"] for draw in january["credits"]]
    correction = usage_row(
        date(2024, 1, 5),
        "input_uncached",
        -2 * MILLION,
        booked_day=date(2024, 2, 5),
        entry="correction",
    )
    await use(books.store, books.vendor, correction)
    await books.seal(date(2024, 2, 1), date(2024, 2, 29))

    february = (await books.statements())[3]
    (credited,) = await books.told()
    assert ("-8", "5") == (credited.total_exact, credited.returned_exact)
    assert ["5"] == [draw["amount_exact"] for draw in february["credits"]]
    async with books.store.transaction() as connection:
        assert [] == (await check_ledger(connection, books.vendor, None)).offending
        states = await wallets.read_states(connection, held)
    assert [Fraction(0)] == [state.balance for state in states]


async def test_on_order_it_is_credited_at_once(books: Books) -> None:
    """Nobody waits for the next statement, which then has nothing of it; twice is once."""
    await books.late((-2, date(2023, 12, 3)))
    (first,) = await books.statements()
    early = await books.order(first["statement_id"])
    await books.seal(DECEMBER, date(2023, 12, 10))
    done = [await books.order(first["statement_id"], "key") for _ in range(2)]
    again = await books.order(first["statement_id"])
    await books.seal(date(2023, 12, 11), date(2023, 12, 31))

    assert "nothing_to_credit" == early.json()["code"]
    assert [200, 200] == [one.status_code for one in done]
    assert done[0].json() == done[1].json()
    assert ("credited", "-8") == (
        done[0].json()["state"],
        done[0].json()["adjustment"]["total_exact"],
    )
    assert "nothing_to_credit" == again.json()["code"]
    assert 1 == len(await books.told())
    assert [] == adjusted((await books.statements())[1])


async def test_what_comes_after_an_order_is_the_next_difference(books: Books) -> None:
    """By order 2 M are credited, later 1 M more comes back: the statement has that alone."""
    await books.late((-2, date(2023, 12, 3)), (-1, date(2023, 12, 20)))
    (first,) = await books.statements()
    await books.seal(DECEMBER, date(2023, 12, 10))
    await books.order(first["statement_id"])
    await books.seal(date(2023, 12, 11), date(2023, 12, 31))

    assert ["-4"] == [row[2] for row in adjusted((await books.statements())[1])]


async def test_the_end_of_a_subscription_leaves_its_late_corrections_to_an_order(
    books: Books,
) -> None:
    """No statement follows: the order credits it, and it waits for a person no more."""
    body = {"kind": "cancel", "when": "2023-12-06"}
    headers = {**books.headers, "Idempotency-Key": new_id()}
    ended = await books.client.post("/v1/subscriptions/main/changes", json=body, headers=headers)
    assert ended.is_success, ended.text
    await books.late((-2, date(2023, 12, 8)))
    await books.seal(DECEMBER, date(2023, 12, 10))
    before = (await books.client.get("/v1/attention", headers=books.headers)).json()["items"]
    first, _ = await books.statements()
    done = await books.order(first["statement_id"])
    after = (await books.client.get("/v1/attention", headers=books.headers)).json()["items"]

    assert "late_usage_after_end" in [item["code"] for item in before]
    assert "credited" == done.json()["state"]
    assert "late_usage_after_end" not in [item["code"] for item in after]


async def test_rating_and_credit_are_stored_together_or_not_at_all(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dying between both leaves neither: the next closing makes them, once."""

    async def die(*_args: Any, **_values: Any) -> None:
        raise RuntimeError("killed")

    await books.choose()
    await books.late((-2, date(2023, 12, 3)))
    with monkeypatch.context() as patch:
        patch.setattr(crediting, "add_rating", die)
        with pytest.raises(RuntimeError):
            await books.seal(DECEMBER, date(2023, 12, 31))
    assert ([], 1) == (await books.told(), len(await books.statements()))
    await books.seal(DECEMBER, date(2023, 12, 31))

    assert ["-8"] == [one.total_exact for one in await books.told()]


async def test_who_may_not(books: Books) -> None:
    """An unknown statement, and a key of a tenant's."""
    unknown = await books.order("0199d3c0-8f1e-7c3a-9f1d-2b1f5f0c7a11")

    assert (404, "unknown_statement") == (unknown.status_code, unknown.json()["code"])
