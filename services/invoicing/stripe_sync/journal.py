"""Calls to Stripe that survive a crash at any moment.

1. The job row with the exact parameters and the idempotency key is committed. Dying here: the next
   run finds it and makes the call for the first time.
2. The call. Dying here: the next run sends the same bytes under the same key, and Stripe repeats
   its first answer.
3. The answer's id is committed, together with what the next step writes. Dying before: as 2.

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
from services.invoicing.models import Invoice, StripeJob
from services.invoicing.repository.stripe_jobs import ClosedJob
from services.invoicing.stripe_sync.requests import StripeCall, canonical_json
from services.invoicing.stripe_sync.writing import (
    Approved,
    Changed,
    Entry,
    Updated,
    Write,
    Writer,
    Written,
)
from services.invoicing.stripe_types import FailureReplayed, Posted, RequestRefused, Stripe
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

    Invoices under way at the same time share a `writer`. With one, how a call ended and what
    `later` got are committed with whatever is written next; the owner calls `flush` at its end.
    """

    def __init__(
        self, database: Database, stripe: Stripe, clock: Clock, *, writer: Writer | None = None
    ) -> None:
        self._defers = writer is not None
        self._writer = writer or Writer(database, clock)
        self._stripe = stripe
        self._clock = clock
        self._pending = Entry()

    async def perform(
        self, make: Callable[[int], StripeCall], look: Look, *, first: int = 1
    ) -> str:
        """Make a call until its outcome is known; return the id in its answer.

        `make(attempt)` composes it, counted from `first`. Raises `StripeProblem`.
        """
        return (await self.post(make, look, first=first)).id

    async def post(
        self, make: Callable[[int], StripeCall], look: Look, *, first: int = 1
    ) -> Posted:
        """Do what `perform` does; return the answer too, if this very call was the first."""
        for attempt in range(first, first + ATTEMPTS_MAX):
            found = await self._attempt(make(attempt), look)
            if found is not None:
                return found
        raise TooManyAttempts(make(first).step)

    async def _attempt(self, call: StripeCall, look: Look) -> Posted | None:
        """Make one call; None when it is abandoned and must begin anew under another material."""
        job = await self._open(call)
        if job.state != "pending":
            return None if job.response_id is None else Posted(job.response_id)
        return await self._send(job, call, look)

    async def _send(self, job: StripeJob, call: StripeCall, look: Look) -> Posted | None:
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
        await self._close(job, answer.id)
        return Posted(answer.id) if again else answer

    async def _settle(self, job: StripeJob, look: Look) -> Posted | None:
        found = await look(job)
        logger.warning("stripe_outcome_settled", step=job.step, adopted=found is not None)
        await self._close(job, found)
        return None if found is None else Posted(found)

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
        opened = (await self._commit(replace(self._pending, opened=job))).job
        assert opened is not None, "what is opened is returned"
        return opened

    async def _close(self, job: StripeJob, response_id: str | None) -> None:
        state = "abandoned" if response_id is None else "done"
        await self.flush()
        self._pending = Entry(closed=ClosedJob(job, state, response_id))
        if not self._defers:
            await self.flush()

    async def adopt(self, call: StripeCall, response_id: str) -> None:
        """Record a call whose object is there already, as if it had been made."""
        await self._close(await self._open(call), response_id)

    async def resend(self, job: StripeJob, call: StripeCall, look: Look) -> None:
        """Bring a pending job to an end with what is stored of it."""
        await self._send(replace(job, attempts=job.attempts + 1), call, look)

    async def change(self, write: Updated | Changed | Approved) -> Invoice:
        """Commit a change of an invoice; return it as it is then."""
        if self._pending.write is not None:
            await self.flush()
        changed = (await self._commit(replace(self._pending, write=write))).invoice
        assert changed is not None, "what is changed is returned"
        return changed

    async def later(self, write: Write) -> None:
        """Commit a change with what is written next, at the latest before the next call."""
        if self._pending.write is not None:
            await self.flush()
        self._pending = replace(self._pending, write=write)

    async def flush(self) -> None:
        """Commit what waits to be."""
        if self._pending != Entry():
            await self._commit(self._pending)

    async def _commit(self, entry: Entry) -> Written:
        written = await self._writer.write(entry)
        self._pending = Entry()
        return written
