"""Secrets of webhooks: rotated while both sign, and none lives longer than it was told to."""

from datetime import timedelta

import pytest
from standardwebhooks import WebhookVerificationError

from shared.errors import TallyrollError
from tests.support.webhook_receiver import Receiver
from tests.support.webhooks import ATTEMPTS_MAX, HALF_A_DAY, Hooks


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
