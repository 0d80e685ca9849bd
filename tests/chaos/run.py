"""One run: services, load, faults, drain, verdict."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import uuid4

from shared.accounts.repository import Account
from shared.clock import SystemClock
from shared.database import Database
from tests.chaos.faults import Fault, Faults, plan
from tests.chaos.judge import Drained, Judge, Verdict, await_counting, broken_rules, drain
from tests.chaos.ledger import Ledger
from tests.chaos.load import TENANTS, Load, Traffic
from tests.chaos.stack import Programs, Servers, Services, running_services

Plan = Callable[[tuple[str, ...]], list[Fault]]
Report = Callable[[str, Ledger], None]


@dataclass(frozen=True, kw_only=True)
class Run:
    """What is run; `faults` None is the plan of the seed. `identities`: see Judge."""

    seed: int = 1
    seconds: float = 60.0
    workers: int = 2
    programs: Programs = field(default_factory=Programs)
    load: Load = field(default_factory=Load)
    faults: Plan | None = None
    identities: bool = True
    publisher: bool = True


@dataclass(frozen=True)
class Outcome:
    """What a run showed. `passed` only if it was drained and nothing differs."""

    faults: int
    drained: Drained
    verdict: Verdict

    @property
    def passed(self) -> bool:
        verdict = self.verdict
        wrong = verdict.lost or verdict.doubled or verdict.differences
        return self.drained.complete and not wrong

    def lines(self) -> list[str]:
        """Return the two lines of the result, and what differs."""
        v, d = self.verdict, self.drained
        safety = (
            f"faults={self.faults} acknowledged={v.acknowledged} counted={v.counted} "
            f"lost={v.lost} doubled={v.doubled}"
        )
        liveness = (
            f"drained={'yes' if d.complete else 'no'} seconds={d.seconds:.1f} "
            f"records_behind={d.behind} unknown={v.unknown} rejected={v.rejected}"
        )
        return [safety, liveness, *v.differences]


def say_nothing(_step: str, _ledger: Ledger) -> None:
    """Report to nobody."""


async def perform(servers: Servers, run: Run, report: Report = say_nothing) -> Outcome:
    """Start the services of a run on running servers, and do it."""
    async with running_services(
        servers, run.programs, workers=run.workers, publisher=run.publisher
    ) as services:
        return await perform_on(services, run, report)


async def perform_on(services: Services, run: Run, report: Report = say_nothing) -> Outcome:
    """Do one run on running services, under a vendor of its own."""
    servers = services.servers
    account, clock = Account(f"chaos-{uuid4().hex[:8]}", "live"), SystemClock()
    api_key = await servers.create_account(account, TENANTS, clock)
    url = f"http://127.0.0.1:{servers.proxies['api'].port}"
    ledger = Ledger()
    chance = random.Random(run.seed)  # noqa: S311 - it has to be the same again
    traffic = Traffic(run.load, ledger, clock, chance, url=url, api_key=api_key)
    database = Database(servers.role_url("metering"), connections=2)
    try:
        faults = await _torment(services, run, traffic, report=report, database=database)
        report("draining", ledger)
        drained = await drain(database, servers.stack.kafka_bootstrap)
        judge = Judge(database, account, url, api_key, clock, run.identities)
        verdict = await judge.judge(ledger)
        if run.identities:
            verdict.differences.extend(
                await broken_rules(database, servers.stack.kafka_bootstrap, account)
            )
        return Outcome(faults.done, drained, verdict)
    finally:
        await database.close()


async def _torment(
    services: Services, run: Run, traffic: Traffic, *, report: Report, database: Database
) -> Faults:
    """Send the load and do the faults for the seconds of the run, then settle."""
    faults = Faults(services, lambda fault: report(f"{fault.kind}: {fault.target}", traffic.ledger))
    planned = run.faults or (lambda workers: plan(run.seed, run.seconds, workers))
    stopping = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(traffic.run(stopping))
        report("the first events", traffic.ledger)
        await await_counting(database)
        doing = tasks.create_task(faults.run(planned(services.workers)))
        await asyncio.sleep(run.seconds)
        stopping.set()
        # A pause that has begun ends by itself: the worker comes back to a changed world.
        await doing
        report("settling", traffic.ledger)
    return faults
