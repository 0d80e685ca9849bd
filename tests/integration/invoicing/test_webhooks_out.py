"""Deliveries: signed, at least once under one id, tried again, given up, replayed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from standardwebhooks import WebhookVerificationError

from services.invoicing.webhooks_out.loop import ENDPOINT_CONCURRENCY, STORING_SECONDS_MAX
from shared.errors import TallyrollError
from tests.support.webhook_receiver import OK, Received, Receiver, answer, running_receiver
from tests.support.webhooks import ATTEMPTS_MAX, Hooks

HALF_A_DAY = 12 * 3600 * 1.25


@asynccontextmanager
async def running_loop(hooks: Hooks) -> AsyncIterator[None]:
    """Run a delivery loop inside a block; at its end it dies as a process does."""
    task = asyncio.create_task(hooks.loop().run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


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


async def test_two_processes_send_each_delivery_once(hooks: Hooks, receiver: Receiver) -> None:
    """A claimed delivery is another process' no more."""
    await hooks.add(receiver.url)
    made = {await hooks.happen() for _ in range(30)}

    await asyncio.gather(*(hooks.loop().send_due() for _ in range(3)))

    assert 30 == len(receiver.received)
    assert made == {one.webhook_id for one in receiver.received}


async def test_who_dies_while_sending_sends_again(hooks: Hooks, receiver: Receiver) -> None:
    """The lease runs out, the id stays, and the attempt without an outcome is to be seen."""
    receiver.hold = asyncio.Event()
    secret = await hooks.add(receiver.url)
    event_id = str(await hooks.happen())
    async with running_loop(hooks):
        await receiver.until(1)
    receiver.hold.set()

    await hooks.send(later=1)
    assert 1 == len(receiver.received)
    await hooks.send(later=hooks.seconds_max + STORING_SECONDS_MAX)

    assert [event_id] * 2 == [one.webhook_id for one in receiver.received]
    receiver.received[1].verify(secret)
    outcomes = [(one.status, one.latency_ms is None) for one in await hooks.attempts(event_id)]
    assert [(None, True), (200, False)] == outcomes
    assert [("delivered", None)] == await hooks.states()


async def test_a_late_answer_decides_nothing(hooks: Hooks, receiver: Receiver) -> None:
    """Who lost the lease stores what it heard as its attempt; the delivery is another's by now."""
    may_answer = [asyncio.Event(), asyncio.Event()]

    async def reply(_request: Received, writer: asyncio.StreamWriter) -> None:
        number = len(receiver.received)
        await may_answer[number - 1].wait()
        writer.write(answer(500) if number == 1 else OK)

    receiver.reply = reply
    await hooks.add(receiver.url)
    event_id = str(await hooks.happen())
    slow = asyncio.create_task(hooks.loop().send_due())
    await receiver.until(1)
    hooks.clock.advance(timedelta(seconds=hooks.seconds_max + STORING_SECONDS_MAX + 1))
    quick = asyncio.create_task(hooks.loop().send_due())
    await receiver.until(2)
    (before,) = await hooks.deliveries()
    may_answer[0].set()
    await slow
    (after,) = await hooks.deliveries()
    may_answer[1].set()
    await quick

    assert before == after
    assert [500, 200] == [one.status for one in await hooks.attempts(event_id)]
    assert [("delivered", None)] == await hooks.states()


async def test_an_endpoint_may_go_while_it_is_sent_to(hooks: Hooks, receiver: Receiver) -> None:
    """Deleted under way: nothing is stored, nothing fails."""
    receiver.hold = asyncio.Event()
    await hooks.add(receiver.url)
    await hooks.happen()
    sending = asyncio.create_task(hooks.loop().send_due())
    await receiver.until(1)
    async with hooks.database.transaction() as connection:
        await hooks.endpoints.remove(connection, hooks.key())
    receiver.hold.set()
    await sending

    assert [] == await hooks.deliveries()


@pytest.mark.parametrize("status", [410, 500])
async def test_an_answer_from_the_url_before_says_nothing_of_the_new_one(
    hooks: Hooks, receiver: Receiver, status: int
) -> None:
    """Moved while it is sent to: the delivery goes to the new URL at once, nothing is disabled."""
    async with running_receiver() as old:
        old.hold, old.answers = asyncio.Event(), [answer(status, Retry_After="3600")]
        await hooks.add(old.url)
        await hooks.happen()
        sending = asyncio.create_task(hooks.loop().send_due())
        await old.until(1)
        await hooks.add(receiver.url)
        old.hold.set()
        await sending
    endpoint = await hooks.endpoint()
    assert ("enabled", None, None) == (
        endpoint.state,
        endpoint.failing_since,
        endpoint.paused_until,
    )

    await hooks.send()

    assert [("delivered", None)] == await hooks.states()
    assert 1 == len(receiver.received)


async def test_an_answer_counts_though_the_endpoint_was_disabled(
    hooks: Hooks, receiver: Receiver
) -> None:
    """What arrived is delivered; a failure leaves it dead."""
    receiver.hold = asyncio.Event()
    receiver.answers = [OK, answer(500)]
    await hooks.add(receiver.url)
    await hooks.happen()
    await hooks.happen()
    sending = asyncio.create_task(hooks.loop().send_due())
    await receiver.until(2)
    await hooks.add(receiver.url, enabled=False)
    receiver.hold.set()
    await sending

    states = sorted(await hooks.states(), key=str)
    assert [("dead", "endpoint_disabled"), ("delivered", None)] == states


async def test_both_secrets_sign_during_a_rotation(hooks: Hooks, receiver: Receiver) -> None:
    """Receivers with the old and with the new secret both accept; afterwards only the new one."""
    old = await hooks.add(receiver.url)
    new = await hooks.rotate(hours=1)
    await hooks.happen()
    await hooks.send()
    (request,) = receiver.received

    assert 2 == len(request.headers["webhook-signature"].split())
    assert request.verify(old) == request.verify(new)

    await hooks.happen()
    await hooks.send(later=3600)
    # Receivers look at their own clock: what is checked is how many secrets signed.
    assert 1 == len(receiver.received[1].headers["webhook-signature"].split())


async def test_a_lost_rotation_costs_nothing(hooks: Hooks, receiver: Receiver) -> None:
    """Rotating again keeps what receivers know, three secrets at most; 0 hours end all others."""
    known = await hooks.add(receiver.url)
    await hooks.rotate(hours=1)
    newest = await hooks.rotate(hours=1)
    await hooks.happen()
    await hooks.send()
    for secret in (known, newest):
        receiver.received[0].verify(secret)

    with pytest.raises(TallyrollError, match="too_many_webhook_secrets"):
        await hooks.rotate(hours=1)
    only = await hooks.rotate(hours=0)
    await hooks.happen()
    await hooks.send()

    receiver.received[1].verify(only)
    with pytest.raises(WebhookVerificationError):
        receiver.received[1].verify(newest)


async def test_an_older_secret_never_lives_longer(hooks: Hooks, receiver: Receiver) -> None:
    """A later rotation with a longer overlap does not move the end of what was to end sooner."""
    await hooks.add(receiver.url)
    await hooks.rotate(hours=1)
    await hooks.rotate(hours=100)

    ends = [one.expires_at for one in hooks.endpoints.secrets(await hooks.endpoint())]

    now = hooks.clock.now()
    assert [None, now + timedelta(hours=100), now + timedelta(hours=1)] == ends


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


async def test_secrets_that_do_not_open_are_a_failure_that_ends(
    hooks: Hooks, receiver: Receiver
) -> None:
    """Under another secret key nothing is sent unsigned: attempts say why, then a person acts."""
    await hooks.add(receiver.url)
    async with hooks.database.transaction() as connection:
        await connection.exec_driver_sql("update invoicing.webhook_endpoint set sealed = 'x'")
    event_id = str(await hooks.happen())

    for _ in range(ATTEMPTS_MAX + 1):
        await hooks.send(later=HALF_A_DAY)

    assert [("dead", "attempts_exhausted")] == await hooks.states()
    failures = [one.failure for one in await hooks.attempts(event_id)]
    assert ["secrets_unreadable"] * ATTEMPTS_MAX == failures
    assert [] == receiver.received
