"""The plan of faults: made from a seed before the run, so that a seed says what happens when."""

import asyncio
import random
import signal
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from deploy.local.kafka import KAFKA
from deploy.local.postgres import POSTGRES
from tests.chaos.stack import API, Services

SESSION_SECONDS = 6.0
"""After so long a silence a consumer group gives a member's partitions to another."""
PAUSE_SECONDS = (SESSION_SECONDS + 1, SESSION_SECONDS + 5)


@dataclass(frozen=True)
class Fault:
    """What is done `at` so many seconds to `target`, for `seconds` where it lasts."""

    at: float
    kind: str
    target: str
    seconds: float = 0.0


Deed = Callable[["Faults", Fault], Coroutine[Any, Any, None]]


def plan(seed: int, duration: float, workers: tuple[str, ...]) -> list[Fault]:
    """Return the faults of a run, in time: every kind in turn, shuffled.

    It begins with a worker that is paused past the session timeout, so that it comes back to find
    its work done by another, and with the death of one that counts.
    """
    chance = random.Random(seed)  # noqa: S311 - it has to be the same again
    paused = chance.choice(workers)
    killed = chance.choice([name for name in workers if name != paused] or [paused])
    faults = [
        Fault(0.5, "pause", paused, round(chance.uniform(*PAUSE_SECONDS), 2)),
        Fault(2.0, "kill", killed),
    ]
    now, deck = 3.0, list[str]()
    while now < duration - 0.5:
        if not deck:
            deck = [kind for kind, weight in _WEIGHTS.items() for _ in range(weight)]
            chance.shuffle(deck)
        kind = deck.pop()
        if kind == "pause" and now + PAUSE_SECONDS[0] > duration:
            kind = "kill"
        faults.append(_draw(kind, now, chance, workers))
        now += chance.uniform(0.8, 2.4)
    return faults


def _draw(kind: str, at: float, chance: random.Random, workers: tuple[str, ...]) -> Fault:
    proxies = ("postgres", "kafka", "api")
    if kind in ("kill", "pause"):
        target = chance.choice(workers)
    elif kind in ("cut", "delay", "lose answers"):
        target = chance.choice(proxies)
    else:
        target = {"kill api": API, "restart postgres": POSTGRES, "kill broker": KAFKA}[kind]
    seconds = {
        "pause": chance.uniform(*PAUSE_SECONDS),
        "delay": chance.uniform(0.5, 2.0),
        "lose answers": chance.uniform(0.2, 1.0),
    }.get(kind, 0.0)
    return Fault(round(at, 2), kind, target, round(seconds, 2))


_WEIGHTS = {
    "kill": 4,
    "pause": 2,
    "kill api": 1,
    "restart postgres": 1,
    "kill broker": 1,
    "cut": 3,
    "delay": 2,
    "lose answers": 2,
}


@dataclass
class Faults:
    """Does what the plan says."""

    services: Services
    on_fault: Callable[[Fault], None]
    done: int = 0
    _paused: dict[str, int] = field(default_factory=dict)

    async def run(self, faults: list[Fault]) -> None:
        """Do every fault at its time, side by side; afterwards nothing is held back any more."""
        started = asyncio.get_running_loop().time()
        try:
            async with asyncio.TaskGroup() as tasks:
                for fault in faults:
                    await asyncio.sleep(started + fault.at - asyncio.get_running_loop().time())
                    self.on_fault(fault)
                    self.done += 1
                    tasks.create_task(_DEEDS[fault.kind](self, fault))
        finally:
            self.heal()

    def heal(self) -> None:
        """Let everything go on."""
        for proxy in self.services.servers.proxies.values():
            proxy.calm()
        for name in list(self._paused):
            self._resume(name)

    async def _kill(self, fault: Fault) -> None:
        self.services.signal(fault.target, signal.SIGKILL)

    async def _quit(self, fault: Fault) -> None:
        # What `pg_ctl -m immediate` sends: no checkpoint, recovery from the log.
        self.services.signal(fault.target, signal.SIGQUIT)

    async def _pause(self, fault: Fault) -> None:
        if fault.target in self._paused:
            return
        pid = self.services.signal(fault.target, signal.SIGSTOP)
        if pid is None:
            return
        self._paused[fault.target] = pid
        await asyncio.sleep(fault.seconds)
        self._resume(fault.target)

    def _resume(self, name: str) -> None:
        pid = self._paused.pop(name, None)
        # It may have been killed meanwhile.
        if pid is not None and self.services.pid(name) == pid:
            self.services.signal(name, signal.SIGCONT)

    async def _cut(self, fault: Fault) -> None:
        self.services.servers.proxies[fault.target].cut()

    async def _delay(self, fault: Fault) -> None:
        proxy = self.services.servers.proxies[fault.target]
        proxy.delay_seconds = 0.2
        await asyncio.sleep(fault.seconds)
        proxy.delay_seconds = 0.0

    async def _lose_answers(self, fault: Fault) -> None:
        proxy = self.services.servers.proxies[fault.target]
        proxy.loses_answers = True
        await asyncio.sleep(fault.seconds)
        proxy.loses_answers = False
        # The rest of an answer makes no sense without its beginning.
        proxy.cut()


_DEEDS: dict[str, Deed] = {
    "kill": Faults._kill,
    "kill api": Faults._kill,
    "kill broker": Faults._kill,
    "pause": Faults._pause,
    "restart postgres": Faults._quit,
    "cut": Faults._cut,
    "delay": Faults._delay,
    "lose answers": Faults._lose_answers,
}
