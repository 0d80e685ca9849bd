"""Waiting until what was recorded has its final answer."""

import contextlib
import threading

from tallyroll.delivery import Delivery


class Flushes:
    """The part of `Meter` that waits."""

    _delivery: Delivery

    def flush(self, timeout: float = 30.0) -> bool:
        """Send now; True when every event recorded before the call has its final answer.

        False when the time ran out, or the meter ended, with some unanswered. Lost events are no
        longer waited for: see `stats().lost`.
        """
        buffer = self._delivery.buffer
        mark = buffer.mark()
        done = threading.Event()
        buffer.call_when_settled(mark, done.set)
        done.wait(timeout)
        buffer.forget(done.set)
        return buffer.settled(mark)

    async def aflush(self, timeout: float = 30.0) -> bool:  # noqa: ASYNC109  same as flush()
        """Do what `flush()` does without blocking the event loop."""
        import asyncio  # noqa: PLC0415  whoever awaits has it already; others need not pay for it

        buffer = self._delivery.buffer
        mark = buffer.mark()
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(done.set)

        buffer.call_when_settled(mark, wake)
        try:
            async with asyncio.timeout(timeout):
                await done.wait()
        except TimeoutError:
            pass
        finally:
            buffer.forget(wake)
        return buffer.settled(mark)
