"""Idempotency keys, faults and restarts: what a retry may rely on."""

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import httpx
import pytest
import stripe

from deploy.local.stripe_simulator import create_simulator

# The SDK hands httpx its form in the old way.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>' to upload:DeprecationWarning")


async def _add(simulator: Any, invoice: Any, key: str) -> Any:
    return await simulator.api.invoices.add_lines_async(
        invoice.id,
        {"lines": [{"amount": 700}]},
        {"idempotency_key": key, "max_network_retries": 0},
    )


@pytest.mark.parametrize(("second_key", "count"), [("lines/1", 1), ("lines/2", 2)])
async def test_replay_appends_no_line(simulator: Any, second_key: str, count: int) -> None:
    """The same key adds lines once; the broken retry under another key appends them again."""
    draft = await simulator.draft()
    await _add(simulator, draft, "lines/1")
    await _add(simulator, draft, second_key)
    after = await simulator.api.invoices.retrieve_async(draft.id)

    assert (count, 700 * count) == (after.lines.total_count, after.total)


async def test_replay_says_so(simulator: Any) -> None:
    """A replay has the same body and the header that marks it."""
    headers = {"Idempotency-Key": "k"}
    first = await simulator.http.post("/v1/customers", data={"name": "A"}, headers=headers)
    again = await simulator.http.post("/v1/customers", data={"name": "A"}, headers=headers)

    assert first.content == again.content
    assert "Idempotent-Replayed" not in first.headers
    assert "true" == again.headers["Idempotent-Replayed"]


async def test_key_with_other_parameters_is_refused(simulator: Any) -> None:
    """A key belongs to its parameters."""
    await simulator.api.customers.create_async({"name": "A"}, {"idempotency_key": "k"})
    with pytest.raises(stripe.IdempotencyError) as refusal:
        await simulator.api.customers.create_async({"name": "B"}, {"idempotency_key": "k"})

    assert 400 == refusal.value.http_status


async def test_refused_parameters_do_not_use_up_the_key(simulator: Any) -> None:
    """A validation failure is not stored: the corrected request takes the same key."""
    options = {"idempotency_key": "k"}
    with pytest.raises(stripe.InvalidRequestError):
        await simulator.api.customers.create_async({"nam": "A"}, options)
    made = await simulator.api.customers.create_async({"name": "A"}, options)

    assert "A" == made.name


@pytest.mark.parametrize(("seconds", "same"), [(86_399, True), (86_400, False)])
async def test_keys_expire_after_a_day(simulator: Any, seconds: int, *, same: bool) -> None:
    """Up to 24 hours a key replays, from then on it is a new request."""
    options = {"idempotency_key": "k"}
    first = await simulator.api.customers.create_async({"name": "A"}, options)
    await simulator.http.post("/_sim/clock", json={"advance_s": seconds})
    again = await simulator.api.customers.create_async({"name": "A"}, options)

    assert same == (first.id == again.id)


async def test_long_key_is_refused(simulator: Any) -> None:
    """255 characters are a key, 256 are none."""
    await simulator.api.customers.create_async({}, {"idempotency_key": "k" * 255})
    with pytest.raises(stripe.IdempotencyError):
        await simulator.api.customers.create_async({}, {"idempotency_key": "k" * 256})


async def test_key_in_flight_conflicts(simulator: Any, until: Any) -> None:
    """While a request runs, another with its key is 409; afterwards it is a replay."""
    await simulator.fault("latency", "/v1/customers", latency_ms=400)
    headers = {"Idempotency-Key": "k"}
    slow = asyncio.create_task(
        simulator.http.post("/v1/customers", data={"name": "A"}, headers=headers)
    )

    async def running() -> bool:
        return "k" in (await simulator.http.get("/_sim/state")).json()["keys_in_flight"]

    await until(running)
    conflict = await simulator.http.post("/v1/customers", data={"name": "A"}, headers=headers)

    assert (409, "idempotency_key_in_use") == (
        conflict.status_code, conflict.json()["error"]["code"],
    )  # fmt: skip
    assert 200 == (await slow).status_code


@pytest.mark.parametrize("fault", ["commit_then_drop", "fail_before_commit", "drop_before_commit"])
async def test_retry_with_the_same_key_makes_one_invoice(simulator: Any, fault: str) -> None:
    """Whether the connection died before or after the commit, the SDK's retry ends with one."""
    await simulator.fault(fault, "/v1/invoices")
    draft = await simulator.draft()
    listed = await simulator.api.invoices.list_async({"customer": draft.customer})

    assert [draft.id] == [one.id for one in listed.data]
    sent = [(r["method"], r["path"]) for r in await simulator.requests()]
    assert 2 == sent.count(("POST", "/v1/invoices"))


async def test_dropped_answer_is_no_answer(simulator: Any) -> None:
    """`commit_then_drop` resets the connection: not even a status line arrives."""
    await simulator.fault("commit_then_drop", "/v1/customers")
    with pytest.raises(httpx.TransportError):
        await simulator.http.post("/v1/customers", data={"name": "A"})
    listed = await simulator.api.customers.list_async()

    assert 1 == len(listed.data)
    assert (await simulator.requests())[0]["status"] is None


async def test_new_key_after_a_drop_makes_two_invoices(simulator: Any) -> None:
    """The broken retry: a lost answer and another key leave a second invoice behind."""
    customer = await simulator.api.customers.create_async({"name": "A"})
    await simulator.fault("commit_then_drop", "/v1/invoices")
    for key in ("first", "second"):
        options = {"idempotency_key": key, "max_network_retries": 0}
        try:
            await simulator.api.invoices.create_async({"customer": customer.id}, options)
        except stripe.APIConnectionError:
            continue
    listed = await simulator.api.invoices.list_async({"customer": customer.id})

    assert 2 == len(listed.data)


async def test_stored_500_is_replayed(simulator: Any) -> None:
    """After `commit_then_500` the state has changed, yet the key answers 500 for good."""
    draft = await simulator.draft()
    await simulator.fault("commit_then_500", "/v1/invoices/*/add_lines")
    for _ in range(2):
        with pytest.raises(stripe.APIError) as refusal:
            await _add(simulator, draft, "k")
        assert 500 == refusal.value.http_status
    after = await simulator.api.invoices.retrieve_async(draft.id)

    assert 700 == after.total


async def test_rate_limit_is_not_retried_by_the_sdk(simulator: Any) -> None:
    """A 429 without Stripe-Should-Retry reaches the caller at once."""
    await simulator.fault("429", "/v1/customers")
    with pytest.raises(stripe.RateLimitError):
        await simulator.api.customers.create_async({"name": "A"})

    assert [429] == [r["status"] for r in await simulator.requests()]


async def test_state_of_another_version_is_refused(tmp_path: Path) -> None:
    """A file that another version wrote is not read half right: the refusal says what to do."""
    path = tmp_path / "stripe.sqlite"
    with sqlite3.connect(path) as old:
        old.execute("CREATE TABLE objects (id TEXT)")
    old.close()
    with pytest.raises(ValueError, match="delete it"):
        create_simulator(state_path=path)


@pytest.mark.parametrize("in_file", [True, False])
async def test_state_survives_a_restart(run: Any, tmp_path: Path, *, in_file: bool) -> None:
    """With a file, objects and stored answers outlive the process; in memory they do not."""
    path = tmp_path / "stripe.sqlite" if in_file else None
    options = {"idempotency_key": "k"}
    async with run(state_path=path) as before:
        made = await before.api.customers.create_async({"name": "A"}, options)
        first = (await before.http.get("/_sim/hash")).json()
    async with run(state_path=path) as after:
        second = (await after.http.get("/_sim/hash")).json()
        again = await after.api.customers.create_async({"name": "A"}, options)

    assert in_file == (first == second)
    assert in_file == (made.id == again.id)
