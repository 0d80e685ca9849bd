"""What was spent of envelopes: usage at provider cost, by whoever it was; pure over read rows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import Any

from sqlalchemy import RowMapping

from services.pricing.domain.cost.prices import Reason
from services.pricing.domain.cost.provider_cost import METER_PREFIX, ProviderPrices
from services.pricing.domain.envelopes.envelope import Envelope, Ledger, Scope
from services.pricing.domain.usage import Usage
from services.pricing.schemas.envelope import EnvelopeWrite

Row = Mapping[str, Any] | RowMapping
Group = tuple[str, str, str, str, str, date]
"""(tenant, agent, model, kind, purpose, usage day): what both copies of usage know."""


@dataclass
class Costed:
    """The cost of all usage of one group, and how much of it has no price."""

    quantity: Fraction = Fraction(0)
    cost: Fraction = Fraction(0)
    unpriced: dict[str, Fraction] = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """What one team and user used of a group; a part of its cost in proportion to its quantity.

    Who used it is known without the circumstances that its price depends on. So all users of a
    group on a day pay the same for a unit, and together what the group cost.
    """

    scope: Scope
    group: Group
    share: Fraction


def costs_of(rows: Iterable[Row], prices: ProviderPrices) -> dict[Group, Costed]:
    """Return what each group costs."""
    found: dict[Group, Costed] = {}
    for row in rows:
        if row["kind"].startswith(METER_PREFIX) or not row["quantity"]:
            continue
        costed = found.setdefault(_group(row), Costed())
        quantity = Fraction(row["quantity"])
        price = prices.find(_usage(row, quantity))
        costed.quantity += quantity
        if isinstance(price, Reason):
            name = f"{row['provider']}/{row['model']}/{row['kind']}"
            costed.unpriced[name] = costed.unpriced.get(name, Fraction(0)) + quantity
        else:
            costed.cost += quantity * price.unit_amount
    return found


def parts_of(costs: Mapping[Group, Costed], users: Iterable[Row]) -> list[Part]:
    """Return who used which part of each group; what nobody is known of is nobody's."""
    parts, known = [], dict.fromkeys(costs, Fraction(0))
    for row in users:
        group = _group(row)
        costed = costs.get(group)
        if costed is None or not costed.quantity:
            continue
        share = Fraction(row["quantity"]) / costed.quantity
        known[group] += share
        parts.append(Part(_scope(group, row["team"], row["user"]), group, share))
    for group, share in known.items():
        if share != 1:
            parts.append(Part(_scope(group, "", ""), group, 1 - share))
    return parts


@dataclass(frozen=True)
class Used:
    """What an envelope's work used: by ledger and UTC day, and what of it has no price."""

    daily: Mapping[Ledger, Mapping[date, Fraction]]
    unpriced: Mapping[Ledger, Mapping[str, Fraction]]


def used_of(
    envelope: Envelope,
    settings: EnvelopeWrite,
    costs: Mapping[Group, Costed],
    parts: Sequence[Part],
    *,
    since: date,
) -> Used:
    """Return what the work of an envelope used; unpriced usage of days from `since` on is listed.

    Unpriced units count what the envelope says of a million of them.
    """
    assumed = Fraction(settings.unpriced_per_million) / 1_000_000
    daily: dict[Ledger, dict[date, Fraction]] = {ledger: {} for ledger in Ledger}
    unpriced: dict[Ledger, dict[str, Fraction]] = {ledger: {} for ledger in Ledger}
    for part in parts:
        if not envelope.scope.accepts(part.scope):
            continue
        costed, day = costs[part.group], part.group[-1]
        ledger = Ledger.of_purpose(part.group[4])
        lacking = sum(costed.unpriced.values(), Fraction(0))
        amount = part.share * (costed.cost + lacking * assumed)
        daily[ledger][day] = daily[ledger].get(day, Fraction(0)) + amount
        if day >= since:
            for name, quantity in costed.unpriced.items():
                listed = unpriced[ledger]
                listed[name] = listed.get(name, Fraction(0)) + part.share * quantity
    return Used(daily, unpriced)


def _group(row: Row) -> Group:
    names = ("tenant_id", "agent", "model", "kind", "purpose", "usage_day")
    tenant, agent, model, kind, purpose, day = (row[name] for name in names)
    return tenant, agent, model, kind, purpose, day


def _scope(group: Group, team: str, user: str) -> Scope:
    return Scope(tenant=group[0], team=team, agent=group[1], user=user)


def _usage(row: Row, quantity: Fraction) -> Usage:
    return Usage(
        provider=row["provider"],
        agent=row["agent"],
        model=row["model"],
        kind=row["kind"],
        context_band=row["context_band"],
        service_tier=row["service_tier"],
        batch=str(row["batch"]).lower(),
        speed=row["speed"],
        region=row["region"],
        purpose=row["purpose"],
        status=row["status"],
        usage_day=row["usage_day"],
        quantity=quantity,
    )
