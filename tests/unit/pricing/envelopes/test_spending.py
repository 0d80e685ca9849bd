"""Whose cost is whose: parts are the whole, and their sums stay short."""

from collections.abc import Sequence
from datetime import date, timedelta
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from services.pricing.domain.envelopes.envelope import Ledger
from services.pricing.handlers.envelopes.spending import (
    Costed,
    Group,
    Row,
    add_up,
    parts_of,
    tally_of,
    used_of,
)
from services.pricing.schemas.envelope import EnvelopeWrite
from shared.money import format_exact, parse_exact

DAY = date(2026, 3, 2)


def group(number: int = 0, tenant: str = "acme") -> Group:
    """Return a group of a day and model of its own."""
    return tenant, "coder", f"m-{number % 7}", "output", "production", DAY + timedelta(number // 7)


def used_by(of: Group, team: str, user: str, quantity: int) -> Row:
    names = ("tenant_id", "agent", "model", "kind", "purpose", "usage_day")
    return dict(zip(names, of, strict=True)) | {"team": team, "user": user, "quantity": quantity}


@given(st.integers(1, 10**9), st.lists(st.integers(0, 10**6), max_size=6), st.fractions(0, 10**6))
def test_parts_are_the_whole(quantity: int, users: Sequence[int], cost: Fraction) -> None:
    """Cost and what has no price alike, also where users were told more than all of it."""
    costed = Costed(Fraction(quantity), cost, {"x": Fraction(quantity, 3)})
    rows = [used_by(group(), "t", f"u-{n}", used) for n, used in enumerate(users)]

    parts = parts_of({group(): costed}, rows)

    assert costed.cost == sum(part.cost for part in parts)
    assert costed.unpriced["x"] == sum(part.unpriced["x"] for part in parts)


def test_what_is_taken_back_is_nobodys() -> None:
    """As much added as taken back at another price: a cost, and no quantity to divide it by."""
    costed = Costed(Fraction(0), Fraction(5))

    (part,) = parts_of({group(): costed}, [used_by(group(), "t", "ann", 3)])

    assert ("", "", Fraction(5)) == (part.scope.team, part.scope.user, part.cost)


def test_a_month_of_a_team_is_a_short_number() -> None:
    """420 groups of two prices each, divided by primes of their own: it is read again."""
    costs = {group(n): Costed(Fraction(10_007 + n), Fraction(n + 1, 1_000)) for n in range(420)}
    rows = [used_by(of, "platform", "ann", 101) for of in costs]
    written = EnvelopeWrite.model_validate({"scope": {"team": "platform"}, "amount": "9"})
    envelope = written.to_domain("platform")

    used = used_of(envelope, written, tally_of(parts_of(costs, rows)), since=DAY)
    amount = format_exact(sum(used.daily[Ledger.RUN].values(), Fraction(0)))

    assert len(amount) < 20
    shares = ((101 / of.quantity) * of.cost for of in costs.values())
    assert abs(parse_exact(amount) - sum(shares)) < Fraction(420, 10**12)


def test_an_envelope_without_a_tenant_is_of_all_of_them() -> None:
    """Two tenants of one team: both count, another team's does not."""
    of_tenants = [{group(tenant=name): Costed(Fraction(10), Fraction(5))} for name in ("a", "b")]
    tallies = [
        tally_of(parts_of(costs, [used_by(of, "platform", "ann", 4) for of in costs]))
        for costs in of_tenants
    ]
    written = EnvelopeWrite.model_validate({"scope": {"team": "platform"}, "amount": "9"})

    used = used_of(written.to_domain("x"), written, add_up(tallies), since=DAY)

    assert {DAY: Fraction(4)} == used.daily[Ledger.RUN]
