"""Calls to Stripe that survive a crash at any moment.

1. The job row with the exact parameters and the idempotency key is committed. Dying here: the next
   run finds it and makes the call for the first time.
2. The call. Dying here: the next run sends the same bytes under the same key, and Stripe repeats
   its first answer.
3. The answer's id is committed. Dying here: the step is done.

Stripe forgets keys after a day, and repeats a stored 500 for a day. A call of unknown outcome that
is older than 20 hours, or whose stored answer is a 500, is therefore never sent again: `look` asks
Stripe whether it took effect; if so its object is adopted, else the job is abandoned and the step
begins again under another key.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace

import structlog

from services.invoicing.domain.idempotency import idempotency_key, may_resend
from services.invoicing.models import StripeJob
from services.invoicing.repository.stripe_jobs import ClosedJob
from services.invoicing.stripe_sync.requests import StripeCall, canonical_json
from services.invoicing.stripe_sync.together import Writer
from services.invoicing.stripe_types import FailureReplayed, RequestRefused, Stripe
from shared.clock import Clock
from shared.database import Database

logger = structlog.get_logger()

ATTEMPTS_MAX = 20

Look = Callable[[StripeJob], Awaitable[str | None]]
"""Finds what a call of unknown outcome made; None when it made nothing."""


class TooManyAttempts(Exception):  # noqa: N818 - it says what happened
    """A step was begun anew too often: something is wrong that resending does not mend."""


class Journal:
    """Performs calls on one Stripe account and remembers them.

    Invoices under way at the same time share a `writer`, and with it their transactions.
    """

    def __init__(
        self, database: Database, stripe: Stripe, clock: Clock, *, writer: Writer | None = None
    ) -> None:
        self._writer = writer or Writer(database)
        self._stripe = stripe
        self._clock = clock

    async def perform(
        self, make: Callable[[int], StripeCall], look: Look, *, first: int = 1
    ) -> str:
        """Make a call until its outcome is known; return the id in its answer.

        `make(attempt)` composes it, counted from `first`. Raises `StripeProblem`.
        """
        for attempt in range(first, first + ATTEMPTS_MAX):
            found = await self.attempt(make(attempt), look)
            if found is not None:
                return found
        raise TooManyAttempts(make(first).step)

    async def attempt(self, call: StripeCall, look: Look) -> str | None:
        """Make one call; None when it is abandoned and must begin anew under another material."""
        job = await self._open(call)
        if job.state != "pending":
            return job.response_id
        return await self._send(job, call, look)

    async def _send(self, job: StripeJob, call: StripeCall, look: Look) -> str | None:
        again = job.attempts > 1
        if again and not may_resend(job.first_attempted_at, self._clock.now()):
            return await self._settle(job, look)
        try:
            params = json.loads(job.params)
            answer = await self._stripe.post(
                call.step, call.target, params, key=job.idempotency_key
            )
        except FailureReplayed:
            return await self._settle(job, look)
        except RequestRefused:
            await self._close(job, None)
            raise
        await self._close(job, answer)
        return answer

    async def _settle(self, job: StripeJob, look: Look) -> str | None:
        found = await look(job)
        logger.warning("stripe_outcome_settled", step=job.step, adopted=found is not None)
        await self._close(job, found)
        return found

    async def _open(self, call: StripeCall) -> StripeJob:
        job = StripeJob(
            vendor_id=call.account.vendor_id,
            mode=call.account.mode,
            tenant_id=call.tenant_id,
            material=call.material,
            step=call.step,
            target=call.target,
            params=canonical_json(call.params),
            idempotency_key=idempotency_key(
                call.account.mode, f"{call.account.vendor_id}/{call.material}"
            ),
            state="pending",
            attempts=1,
            first_attempted_at=self._clock.now(),
            response_id=None,
        )
        return await self._writer.open_job(job)

    async def _close(self, job: StripeJob, response_id: str | None) -> None:
        state = "abandoned" if response_id is None else "done"
        await self._writer.close_job(ClosedJob(job, state, response_id))

    async def adopt(self, call: StripeCall, response_id: str) -> None:
        """Record a call whose object is there already, as if it had been made."""
        await self._close(await self._open(call), response_id)

    async def resend(self, job: StripeJob, call: StripeCall, look: Look) -> None:
        """Bring a pending job to an end with what is stored of it."""
        await self._send(replace(job, attempts=job.attempts + 1), call, look)
