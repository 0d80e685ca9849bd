"""The load: events of several tenants over HTTP, with all that clients do to them."""

import asyncio
import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import uuid_utils

from shared.clock import Clock
from tests.chaos.ledger import Identity, Item, Ledger, Role

TENANTS = ("acme", "globex", "hooli")
AGENTS = ("coder", "researcher", "support")
MODELS = ("gpt-5", "claude-opus-4-5", "gemini-3-pro")
LATE_DAYS_MAX = 3
REQUEST_SECONDS_MAX = 4.0
IDLE_SECONDS = 0.02
SETTLE_SECONDS_MAX = 90.0
BACKLOG_MAX = 3_000
"""So many events wait at most, then no new ones happen: an outage is no flood afterwards."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """How much is sent; the shares are of the events."""

    events_per_second: float = 400.0
    clients: int = 6
    batch_max: int = 30
    repeated: float = 0.15
    corrected: float = 0.06
    conflicting: float = 0.01
    invalid: float = 0.01
    abandoned: float = 0.005
    """Of the requests with an unknown outcome: nobody sends them again."""


@dataclass
class Traffic:
    """Sends the load until told to stop, then until every outcome is known."""

    load: Load
    ledger: Ledger
    clock: Clock
    chance: random.Random
    url: str
    api_key: str
    _due: list[tuple[float, int, Item]] = field(default_factory=list)
    _numbers: Callable[[], int] = field(default_factory=lambda: itertools.count().__next__)
    _in_flight: int = 0
    _corrected: set[Identity] = field(default_factory=set)

    async def run(self, stopping: asyncio.Event) -> None:
        """Send until `stopping`, then what is owed; what cannot be sent then is a surprise."""
        async with asyncio.TaskGroup() as tasks:
            clients = [tasks.create_task(self._client()) for _ in range(self.load.clients)]
            await self._make_events(stopping)
            try:
                async with asyncio.timeout(SETTLE_SECONDS_MAX):
                    while self._due or self._in_flight:  # noqa: ASYNC110 - clients empty it
                        await asyncio.sleep(IDLE_SECONDS)
            except TimeoutError:
                owed = len(self._due)
                self.ledger.surprises.append(f"{owed} events found no answer after the faults")
            for client in clients:
                client.cancel()

    async def _make_events(self, stopping: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        last = loop.time()
        while not stopping.is_set():
            await asyncio.sleep(IDLE_SECONDS)
            many = int((loop.time() - last) * self.load.events_per_second)
            last += many / self.load.events_per_second
            for _ in range(min(many, BACKLOG_MAX - len(self._due))):
                self._make()

    def _make(self) -> None:
        body = self._event(self.chance.choice(TENANTS), self._new_id())
        event = Item(body)
        ahead = 0.0
        if self.chance.random() < self.load.corrected:
            ahead = self._correct(body)
        self.ledger.register(event)
        self._send_in(ahead, event)
        if self.chance.random() < self.load.repeated:
            self._send_in(self.chance.uniform(0, 4), Item(body, is_repeat=True))
        if self.chance.random() < self.load.invalid:
            bad = {**self._event(body["tenant"], self._new_id()), "tokens": {"input": 5}}
            self._send_in(0, Item(bad, "invalid", is_repeat=True))

    def _correct(self, body: dict[str, Any]) -> float:
        """Queue corrections or a revision of an event; return by how much they may be ahead."""
        self._corrected.add((body["tenant"], body["event_id"]))
        kind = self.chance.choice(("void", "replace", "replace and void", "revision"))
        revision = 0
        if kind == "revision":
            later = self._event(body["tenant"], body["event_id"]) | {"revision": 1}
            self._send_in(self.chance.uniform(0, 3), Item(later, "version"))
            return 0.0
        if kind.startswith("replace"):
            revision = 1
            replacement = self._event(body["tenant"], self._new_id())
            replacement |= {"corrects": body["event_id"], "action": "replace", "revision": 1}
            self._send_in(self.chance.uniform(0, 3), Item(replacement, "version"))
        if kind.endswith("void"):
            void = {
                "event_id": self._new_id(),
                "tenant": body["tenant"],
                "corrects": body["event_id"],
                "action": "void",
                "revision": revision + 1,
                "reason": "sent by mistake",
            }
            self._send_in(self.chance.uniform(0, 3), Item(void, "version"))
        return self.chance.choice((0.0, 1.5))

    def _new_id(self) -> str:
        if self.chance.random() < 0.7:
            return str(uuid_utils.uuid7())
        return f"request/{self._numbers()}-{self.chance.randrange(10**9)}"

    def _event(self, tenant: str, event_id: str) -> dict[str, Any]:
        late = self.chance.choice((0, 0, 0, self.chance.randint(1, LATE_DAYS_MAX)))
        occurred = self.clock.now().astimezone(UTC) - timedelta(
            days=late, seconds=self.chance.uniform(0, 60)
        )
        body: dict[str, Any] = {
            "event_id": event_id,
            "tenant": tenant,
            "agent": self.chance.choice(AGENTS),
            "model": self.chance.choice(MODELS),
            "provider": "somebody",
            "occurred_at": _written(occurred),
            # So large and various that no wrong set of events has the right sum by chance.
            "tokens": {
                "input_uncached": self.chance.randrange(1, 10**9),
                "output_text": self.chance.randrange(1, 10**9),
            },
        }
        if self.chance.random() < 0.1:
            body["units"] = {"audio_seconds": f"{self.chance.randrange(1, 10**6)}.125"}
        if self.chance.random() < 0.1:
            body |= {"response_id": f"resp-{event_id}", "instrument": "sdk"}
        return body

    def _send_in(self, seconds: float, item: Item) -> None:
        due = asyncio.get_running_loop().time() + seconds
        heapq.heappush(self._due, (due, self._numbers(), item))

    def _take(self) -> list[Item]:
        now = asyncio.get_running_loop().time()
        batch: list[Item] = []
        seen: set[tuple[Role, Identity]] = set()
        size = self.chance.randint(1, self.load.batch_max)
        while self._due and self._due[0][0] <= now and len(batch) < size:
            if (self._due[0][2].role, self._due[0][2].identity) in seen:
                break
            item = heapq.heappop(self._due)[2]
            seen.add((item.role, item.identity))
            batch.append(item)
        return batch

    async def _client(self) -> None:
        headers = {"Authorization": f"Bearer {self.api_key}"}
        async with httpx.AsyncClient(
            base_url=self.url, headers=headers, timeout=REQUEST_SECONDS_MAX, trust_env=False
        ) as client:
            while True:
                if batch := self._take():
                    self._in_flight += 1
                    try:
                        await self._send(client, batch)
                    finally:
                        self._in_flight -= 1
                else:
                    await asyncio.sleep(IDLE_SECONDS)

    async def _send(self, client: httpx.AsyncClient, batch: list[Item]) -> None:
        try:
            response = await client.post(
                "/v1/events", json={"events": [item.body for item in batch]}
            )
        except httpx.HTTPError:
            self._unknown(batch)
            return
        if response.status_code != httpx.codes.ACCEPTED:
            if response.status_code < httpx.codes.INTERNAL_SERVER_ERROR:
                self.ledger.surprises.append(f"{response.status_code} {response.text[:200]}")
            self._unknown(batch)
            return
        for item, result in zip(batch, response.json()["results"], strict=True):
            is_new = self.ledger.answered(item, result)
            if not is_new or item.identity in self._corrected:
                continue
            if self.chance.random() < self.load.conflicting:
                # Only now: the first content is in the log, so the other one is the conflict.
                other = item.body | {"tokens": {"input_uncached": 1}}
                self._send_in(self.chance.uniform(0, 2), Item(other, "conflict"))

    def _unknown(self, batch: list[Item]) -> None:
        abandoned = self.chance.random() < self.load.abandoned
        for item in batch:
            if not item.is_repeat and not (abandoned and item.role == "event"):
                self._send_in(self.chance.uniform(0.3, 1.2), item)


def _written(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
