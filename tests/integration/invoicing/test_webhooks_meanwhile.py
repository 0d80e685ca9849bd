"""What happens while a delivery is under way: another process, a death, a change, a late answer."""

import asyncio
from datetime import timedelta

import pytest

from services.invoicing.webhooks_out.loop import STORING_SECONDS_MAX
from tests.support.webhook_receiver import OK, Received, Receiver, answer, running_receiver
from tests.support.webhooks import Hooks, running_loop


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
