"""Stripe's events: verified, stored once, applied in any order to the same end."""

import random
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from services.invoicing.stripe_events import BODY_BYTES_MAX
from services.invoicing.webhooks import WebhookProcessor


@pytest.fixture(name="sent")
async def _sent(world: Any, statement: Any) -> Any:
    invoice = await world.draft(statement(("a", "5"), total="5"))
    await world.sync().sync_due()
    return await world.read(invoice)


async def _events(world: Any) -> list[Any]:
    found: list[Any] = (await world.simulator.get("/v1/events", limit=100))["data"]
    return found


async def _process(world: Any) -> None:
    processor = WebhookProcessor(world.database, world.sync().accounts, world.clock)
    while await processor.process_due():
        pass


async def _stored(world: Any) -> int:
    rows = await world.rows(
        "select event_id from invoicing.webhook_inbox where vendor_id = :v", v=world.vendor_id
    )
    return len(rows)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("action", "state"),
    [("pay", "paid"), ("void", "void"), ("mark_uncollectible", "uncollectible")],
)
async def test_duplicated_and_shuffled_events_give_one_state(
    world: Any, api: Any, sent: Any, *, action: str, state: str, seed: int
) -> None:
    """However events arrive, the invoice's state is what Stripe says when asked."""
    form = {"paid_out_of_band": "true"} if action == "pay" else {}
    await world.simulator.post(f"/v1/invoices/{sent.stripe_invoice_id}/{action}", **form)
    events = await _events(world)
    deliveries = events * 2
    random.Random(seed).shuffle(deliveries)  # noqa: S311 - a reproducible disorder

    answers = {(await api.deliver(event)).status_code for event in deliveries}
    await _process(world)

    assert {200} == answers
    assert len(events) == await _stored(world)
    assert (state, None) == await world.state(sent)
    assert ["draft", "issued", "sent", state] == await world.messages(sent)


async def test_an_old_snapshot_in_an_event_is_not_believed(world: Any, api: Any, sent: Any) -> None:
    """An event that claims another state than Stripe's own answer changes nothing."""
    event = next(e for e in await _events(world) if e["type"] == "invoice.sent")
    event["type"] = "invoice.paid"
    event["data"]["object"]["status"] = "paid"

    await api.deliver(event)
    await _process(world)

    assert ("sent", None) == await world.state(sent)


async def _refused(api: Any) -> dict[str, float]:
    """Return the counts of refused events by reason, as Prometheus reads them; zeros left out."""
    page = (await api.http.get("/metrics")).text
    return {
        sample.labels["reason"]: sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == "tallyroll_stripe_events_refused_total" and sample.value
    }


@pytest.mark.parametrize(
    ("delivery", "reason"),
    [
        ({"secret": "whsec_guess"}, "forged"),
        ({"late": -301}, "stale"),
        ({"late": -301, "secret": "whsec_guess"}, "forged"),
        ({"late": 301}, "future"),
        ({"header": ""}, "unsigned"),
        ({"header": "t=1"}, "unsigned"),
        ({"livemode": True}, "other_mode"),
        ({"body": b"{}"}, "invalid"),
        ({"body": b" " * (BODY_BYTES_MAX + 1)}, "too_large"),
    ],
)
async def test_a_refused_event_is_counted_by_its_reason_and_not_stored(
    world: Any, api: Any, sent: Any, *, delivery: dict[str, Any], reason: str
) -> None:
    """Who operates sees why; nothing is stored, and a good event is not counted."""
    event = (await _events(world))[0]
    assert {} == await _refused(api)
    livemode = {"livemode": delivery.pop("livemode", False)}

    answer = await api.deliver(delivery.pop("body", event | livemode), **delivery)

    assert answer.status_code == (413 if reason == "too_large" else 400)
    assert {reason: 1} == await _refused(api)
    assert 0 == await _stored(world)
    assert 200 == (await api.deliver(event)).status_code
    assert {reason: 1} == await _refused(api)


async def test_the_same_request_again_is_refused_and_the_same_event_signed_later_is_not(
    world: Any, api: Any, sent: Any
) -> None:
    """Stripe signs each delivery anew, so a request that comes twice was copied on its way."""
    event, other = (await _events(world))[:2]
    header = api.signature(event, late=-20)

    first = await api.deliver(event, header=header)
    replayed = await api.deliver(event, header=header)
    assert (200, 400) == (first.status_code, replayed.status_code)
    assert {"replayed": 1} == await _refused(api)

    again = await api.deliver(event, late=-10)
    older = await api.deliver(event, header=header)
    unrelated = await api.deliver(other, late=-20)
    assert (200, 400, 200) == (again.status_code, older.status_code, unrelated.status_code)
    assert {"replayed": 2} == await _refused(api)
    assert 2 == await _stored(world)


@pytest.mark.parametrize("late", [-301, 301, 86_400])
async def test_signatures_far_in_time_are_refused(
    world: Any, api: Any, sent: Any, late: int
) -> None:
    """A signature from the past or the future beyond 300 seconds is invalid; nothing is stored."""
    event = (await _events(world))[0]

    answer = await api.deliver(event, late=late)

    assert (400, "invalid_signature") == (answer.status_code, answer.json()["code"])
    assert 0 == await _stored(world)


async def test_another_secret_is_refused(world: Any, api: Any, sent: Any) -> None:
    """Who does not know the secret cannot make us store anything."""
    answer = await api.deliver((await _events(world))[0], secret="whsec_guess")

    assert (400, "invalid_signature") == (answer.status_code, answer.json()["code"])
    assert 0 == await _stored(world)


async def test_live_events_do_not_enter_test_mode(world: Any, api: Any, sent: Any) -> None:
    """An event's mode must be the address's."""
    answer = await api.deliver((await _events(world))[0] | {"livemode": True})

    assert (400, "livemode_mismatch") == (answer.status_code, answer.json()["code"])


async def test_a_huge_body_is_refused_unread(api: Any) -> None:
    """More than 512 KiB is not even verified."""
    answer = await api.deliver(b" " * (BODY_BYTES_MAX + 1))

    assert (413, "body_too_large") == (answer.status_code, answer.json()["code"])


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"id": 1}', b"[" * 100_000, b"\xff"])
async def test_a_signed_body_that_is_no_event_is_refused(api: Any, body: bytes) -> None:
    """Bad input is answered 400 with a code, never 500."""
    answer = await api.deliver(body)

    assert (400, "invalid_event") == (answer.status_code, answer.json()["code"])


async def test_unknown_types_are_stored(world: Any, api: Any) -> None:
    """An event that we do not act on is kept and answered well."""
    event = {"id": "evt_x", "type": "radar.something_new", "livemode": False, "data": {}}

    answer = await api.deliver(event)
    await _process(world)

    assert (200, 1) == (answer.status_code, await _stored(world))
