"""The traces scaled to a year, and what is assumed beside them.

The traces hold requests with their tokens: no tenants, people, seats or outcomes. What is real here
are the token counts of each request and the prefix that a cache would have served; everything else
is scenario data, and says so.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from math import ceil
from zlib import crc32

from examples.demo.traces import Request, read_requests
from shared.context_bands import context_band

START, END = date(2025, 12, 1), date(2026, 12, 1)
HOURS_A_DAY = 8
SATURDAY = 5
PEOPLE = {"acme": 40, "globex": 200, "initech": 25}
"""Seats, each held by a person."""

REQUESTS_A_RESOLUTION = 8
ACTION_TOKENS, ACTION_CREDITS = 10_000, 20
RULE = (
    f"Each trace covers about an hour. It counts {HOURS_A_DAY} times a day on every Monday to "
    f"Friday from {START} to {END - timedelta(days=1)}."
)
SCENARIO = (
    "Tenants, models and agents: each trace is one tenant; models by row, as in `make demo`.",
    (
        "People: 40 developers, 200 representatives, 25 analysts; the k-th of a tenant makes "
        "requests in proportion to 1/k (Zipf), drawn by the CRC-32 of the row."
    ),
    "Seats: one for each person. Today's plan: seats at 60 dollars.",
    (
        f"Outcomes: one resolved conversation for every {REQUESTS_A_RESOLUTION} requests; one "
        "answer for each request."
    ),
    "Gemini 3.1 Pro at 2, 0.20 and 12 dollars per 1,000,000 (input, cached, output), by hand.",
    "Vendors' plans: each model stands for the nearest one that the vendor's book prices.",
)

Key = tuple[str, str, str, str, str]
"""(provider, agent, model, kind, context band)."""

Person = tuple[str, str, str]
"""(user, model, kind)."""


@dataclass
class TraceHour:
    """What one tenant's trace adds up to; `by_user` says the same by person."""

    usage: dict[Key, int] = field(default_factory=lambda: defaultdict(int))
    by_user: dict[Person, int] = field(default_factory=lambda: defaultdict(int))
    requests: int = 0
    action_credits: int = 0

    def add(self, request: Request, user: str) -> None:
        """Count a request: its tokens, and the credits of its action, rounded up by itself."""
        tokens = request.tokens
        total = sum(count for kind, count in tokens.items() if kind.startswith("input_"))
        band = context_band(total)
        for kind, count in tokens.items():
            place = (request.provider, request.agent, request.model, kind, band)
            self.usage[place] += count
            self.by_user[user, request.model, kind] += count
        self.requests += 1
        metered = tokens.get("input_uncached", 0) + tokens.get("output_text", 0)
        self.action_credits += ceil(metered / ACTION_TOKENS) * ACTION_CREDITS


def read_hours() -> dict[str, TraceHour]:
    """Return what each tenant's trace adds up to."""
    hours = {tenant: TraceHour() for tenant in PEOPLE}
    people = {tenant: _zipf(count) for tenant, count in PEOPLE.items()}
    for row, request in enumerate(read_requests()):
        user = people[request.tenant](row)
        hours[request.tenant].add(request, user)
    return hours


def _zipf(count: int) -> Callable[[int], str]:
    """Return who makes the request of a row: the k-th of `count` people 1/k as often as the first.

    By integers and a checksum: the same on every machine.
    """
    common = 10**6
    bounds, reached = [], 0
    for rank in range(1, count + 1):
        reached += common // rank
        bounds.append(reached)

    def person_of(row: int) -> str:
        drawn = crc32(str(row).encode()) % reached
        return f"person-{next(n for n, bound in enumerate(bounds, start=1) if drawn < bound):03d}"

    return person_of


def working_days() -> Iterator[date]:
    """Return the days of the year that count."""
    day = START
    while day < END:
        if day.weekday() < SATURDAY:
            yield day
        day += timedelta(days=1)
