"""The background thread that delivers batches until each event has its final answer."""

import math
import os
from collections.abc import Callable, Mapping
from datetime import datetime

from tallyroll.answer import Refused, Settled, Unknown, interpret
from tallyroll.background import Background
from tallyroll.buffer import Batch, Buffer
from tallyroll.diagnostics import KindLog
from tallyroll.stats import Rejection
from tallyroll.transport import DeliveryError, ReportsLoss, Transport

BACKOFF_SECONDS_FIRST = 0.2
BACKOFF_SECONDS_MAX = 30.0
RETRY_AFTER_JITTER = 0.1

Pause = Callable[[float], object]


def backoff(failures: int, retry_after: float | None) -> float:
    """Return the seconds to wait after the n-th failure in a row, n >= 1.

    Full jitter, anything from 0 to the longest, so that a thousand clients do not come back at
    once; but never shorter than the server asked for.
    """
    longest = min(BACKOFF_SECONDS_MAX, math.ldexp(BACKOFF_SECONDS_FIRST, min(failures - 1, 16)))
    chance = random_share()
    own = longest * chance
    asked = 0.0 if retry_after is None else retry_after * (1 + RETRY_AFTER_JITTER * chance)
    return max(own, asked)


def random_share() -> float:
    """Return a number from 0 to 1 that forked processes do not share, as they would `random`'s."""
    return int.from_bytes(os.urandom(4), "big") / 2**32


class Sender:
    """One daemon thread, one batch in flight. It never mints, changes or drops an event.

    `pause(seconds)` waits between attempts; `stop()` ends the default one at once. `on_rejected`
    gets the reason and the event's JSON, before the buffer lets go of the event.
    """

    def __init__(
        self,
        transport: Transport,
        buffer: Buffer,
        *,
        on_rejected: Callable[[Rejection, bytes], None],
        now: Callable[[], datetime],
        pause: Pause | None,
        log: KindLog,
    ) -> None:
        self._transport, self._buffer = transport, buffer
        self._reported = 0
        self._on_rejected, self._now, self._log = on_rejected, now, log
        self._background = Background("tallyroll-sender", self._run, log=log)
        self._stopped = self._background.stopped
        self._pause = pause or self._stopped.wait
        self.start, self.stop = self._background.start, self._background.stop

    def _run(self) -> None:
        while not self._stopped.is_set() and (batch := self._buffer.take()) is not None:
            self._deliver(batch)

    def _deliver(self, batch: Batch) -> None:
        """Settle every event of the batch, in order, halving it around a guilty one."""
        parts = [batch]
        sent_before = False
        while parts:
            part = parts.pop()
            answer = self._final_answer(part, sent_before=sent_before)
            sent_before = True
            if answer is None:
                return
            if isinstance(answer, Refused) and len(part) > 1:
                parts += reversed(part.halves())
            else:
                self._settle(part, answer)

    def _final_answer(self, part: Batch, *, sent_before: bool) -> Settled | Refused | None:
        """Send the same bytes until the server has judged them; None if stopped before."""
        failures = 0
        while not self._stopped.is_set():
            again = len(part) if sent_before or failures else 0
            self._buffer.attempted(len(part), again=again)
            answer = self._attempt(part)
            if not isinstance(answer, Unknown):
                return answer
            failures += 1
            self._buffer.hold(len(part), answer.failure)
            self._log.warn(answer.failure, "events are held and will be sent again")
            self._pause(backoff(failures, answer.retry_after))
        return None

    def _attempt(self, part: Batch) -> Settled | Refused | Unknown:
        try:
            lost = self._report_loss()
            response = self._transport.send(part.body)
            answer = interpret(response, part, now=self._now)
        except Exception as error:  # noqa: BLE001  whatever it was, the outcome is unknown
            return Unknown(error.code if isinstance(error, DeliveryError) else type(error).__name__)
        if isinstance(answer, Settled):
            self._reported = lost
        return answer

    def _report_loss(self) -> int:
        """Have the next request say how many events are lost so far, if the server cannot know."""
        lost = self._buffer.stats().lost
        if isinstance(self._transport, ReportsLoss):
            self._transport.report_loss(lost if lost != self._reported else 0)
        return lost

    def _settle(self, part: Batch, answer: Settled | Refused) -> None:
        if isinstance(answer, Refused):
            reason = Rejection(
                event_id=part.event_id(0),
                code=answer.code,
                field=answer.field,
                message=answer.message,
            )
            rejections: Mapping[int, Rejection] = {0: reason}
        else:
            rejections = answer.rejections
        for index, rejection in rejections.items():
            self._on_rejected(rejection, part.frames[index])
        accepted = len(part) - len(rejections)
        self._buffer.settle(accepted=accepted, rejected=len(rejections))
