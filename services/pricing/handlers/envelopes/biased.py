"""The signs of a team under a cap: from its usage around the day that its envelope began."""

from datetime import date, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.envelopes.bias import Bias, Sides, Worked, bias_of
from services.pricing.domain.envelopes.envelope import Envelope, Span
from services.pricing.handlers.envelopes.history import read_own_parts
from services.pricing.handlers.envelopes.state import existing
from services.pricing.schemas.envelope import EnvelopeWrite, shown
from services.pricing.schemas.envelope_bias import BiasRead, SidesRead
from shared.accounts.repository import Account

WINDOW = timedelta(days=56)
"""Looked at on each side of the cap: eight weeks."""

CAUTION = (
    "These are signs, not causes: seasons, holidays and new work change the same figures. Compare"
    " with teams without a cap before you conclude anything."
)


async def read_bias(
    connection: AsyncConnection,
    account: Account,
    name: str,
    *,
    capped_on: date | None,
    now: datetime,
) -> BiasRead:
    """Return the signs of whoever an envelope is for; it began on `capped_on`, or when it was set.

    Work is at provider cost; who did it is known by team and user, each with a part of the cost of
    its day in proportion to its tokens.
    """
    row = await existing(connection, account, name)
    envelope = EnvelopeWrite.model_validate(row["content"]).to_domain(name)
    capped = capped_on or row["created_at"].date()
    window = Span(capped - WINDOW, min(capped + WINDOW, now.date() + timedelta(days=1)))
    parts = await read_own_parts(connection, account, envelope, since=window.start, now=now)
    worked = [
        Worked(
            day=part.day,
            user=part.scope.user,
            purpose=part.purpose,
            amount=part.cost,
        )
        for part in parts
        if envelope.scope.accepts(part.scope)
    ]
    found = bias_of(name, worked, capped, window, _ends(envelope, window))
    return _read(found, window)


def _ends(envelope: Envelope, window: Span) -> list[date]:
    """Return the first day of each period that begins inside a window."""
    ends, span = [], envelope.span_at(window.start)
    while span.end < window.end:
        ends.append(span.end)
        span = envelope.span_at(span.end)
    return ends


def _read(found: Bias, window: Span) -> BiasRead:
    return BiasRead(
        envelope=found.team,
        capped_on=found.capped_on,
        window_start=window.start,
        window_end=window.end,
        explored=_sides(found.explored),
        deferred=_sides(found.deferred),
        gone=shown(found.gone),
        gone_users=list(found.gone_users),
        caution=CAUTION,
    )


def _sides(sides: Sides) -> SidesRead:
    return SidesRead(
        before=shown(sides.before), after=shown(sides.after), change=shown(sides.change)
    )
