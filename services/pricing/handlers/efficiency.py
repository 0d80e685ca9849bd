"""Efficiency of past usage: read once, looked at from four sides, with what is assumed."""

import asyncio
from collections.abc import Sequence
from fractions import Fraction

from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.cost.provider_cost import ProviderPrices
from services.pricing.domain.efficiency.caching import cache_report
from services.pricing.domain.efficiency.custom_models import custom_model_case
from services.pricing.domain.efficiency.routing import routing_saving, unknown_baselines
from services.pricing.domain.efficiency.waste import retried_report, waste_report
from services.pricing.domain.usage import Usage
from services.pricing.handlers.provider_prices import load_prices
from services.pricing.repository import past_usage
from services.pricing.repository.runs.usage import read_retried
from services.pricing.schemas.efficiency import EfficiencyWrite
from services.pricing.schemas.efficiency_report import (
    CacheRead,
    CustomModelRead,
    EfficiencyRead,
    RoutingRead,
    WasteRead,
)
from shared.accounts.repository import Account

MONTH_DAYS = Fraction(365, 12)
WASTE = (
    "Waste is what is known at least: what broke off before its usage was told has no tokens, and"
    " thinking counts where the provider tells it apart from text."
)


async def efficiency(
    connection: AsyncConnection, account: Account, asked: EfficiencyWrite
) -> EfficiencyRead:
    """Return what the usage of a period saved, wasted and could cost; nothing is stored."""
    prices = await load_prices(connection, account)
    rows = await past_usage.read_of_account(
        connection, account, start=asked.start, end=asked.end, tenant_id=asked.tenant
    )
    retried = await read_retried(
        connection, account, start=asked.start, end=asked.end, tenant_id=asked.tenant
    )
    return await asyncio.to_thread(report_of, rows, asked, prices, retried)


def report_of(
    rows: Sequence[Usage],
    asked: EfficiencyWrite,
    prices: ProviderPrices,
    retried: Sequence[Usage] = (),
) -> EfficiencyRead:
    """Return every figure of some rows of usage; `retried` are those that say what they repeat."""
    policies = [policy.to_domain() for policy in asked.routing]
    unused = unknown_baselines(rows, policies)
    months = (asked.end - asked.start).days / MONTH_DAYS
    return EfficiencyRead(
        start=asked.start,
        end=asked.end,
        tenant=asked.tenant,
        assumptions=_assumptions(asked),
        cache=CacheRead.of(cache_report(rows, prices, asked.cache.to_domain())),
        waste=WasteRead.of(waste_report(rows, prices), retried_report(retried, prices)),
        routing=[
            RoutingRead.of(routing_saving(rows, policy, prices), unused=policy in unused)
            for policy in policies
        ],
        custom_models=[
            CustomModelRead.of(custom_model_case(rows, model.to_domain(), prices, months))
            for model in asked.custom_models
        ],
    )


def _assumptions(asked: EfficiencyWrite) -> list[str]:
    hits, reads = asked.cache.hit_ratio, asked.cache.reads_per_write
    stated = [
        f"Cache: at the target {hits} of all input is read, and what is written {reads} times.",
        WASTE,
    ]
    for policy in asked.routing:
        chosen = policy.chosen.model
        stated.append(
            f"{policy.name}: {chosen} needs as many tokens as {policy.baseline.model};"
            f" {policy.hold_out} of the requests stay where they are, {policy.gate} of the others"
            f" pass the gate, {policy.cache_loss} of cached input is written anew. Usage names the"
            f" model that answered: what was routed away from {policy.baseline.model} already is in"
            " no figure."
        )
    stated += [
        f"{model.name}: its mix of tokens is that of {model.replaces.model}, and its answers are"
        " as good."
        for model in asked.custom_models
    ]
    return stated
