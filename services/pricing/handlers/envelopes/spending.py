"""What was spent of envelopes: usage at provider cost, by whoever it was; pure over read rows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from math import floor
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

SMALLEST = 10**12
"""A part is of so many to the dollar, the last of a group takes the rest. Without it the sum of
thousands of parts may be a fraction of thousands of digits."""


@dataclass
class Costed:
    """The cost of all usage of one group, and how much of it has no price."""

    quantity: Fraction = Fraction(0)
    cost: Fraction = Fraction(0)
    unpriced: dict[str, Fraction] = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """What one team and user used of a group: in proportion to its quantity.

    Who used it is known without the circumstances that its price depends on. So all users of a
    group on a day pay the same for a unit, and together what the group cost.
    """

    scope: Scope
    purpose: str
    day: date
    cost: Fraction
    unpriced: Mapping[str, Fraction]


def costs_of(rows: Iterable[Row], prices: ProviderPrices) -> dict[Group, Costed]:
    """Return what each group costs."""
    found: dict[Group, Costed] = {}
    for row in rows:
        if row["kind"].startswith(METER_PREFIX) or not row["quantity"]:
            continue
        costed = found.setdefault(_group(row), Costed())
        quantity = Fraction(row["quantity"])
        price = prices.find(usage_of(row, quantity))
        costed.quantity += quantity
        if isinstance(price, Reason):
            name = f"{row['provider']}/{row['model']}/{row['kind']}"
            costed.unpriced[name] = costed.unpriced.get(name, Fraction(0)) + quantity
        else:
            costed.cost += quantity * price.unit_amount
    return found


def parts_of(costs: Mapping[Group, Costed], users: Iterable[Row]) -> list[Part]:
    """Return who used which part of each group; what nobody is known of is nobody's."""
    of_group: dict[Group, dict[tuple[str, str], Fraction]] = {group: {} for group in costs}
    for row in users:
        known = of_group.get(_group(row))
        if known is not None:
            who = row["team"], row["user"]
            known[who] = known.get(who, Fraction(0)) + Fraction(row["quantity"])
    return [
        part for group, known in of_group.items() for part in _parts(group, known, costs[group])
    ]


def _parts(group: Group, known: dict[tuple[str, str], Fraction], costed: Costed) -> Iterable[Part]:
    if not costed.quantity:
        known = {}  # nothing to divide by
    rest = costed.quantity - sum(known.values(), Fraction(0))
    if rest or not known:
        known["", ""] = known.get(("", ""), Fraction(0)) + rest
    quantities = list(known.values())
    costs = _divided(costed.cost, quantities)
    unpriced = {name: _divided(q, quantities) for name, q in costed.unpriced.items()}
    for number, (team, user) in enumerate(known):
        yield Part(
            Scope(tenant=group[0], team=team, agent=group[1], user=user),
            *group[-2:],
            costs[number],
            {name: divided[number] for name, divided in unpriced.items()},
        )


def _divided(total: Fraction, quantities: Sequence[Fraction]) -> list[Fraction]:
    """Return parts of a total in proportion to quantities; together they are the total."""
    if len(quantities) == 1 or not total:
        return [total, *[Fraction(0)] * (len(quantities) - 1)]
    whole = sum(quantities, Fraction(0))
    smallest = total * SMALLEST / whole
    found = [Fraction(floor(smallest * quantity), SMALLEST) for quantity in quantities[:-1]]
    return [*found, total - sum(found, Fraction(0))]


Who = tuple[str, str, str]
"""(team, agent, user)."""


@dataclass
class Spend:
    """What somebody used of one ledger on one UTC day."""

    cost: Fraction = Fraction(0)
    unpriced: dict[str, Fraction] = field(default_factory=dict)

    def add(self, cost: Fraction, unpriced: Mapping[str, Fraction]) -> None:
        self.cost += cost
        for name, quantity in unpriced.items():
            self.unpriced[name] = self.unpriced.get(name, Fraction(0)) + quantity


Tally = dict[Who, dict[tuple[Ledger, date], Spend]]
"""All that a tenant used, by whoever it was: small beside its usage, and all that envelopes ask."""


def tally_of(parts: Iterable[Part]) -> Tally:
    """Return the sums of one tenant's parts."""
    tally: Tally = {}
    for part in parts:
        who = part.scope.team, part.scope.agent, part.scope.user
        key = Ledger.of_purpose(part.purpose), part.day
        tally.setdefault(who, {}).setdefault(key, Spend()).add(part.cost, part.unpriced)
    return tally


def add_up(tallies: Iterable[Tally]) -> Tally:
    """Return the sums of several tenants, for envelopes that name none."""
    found: Tally = {}
    for tally in tallies:
        for who, spends in tally.items():
            own = found.setdefault(who, {})
            for key, spend in spends.items():
                own.setdefault(key, Spend()).add(spend.cost, spend.unpriced)
    return found


@dataclass(frozen=True)
class Used:
    """What an envelope's work used: by ledger and UTC day, and what of it has no price."""

    daily: Mapping[Ledger, Mapping[date, Fraction]]
    unpriced: Mapping[Ledger, Mapping[str, Fraction]]


ANY = "*"
"""A tenant for work of all of them: no scope without a tenant looks at it."""


def used_of(envelope: Envelope, settings: EnvelopeWrite, tally: Tally, *, since: date) -> Used:
    """Return what the work of an envelope used; unpriced usage of days from `since` on is listed.

    `tally` is of the tenant that its scope names, or of all; and of its run, if it is one's.
    Unpriced units count what the envelope says of a million of them.
    """
    scope, assumed = envelope.scope, Fraction(settings.unpriced_per_million) / 1_000_000
    daily: dict[Ledger, dict[date, Fraction]] = {ledger: {} for ledger in Ledger}
    listed: dict[Ledger, dict[str, Fraction]] = {ledger: {} for ledger in Ledger}
    for (team, agent, user), spends in tally.items():
        work = Scope(scope.tenant or ANY, team, agent, user, scope.run)
        if not scope.accepts(work):
            continue
        for (ledger, day), spend in spends.items():
            lacking = sum(spend.unpriced.values(), Fraction(0))
            own = daily[ledger]
            own[day] = own.get(day, Fraction(0)) + spend.cost + lacking * assumed
            if day >= since:
                for name, quantity in spend.unpriced.items():
                    names = listed[ledger]
                    names[name] = names.get(name, Fraction(0)) + quantity
    return Used(daily, listed)


def _group(row: Row) -> Group:
    names = ("tenant_id", "agent", "model", "kind", "purpose", "usage_day")
    tenant, agent, model, kind, purpose, day = (row[name] for name in names)
    return tenant, agent, model, kind, purpose, day


def usage_of(row: Row, quantity: Fraction) -> Usage:
    """Return a row as prices are looked up by it."""
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
