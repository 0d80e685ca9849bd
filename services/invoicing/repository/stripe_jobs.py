"""Jobs of calls to Stripe: many are opened or closed by one statement."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.models import StripeJob
from services.invoicing.tables import stripe_job
from shared.accounts.repository import Account

_NAMES = [field.name for field in fields(StripeJob)]
_COLUMNS = [stripe_job.c[name] for name in _NAMES]
_KEY = ("vendor_id", "mode", "tenant_id", "material")
_TYPES = {"attempts": "int[]", "first_attempted_at": "timestamptz[]"}
_ARRAYS = ", ".join(f"cast(:{name} as {_TYPES.get(name, 'text[]')})" for name in _NAMES)
_SAME = " and ".join(f"job.{name} = given.{name}" for name in _KEY)
_OPEN = text(f"""
insert into invoicing.stripe_job as job ({", ".join(_NAMES)})
select * from unnest({_ARRAYS})
on conflict ({", ".join(_KEY)}) do update set attempts = job.attempts + 1
where job.state = 'pending'
returning {", ".join(_NAMES)}
""")  # noqa: S608 - names of columns
_FIND = text(f"""
select {", ".join(f"job.{name}" for name in _NAMES)} from invoicing.stripe_job job
join unnest({", ".join(f"cast(:{name} as text[])" for name in _KEY)}) as given({", ".join(_KEY)})
on {_SAME}
""")  # noqa: S608
_CLOSE = text(f"""
update invoicing.stripe_job job set state = given.state, response_id = given.response_id
from unnest({", ".join(f"cast(:{name} as text[])" for name in (*_KEY, "state", "response_id"))})
  as given({", ".join((*_KEY, "state", "response_id"))})
where {_SAME}
""")  # noqa: S608


@dataclass(frozen=True)
class ClosedJob:
    """How a job ended: `done` with the id in Stripe's answer, or `abandoned`."""

    job: StripeJob
    state: str
    response_id: str | None


async def open_jobs(connection: AsyncConnection, jobs: Sequence[StripeJob]) -> list[StripeJob]:
    """Write jobs, or count one more attempt of pending ones that are there; return them as stored.

    What is stored wins: its parameters go out again as they are. No two jobs have the same key.
    """
    found = await _rows(connection, _OPEN, _arrays(jobs, _NAMES))
    ended = [job for job in jobs if _key(job) not in found]
    if ended:
        found |= await _rows(connection, _FIND, _arrays(ended, _KEY))
    return [found[_key(job)] for job in jobs]


async def close_jobs(connection: AsyncConnection, closed: Sequence[ClosedJob]) -> None:
    arrays = _arrays([one.job for one in closed], _KEY)
    arrays["state"] = [one.state for one in closed]
    arrays["response_id"] = [one.response_id for one in closed]
    await connection.execute(_CLOSE, arrays)


async def list_jobs(
    connection: AsyncConnection, account: Account, *, step: str, target: str
) -> Sequence[StripeJob]:
    """Return the jobs of one step on one Stripe object, oldest first."""
    query = (
        select(*_COLUMNS)
        .where(
            stripe_job.c.vendor_id == account.vendor_id,
            stripe_job.c.mode == account.mode,
            stripe_job.c.step == step,
            stripe_job.c.target == target,
        )
        .order_by(stripe_job.c.first_attempted_at, stripe_job.c.material)
    )
    return [StripeJob(**row) for row in (await connection.execute(query)).mappings()]


async def list_customer_jobs(
    connection: AsyncConnection, account: Account, tenant_id: str
) -> Sequence[StripeJob]:
    """Return what was ever sent of a tenant's customer, oldest first."""
    query = (
        select(*_COLUMNS)
        .where(
            stripe_job.c.vendor_id == account.vendor_id,
            stripe_job.c.mode == account.mode,
            stripe_job.c.tenant_id == tenant_id,
            stripe_job.c.step.in_(("create_customer", "link_customer", "update_customer")),
        )
        .order_by(stripe_job.c.first_attempted_at, stripe_job.c.material)
    )
    return [StripeJob(**row) for row in (await connection.execute(query)).mappings()]


def _key(job: StripeJob) -> tuple[str, ...]:
    return (job.vendor_id, job.mode, job.tenant_id, job.material)


def _arrays(jobs: Sequence[StripeJob], names: Sequence[str]) -> dict[str, Any]:
    return {name: [getattr(job, name) for job in jobs] for name in names}


async def _rows(
    connection: AsyncConnection, statement: Any, arrays: dict[str, Any]
) -> dict[tuple[str, ...], StripeJob]:
    rows = (await connection.execute(statement, arrays)).mappings()
    jobs = [StripeJob(**row) for row in rows]
    return {_key(job): job for job in jobs}
