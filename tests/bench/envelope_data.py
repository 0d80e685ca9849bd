"""Envelopes of many tenants, usage that goes on, and what both have to come to."""

import json
from fractions import Fraction
from typing import Any

import asyncpg

from services.pricing.schemas.envelope import EnvelopeWrite
from shared.money import parse_exact
from tests.bench.pricing_rig import PricingRig
from tests.bench.results import check
from tests.bench.rig import VENDOR

SCOPES: tuple[dict[str, str], ...] = ({}, {"agent": "agent-0"}, {"team": "team-1"})
"""Of the envelopes that each tenant has."""
ENVELOPES_OF_A_TENANT = len(SCOPES)
TERMS: dict[str, Any] = {
    "amount": "1000000000",
    "unpriced_per_million": "1",
    "loop": {"requests_max": 1_000_000, "spend_max": "1000000"},
}
"""Usage of the bench has no list price: each envelope counts a dollar for a million of it."""
_ENVELOPES_SQL = """
insert into pricing.envelope
  (vendor_id, mode, name, tenant, team, agent, "user", run, content)
select $1, 'live', 'e-' || t || '-' || $3::int, 'tenant-' || t, $4, $5, '', '',
       jsonb_set($6::jsonb, '{scope,tenant}', to_jsonb('tenant-' || t))
from generate_series(0, $2::int - 1) t
"""
_USERS_SQL = """
insert into pricing.usage_daily_by_user
  (vendor_id, mode, tenant_id, team, "user", agent, model, purpose, kind, usage_day, booked_day,
   entry, quantity, events, version)
select vendor_id, mode, tenant_id, 'team-' || u % 2, 'user-' || u, agent, model, purpose, kind,
       usage_day, booked_day, entry, trunc(sum(quantity) / 4), 250, 1
from pricing.usage_daily, generate_series(0, 3) u where vendor_id = $1
group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
"""
_TODAY_SQL = """
insert into pricing.usage_daily
  (vendor_id, mode, tenant_id, provider, agent, model, kind, context_band, service_tier, batch,
   speed, region, purpose, status, usage_day, booked_day, entry, quantity, events, version)
select $1, 'live', 'tenant-' || t, 'bench', 'agent-0', 'model-a', 'output_text', '32k', '', false,
       '', '', 'production', 'completed', (now() at time zone 'utc')::date,
       (now() at time zone 'utc')::date, 'today', 1000, 1, 1
from generate_series($2::int, $3::int) t
on conflict (vendor_id, mode, tenant_id, provider, agent, model, kind, context_band, service_tier,
  batch, speed, region, purpose, status, usage_day, booked_day, entry)
do update set quantity = usage_daily.quantity + 1000, version = usage_daily.version + 1
"""
_WATERMARK_SQL = """
insert into pricing.usage_watermark (vendor_id, mode, tenant_id, watermark, changes)
select $1, 'live', 'tenant-' || t, now(), 1 from generate_series($2::int, $3::int) t
on conflict (vendor_id, mode, tenant_id)
do update set watermark = excluded.watermark, changes = usage_watermark.changes + 1
"""
_USED_SQL = """
select tenant_id, sum(quantity) from pricing.usage_daily
where vendor_id = $1 and usage_day >= date_trunc('month', now() at time zone 'utc')::date
  and usage_day <= (now() at time zone 'utc')::date
group by 1
"""
_METERED_SQL = """
select e.tenant, s.metered_exact from pricing.envelope_spend s
join pricing.envelope e using (vendor_id, mode, name)
where s.vendor_id = $1 and s.ledger = 'run' and e.team = '' and e.agent = ''
  and s.period_start = date_trunc('month', now() at time zone 'utc')::date
"""
_HELD_SQL = """
select tenant, state, estimate_exact, committed_exact from pricing.reservation where vendor_id = $1
"""


async def fill(rig: PricingRig) -> None:
    """Write envelopes of every tenant, whose usage it was, and that all of it came just now."""
    connection: Any = await asyncpg.connect(rig.url)
    try:
        for number, scope in enumerate(SCOPES):
            written = EnvelopeWrite.model_validate(TERMS | {"scope": {"tenant": "t"} | scope})
            content = json.dumps(written.model_dump(mode="json"))
            team, agent = scope.get("team", ""), scope.get("agent", "")
            await connection.execute(
                _ENVELOPES_SQL, VENDOR, rig.tenants, number, team, agent, content
            )
        await connection.execute(_USERS_SQL, VENDOR)
        await connection.execute(_WATERMARK_SQL, VENDOR, 0, rig.tenants - 1)
        await connection.execute("vacuum analyze")
    finally:
        await connection.close()


async def analyze(rig: PricingRig) -> None:
    """Do at once what Postgres does by itself within a minute after so many writes."""
    connection: Any = await asyncpg.connect(rig.url)
    try:
        await connection.execute("vacuum analyze")
    finally:
        await connection.close()


async def use_more(connection: Any, first: int, last: int) -> None:
    """Let some tenants, both numbers inclusive, have used 1,000 more tokens today."""
    async with connection.transaction():
        await connection.execute(_TODAY_SQL, VENDOR, first, last)
        await connection.execute(_WATERMARK_SQL, VENDOR, first, last)


async def check_totals(rig: PricingRig) -> None:
    """Compare what the last look noted of each tenant with its usage, a dollar a million."""
    connection: Any = await asyncpg.connect(rig.url)
    try:
        used = await connection.fetch(_USED_SQL, VENDOR)
        noted = await connection.fetch(_METERED_SQL, VENDOR)
    finally:
        await connection.close()
    expected = {tenant: Fraction(quantity) / 1_000_000 for tenant, quantity in used}
    check(expected, {tenant: parse_exact(text) for tenant, text in noted}, "metered dollars")


async def held_of_tenants(rig: PricingRig, *, counting: bool = False) -> dict[int, Fraction]:
    """Return the dollars held or committed by number of tenant; `counting`: and not metered."""
    states = ("open", "committed") if counting else ("open", "committed", "metered")
    connection: Any = await asyncpg.connect(rig.url)
    try:
        rows = await connection.fetch(_HELD_SQL, VENDOR)
    finally:
        await connection.close()
    found: dict[int, Fraction] = {}
    for tenant, state, estimate, committed in rows:
        if state in states:
            number = int(tenant.removeprefix("tenant-"))
            amount = parse_exact(estimate if state == "open" else committed)
            found[number] = found.get(number, Fraction(0)) + amount
    return found
