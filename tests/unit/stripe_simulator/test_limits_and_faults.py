"""Rate limits, faults on the wire, stale reads, expansion, paging and the PDF."""

import asyncio
from typing import Any

import httpx
import pytest
import stripe


async def test_rate_limits_hold_per_endpoint_and_in_all(simulator: Any) -> None:
    """25 a second on one endpoint, 100 over all; a second later there is room again."""
    await simulator.settings(rate_limits=True)

    async def admitted(path: str, count: int) -> int:
        answers = [await simulator.http.get(path) for _ in range(count)]
        assert {200, 429} >= {answer.status_code for answer in answers}
        return sum(answer.is_success for answer in answers)

    assert 25 == await admitted("/v1/customers", 26)
    await simulator.advance(1)
    paths = ("customers", "invoices", "events", "refunds", "coupons")
    assert [25, 25, 25, 25, 0] == [await admitted(f"/v1/{path}", 25) for path in paths]
    refused = await simulator.http.get("/v1/coupons")
    assert "rate_limit" == refused.json()["error"]["code"]
    assert "Stripe-Should-Retry" not in refused.headers
    await simulator.settings(rate_limits=False)
    assert 200 == (await simulator.http.get("/v1/customers")).status_code


@pytest.mark.parametrize(
    ("fault", "extra", "status", "headers"),
    [
        ("429", {"retry_after": 7}, 429, {"retry-after": "7"}),
        ("429", {}, 429, {"retry-after": None, "stripe-should-retry": None}),
        ("429_should_retry", {}, 429, {"stripe-should-retry": "true"}),
        ("lock_timeout", {}, 429, {"stripe-should-retry": "true"}),
        ("409_in_use", {}, 409, {}),
        ("fail_before_commit", {}, 500, {}),
        ("html_502", {}, 502, {"content-type": "text/html"}),
    ],
)
async def test_refusals_come_as_the_real_ones(
    simulator: Any, fault: str, extra: dict[str, int], status: int, headers: dict[str, Any]
) -> None:
    """Each fault before the execution has its status and headers, and changes nothing."""
    await simulator.fault(fault, "/v1/customers", **extra)
    answer = await simulator.http.post("/v1/customers", data={"name": "A"})
    listed = await simulator.api.customers.list_async()

    assert (status, []) == (answer.status_code, listed.data)
    assert headers == {name: answer.headers.get(name) for name in headers}


@pytest.mark.parametrize("fault", ["bad_json", "truncated_body", "commit_then_drop"])
async def test_garbled_answers_hide_what_happened(simulator: Any, fault: str) -> None:
    """The state has changed, the answer cannot be read, and the same key tells what it was."""
    await simulator.fault(fault, "/v1/customers")
    options = {"idempotency_key": "k", "max_network_retries": 0}
    with pytest.raises(stripe.StripeError):
        await simulator.api.customers.create_async({"name": "A"}, options)
    made = await simulator.api.customers.create_async({"name": "A"}, options)
    listed = await simulator.api.customers.list_async()

    assert [made.id] == [one.id for one in listed.data]


async def test_half_open_never_answers(simulator: Any) -> None:
    """The connection stays open without an answer until the client gives up."""
    await simulator.fault("half_open", "/v1/customers")
    with pytest.raises(httpx.ReadTimeout):
        await simulator.http.post("/v1/customers", data={"name": "A"}, timeout=0.2)

    assert [] == (await simulator.api.customers.list_async()).data


async def test_crash_drops_everything_under_way(simulator: Any, until: Any) -> None:
    """A crash breaks the requests under way too; what was committed is there afterwards."""
    slow = {"fault": "latency", "latency_after_ms": 400, "match": {"path": "/v1/customers"}}
    crash = {"fault": "crash_restart", "match": {"path": "/v1/coupons"}}
    plan = {"rules": [rule | {"times": 1} for rule in (slow, crash)]}
    (await simulator.http.post("/_sim/faults", json=plan)).raise_for_status()
    first = asyncio.create_task(simulator.http.post("/v1/customers", data={"name": "A"}))

    async def committed() -> bool:
        state = (await simulator.http.get("/_sim/state")).json()
        return "customer" in state["objects"]

    await until(committed)
    with pytest.raises(httpx.TransportError):
        await simulator.http.post("/v1/coupons", data={"id": "c", "percent_off": "5"})
    with pytest.raises(httpx.TransportError):
        await first

    assert ["A"] == [one.name for one in (await simulator.api.customers.list_async()).data]
    assert 5 == (await simulator.api.coupons.retrieve_async("c")).percent_off


@pytest.mark.parametrize("way", ["fault", "control"])
async def test_a_pruned_key_is_a_new_request(simulator: Any, way: str) -> None:
    """A key that Stripe has forgotten makes a second object."""
    options = {"idempotency_key": "k"}
    first = await simulator.api.customers.create_async({"name": "A"}, options)
    if way == "fault":
        await simulator.fault("key_pruned", "/v1/customers")
    else:
        await simulator.http.post("/_sim/keys/prune", json={"key": "k"})
    second = await simulator.api.customers.create_async({"name": "A"}, options)

    assert first.id != second.id


async def test_stale_reads_show_the_past(simulator: Any) -> None:
    """A stale list leaves out what is new and shows older states of the rest."""
    old = await simulator.open_invoice()
    await simulator.advance(100)
    await simulator.api.invoices.void_invoice_async(old.id)
    new = await simulator.draft(customer=old.customer)
    rule = {"fault": "stale_read", "seconds": 50, "match": {"method": "GET"}, "times": 2}
    await simulator.http.post("/_sim/faults", json={"rules": [rule]})
    stale = await simulator.api.invoices.list_async()
    one = await simulator.api.invoices.retrieve_async(old.id)
    fresh = await simulator.api.invoices.list_async()

    assert ([(old.id, "open")], "open") == ([(i.id, i.status) for i in stale.data], one.status)
    assert [(new.id, "draft"), (old.id, "void")] == [(i.id, i.status) for i in fresh.data]


async def test_expansion_follows_paths(simulator: Any) -> None:
    """Ids are replaced along the path, in single objects, lists and after writes."""
    invoice = await simulator.open_invoice()
    shown = await simulator.api.invoices.retrieve_async(invoice.id, {"expand": ["customer"]})
    listed = await simulator.api.invoices.list_async({"expand": ["data.customer"]})
    note = await simulator.api.credit_notes.create_async(
        {"invoice": invoice.id, "amount": 1, "expand": ["invoice.customer"]}
    )
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        await simulator.api.invoices.retrieve_async(invoice.id, {"expand": ["number"]})

    assert "Acme" == shown.customer.name == listed.data[0].customer.name
    assert (invoice.id, "Acme") == (note.invoice.id, note.invoice.customer.name)
    assert "expand" == refusal.value.param


async def test_pages_go_both_ways(simulator: Any) -> None:
    """Cursors exclude their object; `has_more` is about the direction that is gone."""
    made = [(await simulator.api.customers.create_async({"name": str(n)})).name for n in range(5)]
    api = simulator.api.customers
    first = await api.list_async({"limit": 2})
    second = await api.list_async({"limit": 2, "starting_after": first.data[-1].id})
    back = await api.list_async({"limit": 2, "ending_before": second.data[0].id})
    last = await api.list_async({"limit": 2, "starting_after": second.data[-1].id})

    pages = [[one.name for one in page.data] for page in (first, second, back, last)]
    assert [made[:2:-1], made[2:0:-1], made[:2:-1], made[:1]] == pages
    assert [True, True, False, False] == [p.has_more for p in (first, second, back, last)]
    for bad in ({"limit": 0}, {"limit": 101}, {"starting_after": "cus_x"},
                {"starting_after": "a", "ending_before": "b"}):  # fmt: skip
        with pytest.raises(stripe.InvalidRequestError):
            await api.list_async(bad)


async def test_another_version_can_be_let_in(simulator: Any) -> None:
    """The pinned version is required unless the setting says otherwise; the log keeps what came."""
    headers = {"Stripe-Version": "2020-08-27"}
    refused = await simulator.http.get("/v1/customers", headers=headers)
    await simulator.settings(strict_version=False)
    admitted = await simulator.http.get("/v1/customers", headers=headers)

    assert (400, 200) == (refused.status_code, admitted.status_code)
    assert "2020-08-27" == (await simulator.requests())[-1]["stripe_version"]


@pytest.mark.parametrize(
    "change",
    [{"rate_limit": True}, {"numbering": "weekly"}, {"search_lag_s": "1"}, {"retries": None}],
)
async def test_settings_are_checked(simulator: Any, change: dict[str, Any]) -> None:
    """An unknown or impossible setting is refused and changes nothing."""
    before = (await simulator.http.get("/_sim/settings")).json()
    answer = await simulator.http.post("/_sim/settings", json=change)

    assert 400 == answer.status_code
    assert before == (await simulator.http.get("/_sim/settings")).json()


async def test_meter_events_are_taken_once(simulator: Any) -> None:
    """A second event with an identifier is an error within a day, not a silent drop."""
    event = {
        "event_name": "tokens",
        "identifier": "e1",
        "payload": {"stripe_customer_id": "cus_1", "value": "25"},
    }
    made = await simulator.api.billing.meter_events.create_async(event)
    with pytest.raises(stripe.InvalidRequestError, match="already exists with identifier e1"):
        await simulator.api.billing.meter_events.create_async(event)
    await simulator.advance(86_400)
    again = await simulator.api.billing.meter_events.create_async(event)

    assert ("e1", "e1") == (made.identifier, again.identifier)


async def test_the_pdf_is_whole_and_turns_pages(simulator: Any) -> None:
    """Every object of the file stands where its table says; 250 lines need several pages."""
    draft = await simulator.draft(description="Überblick (Oktober) \\ x")
    lines = [
        {"amount": 100 + n, "description": f"Model {n}: " + "tokens " * 12} for n in range(250)
    ]
    await simulator.api.invoices.add_lines_async(draft.id, {"lines": lines})
    final = await simulator.api.invoices.finalize_invoice_async(draft.id)
    content = (await simulator.http.get(final.invoice_pdf)).content
    table = content[content.index(b"xref\n") :].split(b"\n")
    places = [int(row.split()[0]) for row in table if row.endswith(b" n ")]

    assert content.startswith(b"%PDF-1.4")
    assert content.endswith(b"%%EOF\n")
    for number, place in enumerate(places, start=1):
        assert content[place:].startswith(f"{number} 0 obj\n".encode())
    assert 10 < content.count(b"/Type /Page ")
    assert b"Model 249" in content
    assert "Überblick \\(Oktober\\) \\\\ x".encode("cp1252") in content
