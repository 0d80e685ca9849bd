"""Measure what a question about budgets costs: `python bench/budgets.py [HINTS]`.

So many hints (1,000) over four kinds of scopes; each question comes from inside a scope of its own
fields and is timed alone.
"""

import platform
import statistics
import sys
from datetime import UTC, datetime, timedelta
from time import perf_counter_ns

from tallyroll import Hint, Meter
from tallyroll.budgets import Confirmed, Fetched
from tallyroll.testing import CapturingTransport

QUESTIONS = 100_000


class _Source:
    def __init__(self, hints: int) -> None:
        self.hints = hints

    def fetch(self, _since_etag: str | None) -> Fetched | Confirmed:
        now = datetime.now(UTC)
        scopes: list[dict[str, str]] = [
            {"tenant": "acme", "agent": f"agent-{i}"} if i % 2 else {"user": f"user-{i}"}
            for i in range(self.hints)
        ]
        scopes += [{"tenant": "acme"}, {"team": "search", "tenant": "acme"}]
        hints = [
            Hint(
                id=f"budget-{i}",
                scope=scope,  # type: ignore[arg-type]
                state="open",
                as_of=now,
                expires_at=now + timedelta(days=1),
            )
            for i, scope in enumerate(scopes)
        ]
        return Fetched(hints=hints, at=now)


def main() -> None:
    hints = int(sys.argv[1]) if sys.argv[1:] else 1_000
    with (
        Meter(transport=CapturingTransport(), enforce="block", budgets=_Source(hints)) as meter,
        meter.context(tenant="acme", team="search", agent="agent-1", user="user-2", run="run-1"),
    ):
        while meter.decide(model="gpt-5").hint is None:
            pass
        print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}")
        for name, ask in (
            ("decide", lambda: meter.decide(model="gpt-5")),
            ("decide, agent given", lambda: meter.decide(model="gpt-5", agent="agent-3")),
            ("admit", lambda: meter.admit("gpt-5")),
        ):
            times = []
            for _ in range(QUESTIONS):
                begun = perf_counter_ns()
                ask()
                times.append(perf_counter_ns() - begun)
            cuts = statistics.quantiles(times, n=100)
            print(f"{name}: p50 {cuts[49] / 1e3:.2f} us, p99 {cuts[98] / 1e3:.2f} us")


if __name__ == "__main__":
    main()
