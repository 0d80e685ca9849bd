"""Deliveries: signed, at least once under one id, tried again, given up, replayed."""

import asyncio
from datetime import timedelta

import pytest
from standardwebhooks import WebhookVerificationError

from services.invoicing.webhooks_out.loop import ENDPOINT_CONCURRENCY
from tests.support.webhook_receiver import OK, Receiver, answer, running_receiver
from tests.support.webhooks import ATTEMPTS_MAX, HALF_A_DAY, Hooks, running_loop


async def test_an_event_is_delivered_signed(hooks: Hooks, receiver: Receiver) -> None:
    """The receiver checks it with the library and the secret that was shown."""
    secret = await hooks.add(receiver.url, event_types=["invoice.*"])
    event_id = await hooks.happen()
    await hooks.send()

    (request,) = receiver.received
    body = request.verify(secret)
    assert ("invoice.sent", "5.34", "test") == (body["type"], body["data"]["total"], body["mode"])
    assert event_id == request.webhook_id
    assert "application/json" == request.headers["content-type"]
    assert [("delivered", None)] == await hooks.states()
    with pytest.raises(WebhookVerificationError):
        request.verify("whsec_" + "A" * 43 + "=")


async def test_a_message_that_comes_twice_is_one_event(hooks: Hooks, receiver: Receiver) -> None:
    """The inbox is claimed with the rows: twice the message, one delivery."""
    await hooks.add(receiver.url)

    made = [await hooks.happen("m-1"), await hooks.happen("m-1"), await hooks.happen("m-2")]
    await hooks.send()

    assert [True, False, True] == [one is not None for one in made]
    assert [made[0], made[2]] == sorted(one.webhook_id for one in receiver.received)


async def test_an_event_goes_to_who_subscribes(hooks: Hooks) -> None:
    """One row for each endpoint that wants the type, under one id; none is no event."""
    async with running_receiver() as one, running_receiver() as other:
        await hooks.add(one.url, "one", event_types=["invoice.paid", "usage.sealed"])
        await hooks.add(other.url, "other", event_types=["invoice.*"])

        both = await hooks.happen(state="paid")
        await hooks.happen(state="void")
        await hooks.send()

        assert [both] == [request.webhook_id for request in one.received]
        assert 2 == len(other.received)
        assert both in {request.webhook_id for request in other.received}


async def test_nothing_crosses_from_test_to_live(hooks: Hooks, receiver: Receiver) -> None:
    """An endpoint of test mode never hears of a live invoice, nor of another vendor's."""
    await hooks.add(receiver.url)

    assert None is await hooks.happen(mode="live")
    assert None is await hooks.happen(vendor_id="somebody-else")
    await hooks.send()

    assert [] == receiver.received


async def test_a_failed_delivery_comes_again_with_its_id(hooks: Hooks, receiver: Receiver) -> None:
    """Back-off, the same id and bytes, a signature of its own time, every attempt to be seen."""
    receiver.answers = [answer(500, "database down"), answer(302, Location="/else"), OK]
    secret = await hooks.add(receiver.url)
    event_id = await hooks.happen()

    await hooks.send()
    await hooks.send(later=4.9)
    assert 1 == len(receiver.received)
    await hooks.send(later=1.4)
    await hooks.send(later=25)

    assert [event_id] * 3 == [one.webhook_id for one in receiver.received]
    assert 1 == len({one.body for one in receiver.received})
    assert 3 == len({one.headers["webhook-timestamp"] for one in receiver.received})
    for request in receiver.received:
        request.verify(secret)
    attempts = await hooks.attempts(str(event_id))
    assert [(1, 500), (2, 302), (3, 200)] == [(one.number, one.status) for one in attempts]
    assert "database down" == attempts[0].answer
    assert all(one.latency_ms is not None and one.failure is None for one in attempts)
    assert [("delivered", None)] == await hooks.states()


async def test_an_endpoint_is_shown_as_failing_until_it_answers(
    hooks: Hooks, receiver: Receiver
) -> None:
    """Since when it fails is the time of the first failure, and gone with the first success."""
    receiver.answers = [answer(500), answer(500)]
    await hooks.add(receiver.url)
    await hooks.happen()
    began = hooks.clock.now()

    await hooks.send()
    await hooks.send(later=10)
    assert began == (await hooks.endpoint()).failing_since
    await hooks.send(later=60)

    assert (await hooks.endpoint()).failing_since is None


async def test_a_delivery_is_dead_after_its_attempts(hooks: Hooks, receiver: Receiver) -> None:
    """No more attempts than set; replay begins anew, with the same id and numbers going on."""
    receiver.answers = [answer(503)] * ATTEMPTS_MAX
    await hooks.add(receiver.url)
    event_id = str(await hooks.happen())
    since = hooks.clock.now()

    for _ in range(ATTEMPTS_MAX + 2):
        await hooks.send(later=HALF_A_DAY)
    assert [("dead", "attempts_exhausted")] == await hooks.states()
    assert ATTEMPTS_MAX == len(receiver.received)
    await hooks.replay(since + timedelta(seconds=1))
    assert [("dead", "attempts_exhausted")] == await hooks.states()
    await hooks.replay(since)
    receiver.answers = [answer(500)]
    await hooks.send()
    assert [("pending", None)] == await hooks.states()
    await hooks.send(later=10)

    assert [event_id] * (ATTEMPTS_MAX + 2) == [one.webhook_id for one in receiver.received]
    assert [("delivered", None)] == await hooks.states()
    assert [1, 2, 3, 4, 5] == [one.number for one in await hooks.attempts(event_id)]


async def test_what_was_delivered_can_be_sent_again(hooks: Hooks, receiver: Receiver) -> None:
    """A replay by id asks nothing about the state, and twice before it is sent is once."""
    await hooks.add(receiver.url)
    event_id = str(await hooks.happen())
    await hooks.send()

    await hooks.replay(event_id=event_id)
    await hooks.replay(event_id=event_id)
    await hooks.send()

    assert [event_id] * 2 == [one.webhook_id for one in receiver.received]


async def test_retry_after_pauses_the_whole_endpoint(hooks: Hooks, receiver: Receiver) -> None:
    """After 429 nothing is sent to it until then, what is new neither."""
    receiver.answers = [answer(429, Retry_After="600")]
    await hooks.add(receiver.url)
    await hooks.happen()
    await hooks.send()

    await hooks.happen()
    await hooks.send(later=599)
    assert 1 == len(receiver.received)
    await hooks.send(later=2)
    await hooks.send()

    assert 3 == len(receiver.received)


async def test_a_person_ends_a_pause(hooks: Hooks, receiver: Receiver) -> None:
    """A replay is sent at once, whatever the endpoint had asked for."""
    receiver.answers = [answer(503, Retry_After="86400")]
    await hooks.add(receiver.url)
    event_id = str(await hooks.happen())
    await hooks.send()

    await hooks.replay(event_id=event_id)
    await hooks.send()

    assert [("delivered", None)] == await hooks.states()


async def test_retry_after_of_another_failure_is_the_deliverys_own(
    hooks: Hooks, receiver: Receiver
) -> None:
    """A 500 with Retry-After puts this delivery off, and no other."""
    receiver.answers = [answer(500, Retry_After="600")]
    await hooks.add(receiver.url)
    await hooks.happen()
    await hooks.send()

    await hooks.happen()
    await hooks.send(later=30)
    await hooks.send()
    assert 2 == len(receiver.received)
    await hooks.send(later=571)

    assert 3 == len(receiver.received)


async def test_410_disables_and_nothing_is_lost(hooks: Hooks, receiver: Receiver) -> None:
    """Gone: what waits and what comes is dead; enabled again, replay brings all of it."""
    receiver.answers = [answer(410)]
    await hooks.add(receiver.url)
    since = hooks.clock.now()
    first = await hooks.happen()
    await hooks.send()
    second = await hooks.happen()
    await hooks.send(later=HALF_A_DAY)

    endpoint = await hooks.endpoint()
    assert ("disabled", "endpoint_gone") == (endpoint.state, endpoint.disabled_reason)
    assert [("dead", "endpoint_disabled"), ("dead", "endpoint_gone")] == await hooks.states()
    assert 1 == len(receiver.received)
    await hooks.add(receiver.url, enabled=True)
    await hooks.replay(since)
    await hooks.send()

    assert {first, second} == {one.webhook_id for one in receiver.received[1:]}
    assert [("delivered", None)] * 2 == await hooks.states()


async def test_a_disabled_endpoint_gets_nothing(hooks: Hooks, receiver: Receiver) -> None:
    """Disabled by hand: what waited is dead until it is replayed, and what happens is kept so."""
    await hooks.add(receiver.url)
    await hooks.happen()
    await hooks.add(receiver.url, enabled=False)
    await hooks.happen()
    await hooks.send()

    assert [] == receiver.received
    assert [("dead", "endpoint_disabled")] * 2 == await hooks.states()


async def test_an_endpoint_that_hangs_delays_no_other(hooks: Hooks, receiver: Receiver) -> None:
    """While one answers nothing, all of another's deliveries are made."""
    async with running_receiver() as stuck:
        stuck.hold = asyncio.Event()
        await hooks.add(stuck.url, "stuck")
        await hooks.add(receiver.url, "quick")
        for _ in range(20):
            await hooks.happen()

        async with running_loop(hooks):
            await receiver.until(20)
            assert ENDPOINT_CONCURRENCY == len(stuck.received)


async def test_an_endpoint_gets_few_at_once(hooks: Hooks, receiver: Receiver) -> None:
    """However long the queue, four are under way."""
    await hooks.add(receiver.url)
    for _ in range(12):
        await hooks.happen()
    await hooks.send()

    assert ENDPOINT_CONCURRENCY == receiver.at_once_max
    assert 12 == len(receiver.received)


async def test_an_endpoint_that_fails_is_not_hammered(hooks: Hooks, receiver: Receiver) -> None:
    """However long its queue, one delivery at a time asks whether it is well; then all go."""
    receiver.answers = [answer(500)] * 6
    await hooks.add(receiver.url)
    for _ in range(20):
        await hooks.happen()
    await hooks.send()
    assert ENDPOINT_CONCURRENCY + 1 == len(receiver.received)
    await hooks.send()
    assert ENDPOINT_CONCURRENCY + 2 == len(receiver.received)
    await hooks.send()  # the first good answer
    assert ENDPOINT_CONCURRENCY + 3 == len(receiver.received)
    await hooks.send()

    assert 20 == len({one.webhook_id for one in receiver.received})


async def test_a_fault_with_one_endpoint_leaves_the_loop(hooks: Hooks, receiver: Receiver) -> None:
    """A row that does not open is logged; the others are served."""
    await hooks.add(receiver.url, "good")
    await hooks.add(receiver.url, "broken")
    async with hooks.database.transaction() as connection:
        await connection.exec_driver_sql(
            "update invoicing.webhook_endpoint set sealed = 'x' where endpoint_id = 'broken'"
        )
    await hooks.happen()

    await hooks.send()

    assert [("delivered", None)] == await hooks.states("good")
    assert [("pending", None)] == await hooks.states("broken")
