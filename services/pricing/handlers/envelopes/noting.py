"""What a look notes of one envelope: what was metered, what is repaid, where it goes. Pure."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from typing import Any

from services.pricing.domain.envelopes.balance import Spent, balance_of, overdrawn
from services.pricing.domain.envelopes.burning import Daily, forecast
from services.pricing.domain.envelopes.envelope import Envelope, Ledger, Span
from services.pricing.handlers.envelopes.spending import Tally, Used, used_of
from services.pricing.handlers.envelopes.standing import raise_of
from services.pricing.repository.envelopes.facts import Facts, Row
from services.pricing.schemas.envelope import EnvelopeWrite
from shared.money import format_exact, parse_exact

MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True)
class Before:
    """What is known of the period before of one envelope: rows of its ledgers, its movements."""

    spent: list[Row] = field(default_factory=list)
    movements: list[Row] = field(default_factory=list)


def by_name(facts: Facts) -> dict[str, Before]:
    """Return what is known of each envelope."""
    found: dict[str, Before] = defaultdict(Before)
    for row in facts.spent:
        found[row["name"]].spent.append(row)
    for row in facts.movements:
        found[row["name"]].movements.append(row)
    return found


def noted_of(
    envelope: Envelope, settings: EnvelopeWrite, tally: Tally, before: Before, *, today: date
) -> list[dict[str, Any]]:
    """Return the rows of an envelope's ledgers in the period that a day is in."""
    span = envelope.span_at(today)
    used = used_of(envelope, settings, tally, since=span.start)
    repaid = _overdrawn_before(envelope, used, before, today)
    return [
        {
            "name": envelope.name,
            "ledger": ledger.value,
            "period_start": span.start,
            "metered_exact": format_exact(_sum(used, ledger, span)),
            "overdrawn_before_exact": format_exact(repaid[ledger]),
            "forecast": _forecast(used.daily[ledger], span, today),
            "unpriced": {k: format_exact(v) for k, v in sorted(used.unpriced[ledger].items())},
        }
        for ledger in Ledger
    ]


def _forecast(daily: Daily, span: Span, today: date) -> dict[str, str] | None:
    """Return the forecast as it is stored; yesterday is the last whole day."""
    yesterday = today - timedelta(days=1)
    found = forecast(daily, start=span.start, today=yesterday, end=span.end)
    if found is None:
        return None
    return {name: format_exact(getattr(found, name)) for name in ("p10", "p50", "p90")}


def _overdrawn_before(
    envelope: Envelope, used: Used, before: Before, today: date
) -> Mapping[Ledger, Fraction]:
    """Return what the period before went beyond its ledgers: all its usage, late usage too.

    A period in which the envelope was not looked at owes nothing. Raises count as at its end.
    """
    span = envelope.span_before(today)
    ended = datetime.combine(span.end, time(), UTC) - MOMENT
    raises = [raise_of(row) for row in before.movements]
    found = dict.fromkeys(Ledger, Fraction(0))
    for row in before.spent:
        ledger = Ledger(row["ledger"])
        repaid = parse_exact(row["overdrawn_before_exact"])
        spent = Spent(_sum(used, ledger, span), overdrawn_before=repaid)
        found[ledger] = overdrawn(balance_of(envelope, ledger, spent, now=ended, raises=raises))
    return found


def _sum(used: Used, ledger: Ledger, span: Span) -> Fraction:
    days = used.daily[ledger].items()
    return sum((spent for day, spent in days if span.start <= day < span.end), Fraction(0))
