"""Fees in advance beside trials, phases, late usage, credits, bills and overrides."""

from datetime import date

import httpx
import pytest

from services.pricing.handlers.wallets import give
from services.pricing.repository import usage, wallets
from services.pricing.repository.wallets import Wallet
from shared.database import Database
from shared.events.usage_aggregated import UsageAggregated
from shared.money import parse_exact
from tests.support.credit_values import grant
from tests.support.pricing_service import NOW
from tests.support.pricing_usage import usage_row

from .billing_api import Headers, days_of, seal
from .fees_api import (
    NOVEMBER,
    NOVEMBER_END,
    OCTOBER_END,
    all_told,
    bill_of,
    in_advance,
    told,
)
from .subscription_api import (
    change,
    preview,
    publish_book,
    statements_of,
    subscribe,
)


@pytest.mark.parametrize(
    ("trial_days", "opened", "later"),
    [
        (15, {"team 2023-11-16": "150", "seats 2023-11-16": "30"}, "2023-12-01"),
        (30, {"team 2023-12-01": "300", "seats 2023-12-01": "60"}, "2024-01-01"),
    ],
)
async def test_a_trial_is_opened_when_it_ends(  # noqa: PLR0917 - fixtures
    client: httpx.AsyncClient,
    store: Database,
    vendor: str,
    headers: Headers,
    trial_days: int,
    opened: dict[str, str],
    later: str,
) -> None:
    """Nothing is charged before the first day that is not free; then its period's days are."""
    await publish_book(client, headers, content=in_advance())
    await subscribe(client, headers, trial_days=trial_days)
    first = days_of(OCTOBER_END, date(2023, 12, 31))
    await seal(store, vendor, *first[:trial_days])
    before = await all_told(client, headers)
    await seal(store, vendor, *first[trial_days:])
    made = await all_told(client, headers)
    opening = next(one for one in made if one[0] == "opening")

    assert [] == before
    assert opened == opening[2]
    assert {f"team {later}": "300", f"seats {later}": "60"} == made[-2 if trial_days < 30 else -1][
        2
    ]


async def test_a_phase_charges_ahead_by_its_own_plan(
    client: httpx.AsyncClient, store: Database, vendor: str, headers: Headers
) -> None:
    """From December on another plan: November's statement charges that one's fees."""
    await publish_book(client, headers, content=in_advance())
    await subscribe(client, headers, phases=[{"starts_on": "2023-12-01", "plan": "business"}])
    await seal(store, vendor, *days_of(OCTOBER_END, NOVEMBER_END))

    assert {"business 2023-12-01": "900", "seats 2023-12-01": "60"} == (
        await all_told(client, headers)
    )[-1][2]


async def test_late_usage_neither_doubles_nor_loses_fees(
    client: httpx.AsyncClient, store: Database, vendor: str, subscribed: Headers
) -> None:
    """November is rated again for what came late: its fees, charged and changed, stay as they are.

    So does December, which carries the adjustment and is rated again itself.
    """
    await seal(store, vendor, OCTOBER_END)
    await change(client, subscribed, "seats", "2023-11-16", seats=4)
    rows = [
        usage_row(date(2023, 11, 3), "input_uncached", 1000),
        usage_row(date(2023, 11, 5), "input_uncached", 2000, booked_day=date(2023, 12, 4)),
        usage_row(date(2023, 12, 6), "input_uncached", 1000, booked_day=date(2024, 1, 5)),
    ]
    message = {"vendor_id": vendor, "mode": "test", "tenant_id": "globex", "version": 1}
    copy = UsageAggregated.model_validate(
        {**message, "watermark": NOW, "rows": rows, "user_rows": []}
    )
    async with store.transaction() as connection:
        await usage.store(connection, copy)
    await seal(store, vendor, *days_of(NOVEMBER, date(2024, 2, 29)))
    made = await statements_of(client, subscribed)

    fees = [sum(map(parse_exact, told(one)[2].values())) for one in made]
    # Opening; two seats more for half of November, then December, January, February, March.
    assert [360, 30 + 420, 420, 420, 420] == fees
    assert [360, 453, 426, 423, 420] == [parse_exact(one["total_exact"]) for one in made]
    assert [[], [], ["6"], ["3"], []] == [
        [line["amount_exact"] for line in one["lines"] if line["adjusts"]] for one in made
    ]


async def test_the_bill_and_a_preview_say_what_is_charged(
    client: httpx.AsyncClient, store: Database, vendor: str, subscribed: Headers
) -> None:
    """Before the opening all is to come; after it, what is charged stands apart."""
    before = await bill_of(client, subscribed)
    await seal(store, vendor, OCTOBER_END)
    after = await bill_of(client, subscribed)
    plan = await preview(client, subscribed, "plan", "2023-11-16", plan="business")

    assert ("2023-11-01", "0", "720") == tuple(
        before[name] for name in ("opens_on", "charged_exact", "total_exact")
    )
    assert (None, "360", "360") == tuple(
        after[name] for name in ("opens_on", "charged_exact", "total_exact")
    )
    assert ["team", "seats"] == [line["charge"] for line in after["charged"]]
    first, second = plan["periods"]
    assert ("360", "660", "360") == tuple(
        first[name] for name in ("before_exact", "after_exact", "charged_exact")
    )
    assert first["words"].endswith(
        "360.00 USD were charged in advance; "
        "the difference to the fees stands on the period's statement."
    )
    assert ("0", "960") == (second["charged_exact"], second["after_exact"])


async def test_credits_pay_an_opening_and_come_back(
    client: httpx.AsyncClient, store: Database, vendor: str, subscribed: Headers
) -> None:
    """A grant of the first day pays it; what an end gives back of the fee returns to the grant."""
    held = Wallet(vendor, "test", "globex", "USD")
    async with store.transaction() as connection:
        await give(
            connection, held, grant("a", 400, valid_from=NOVEMBER), on=NOVEMBER, origin="grant"
        )
    await seal(store, vendor, OCTOBER_END)
    await change(client, subscribed, "cancel", "2023-11-16")
    await seal(store, vendor, *days_of(NOVEMBER, date(2023, 11, 15)))
    opening, period = await statements_of(client, subscribed)
    async with store.transaction() as connection:
        (state,) = await wallets.read_states(connection, held)

    assert [("a", "300"), ("a", "60")] == [
        (draw["grant_id"], draw["amount_exact"]) for draw in opening["credits"]
    ]
    assert [(opening["statement_id"], "180")] == [
        (one["statement_id"], one["amount_exact"]) for one in period["returns"]
    ]
    assert "-180" == period["total_exact"]
    assert 220 == state.balance


async def test_a_book_in_arrears_has_no_opening(
    client: httpx.AsyncClient, store: Database, vendor: str, headers: Headers
) -> None:
    """Nothing is made, and nothing is looked for again, where no fee is in advance."""
    await publish_book(client, headers)
    await subscribe(client, headers)
    await seal(store, vendor, OCTOBER_END)
    opened = await all_told(client, headers)
    await seal(store, vendor, *days_of(NOVEMBER, NOVEMBER_END))

    assert ([], [("period", "360", {})]) == (opened, await all_told(client, headers))
    bill = await bill_of(client, headers)
    assert ([], None, "360") == (bill["charged"], bill["opens_on"], bill["total_exact"])


async def test_a_version_moves_fees_from_arrears_to_advance(
    client: httpx.AsyncClient, store: Database, vendor: str, headers: Headers
) -> None:
    """November is paid behind, December ahead: the statement between them holds both, once each."""
    await publish_book(client, headers)
    await subscribe(client, headers)
    await publish_book(client, headers, content=in_advance(), version=2, effective_on="2023-12-01")
    await seal(store, vendor, *days_of(OCTOBER_END, NOVEMBER_END))
    (statement,) = await statements_of(client, headers)

    assert ("period", "720", {"team 2023-12-01": "300", "seats 2023-12-01": "60"}) == told(
        statement
    )


async def test_an_override_leaves_the_timing_alone(
    client: httpx.AsyncClient, subscribed: Headers
) -> None:
    """When a fee is due is said by its book; how much may be agreed with a tenant."""
    own = [{"target": "charge", "key": "team", "set": {"timing": "in_arrears", "amount": "200.00"}}]
    refused = await change(client, subscribed, "overrides", "2023-11-16", overrides=own)

    assert [("field_not_overridable", "overrides[0].set.timing")] == [
        (fault["code"], fault["path"]) for fault in refused.json()["faults"]
    ]
