"""Customers, their tax ids and their balance."""

from typing import Any

import pytest
import stripe


async def test_search_finds_by_metadata_and_text(simulator: Any) -> None:
    """The search language joins clauses by AND or OR, negates, and pages through what it finds."""
    made = [
        await simulator.api.customers.create_async(
            {"name": f"Acme {n}", "email": f"{n}@acme.example", "metadata": {"tenant": str(n % 2)}}
        )
        for n in range(4)
    ]

    async def found(query: str, **extra: Any) -> list[str]:
        page = await simulator.api.customers.search_async({"query": query, **extra})
        return [one.id async for one in page.auto_paging_iter()]

    assert [made[3].id, made[1].id] == await found("metadata['tenant']:'1'", limit=1)
    assert [made[2].id] == await found("email:'2@acme.example' AND name~'ACME'")
    assert [made[1].id, made[0].id] == await found("name:'Acme 0' OR name:'acme 1'")
    assert [made[2].id, made[0].id] == await found("-metadata['tenant']:'1'")
    assert [] == await found("created>2000000000")


@pytest.mark.parametrize(
    "query",
    [
        "",
        "name",
        "name:x",
        "phon:'1'",
        "name:'a' AND name:'b' OR name:'c'",
        "name~'ab'",
        "name>'a'",
    ],
)
async def test_search_refuses_what_it_cannot_read(simulator: Any, query: str) -> None:
    """A query that Stripe could not parse is a 400 that names it."""
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        await simulator.api.customers.search_async({"query": query})

    assert "query" == refusal.value.param


async def test_search_lags_behind_when_told_to(simulator: Any) -> None:
    """With a lag a new customer is listed at once, and found only when the lag is over."""
    await simulator.settings(search_lag_s=60)
    made = await simulator.api.customers.create_async({"name": "Acme"})

    async def found() -> list[str]:
        page = await simulator.api.customers.search_async({"query": "name:'Acme'"})
        return [one.id for one in page.data]

    assert [made.id] == [one.id for one in (await simulator.api.customers.list_async()).data]
    assert [] == await found()
    await simulator.advance(60)
    assert [made.id] == await found()


async def test_deleted_customers_are_shown_as_such(simulator: Any) -> None:
    """A deleted customer answers that it is, is not listed, and cannot be billed or changed."""
    made = await simulator.api.customers.create_async({"name": "Acme"})
    await simulator.api.customers.delete_async(made.id)
    gone = await simulator.api.customers.retrieve_async(made.id)

    assert (True, []) == (gone.deleted, (await simulator.api.customers.list_async()).data)
    for call in (
        simulator.api.invoices.create_async({"customer": made.id}),
        simulator.api.customers.update_async(made.id, {"name": "B"}),
    ):
        with pytest.raises(stripe.InvalidRequestError) as refusal:
            await call
        assert "resource_missing" == refusal.value.code


async def test_tax_ids_are_kept_and_checked(simulator: Any) -> None:
    """Tax ids stand on the customer and its invoices; one of another form is refused."""
    made = await simulator.api.customers.create_async(
        {"name": "Acme", "tax_id_data": [{"type": "eu_vat", "value": "DE123456789"}]}
    )
    second = await simulator.api.customers.tax_ids.create_async(
        made.id, {"type": "us_ein", "value": "12-3456789"}
    )
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        await simulator.api.customers.tax_ids.create_async(
            made.id, {"type": "eu_vat", "value": "12345"}
        )
    invoice = await simulator.api.invoices.create_async({"customer": made.id})
    await simulator.api.customers.tax_ids.delete_async(made.id, second.id)
    listed = await simulator.api.customers.tax_ids.list_async(made.id)

    assert ("tax_id_invalid", "value") == (refusal.value.code, refusal.value.param)
    assert ["eu_vat", "us_ein"] == [one.type for one in invoice.customer_tax_ids]
    assert [("DE", "DE123456789")] == [(one.country, one.value) for one in listed.data]


@pytest.mark.parametrize(
    ("address", "supported"),
    [
        ({"country": "US", "postal_code": "94103"}, True),
        ({"country": "US", "postal_code": "9410"}, False),
        ({"country": "US", "state": "CA"}, False),
        ({"country": "CA", "state": "ON"}, True),
        ({"country": "CA", "postal_code": "M5V 2T6"}, True),
        ({"country": "CA"}, False),
        ({"country": "DE"}, True),
        ({"country": "Germany"}, False),
        ({"line1": "1 Main Street"}, False),
    ],
)
async def test_locations_are_validated_where_asked(
    simulator: Any, address: dict[str, str], *, supported: bool
) -> None:
    """Immediate validation refuses an address that tax cannot use; else it is only reported."""
    made = await simulator.api.customers.create_async(
        {"address": address}, {"idempotency_key": "later"}
    )
    shown = await simulator.api.customers.retrieve_async(made.id, {"expand": ["tax"]})
    assert supported == (shown.tax.automatic_tax == "supported")

    given = {"address": address, "tax": {"validate_location": "immediately"}}
    try:
        await simulator.api.customers.create_async(given)
        refused = None
    except stripe.InvalidRequestError as refusal:
        refused = refusal.code
    assert refused == (None if supported else "customer_tax_location_invalid")


async def test_balance_is_a_ledger(simulator: Any) -> None:
    """Every change of the balance is a row with the balance it ended in, newest first."""
    made = await simulator.api.customers.create_async({"name": "Acme", "balance": 300})
    await simulator.api.customers.balance_transactions.create_async(
        made.id, {"amount": -1000, "currency": "usd", "description": "goodwill"}
    )
    await simulator.api.customers.update_async(made.id, {"balance": 50})
    rows = await simulator.api.customers.balance_transactions.list_async(made.id)
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        await simulator.api.customers.balance_transactions.create_async(
            made.id, {"amount": 1, "currency": "eur"}
        )

    assert [(750, 50), (-1000, -700), (300, 300)] == [
        (row.amount, row.ending_balance) for row in rows.data
    ]
    assert "currency" == refusal.value.param
