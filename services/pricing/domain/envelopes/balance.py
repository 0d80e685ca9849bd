"""What a ledger has left: metered, held, and committed before it is metered (rule 10.1)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from fractions import Fraction
from typing import Literal

from services.pricing.domain.envelopes.envelope import Envelope, Ledger, Span
from services.pricing.domain.envelopes.ladder import Step

STALE_AFTER = timedelta(seconds=60)
"""Rule 10.2: older figures allow inside the overdraft, and say that they are old."""

HoldState = Literal["open", "committed", "released", "expired"]


@dataclass(frozen=True)
class Raise:
    """An amount for one ledger in one period, with a reason and an end; below 0 takes it away.

    A transfer is two of them: what one ledger gives, the other gets.
    """

    ledger: Ledger
    amount: Fraction
    until: datetime
    """Exclusive, UTC."""


@dataclass(frozen=True)
class Hold:
    """A reservation. What it was for is metered later, and then no longer counted here."""

    ledger: Ledger
    estimate: Fraction
    state: HoldState
    expires_at: datetime
    committed: Fraction = Fraction(0)
    committed_at: datetime | None = None

    def counts(self, *, now: datetime, watermark: datetime | None, since: datetime) -> Fraction:
        """Return what it takes from its ledger now, in a period that began at `since`.

        An open one takes its estimate until it expires, whichever period it began in. A committed
        one, late or not, takes what was used until what was metered reaches its commit; in the
        period of its commit alone.
        """
        if self.state == "committed":
            at = self.committed_at
            seen = at is None or at < since or (watermark is not None and watermark >= at)
            return Fraction(0) if seen else self.committed
        return self.estimate if self.state == "open" and now < self.expires_at else Fraction(0)


@dataclass(frozen=True)
class Spent:
    """What was metered of one ledger in one period, true for `watermark`; None: nothing yet."""

    metered: Fraction = Fraction(0)
    watermark: datetime | None = None
    overdrawn_before: Fraction = Fraction(0)
    """What the period before went beyond its ledger: it is repaid first."""
    forecast: Fraction | None = None
    """Of the whole period, where there is enough to tell."""


@dataclass(frozen=True)
class Balance:
    """One ledger of one envelope at one moment; US dollars."""

    envelope: Envelope
    ledger: Ledger
    span: Span
    limit: Fraction
    """What there is: the share, raises, less what is repaid; never below 0."""
    used: Fraction
    as_of: datetime | None
    stale: bool
    forecast: Fraction | None

    @property
    def left(self) -> Fraction:
        """What there is until the ledger is used up, below 0 in the overdraft."""
        return self.limit - self.used

    @property
    def ceiling(self) -> Fraction:
        """What may be used at most, the overdraft included."""
        return self.limit * (1 + self.envelope.overdraft)

    @property
    def share(self) -> Fraction:
        """The used part of the limit; a ledger without anything is used up."""
        return self.used / self.limit if self.limit else Fraction(1) + self.envelope.overdraft

    @property
    def step(self) -> Step:
        """The step of the ladder that holds."""
        forecast = self.forecast / self.limit if self.forecast is not None and self.limit else None
        ladder = self.envelope.ladder
        return ladder.step_at(self.share, forecast=forecast, overdraft=self.envelope.overdraft)


def balance_of(
    envelope: Envelope,
    ledger: Ledger,
    spent: Spent,
    *,
    now: datetime,
    raises: Iterable[Raise] = (),
    holds: Iterable[Hold] = (),
) -> Balance:
    """Return what a ledger has left. `raises` are those of the period, `holds` all that live.

    Usage is metered without its run: of one run's envelope, commits are all that is known.
    """
    span = envelope.span_at(now.date())
    since = datetime.combine(span.start, time(), UTC)
    metered_to = None if envelope.scope.run else spent.watermark
    raised = sum(
        (one.amount for one in raises if one.ledger is ledger and now < one.until), Fraction(0)
    )
    held = sum(
        (
            one.counts(now=now, watermark=metered_to, since=since)
            for one in holds
            if one.ledger is ledger
        ),
        Fraction(0),
    )
    limit = envelope.share_of(ledger) + raised - spent.overdrawn_before
    watermark = spent.watermark
    return Balance(
        envelope=envelope,
        ledger=ledger,
        span=span,
        limit=max(limit, Fraction(0)),
        used=spent.metered + held,
        as_of=watermark,
        stale=watermark is not None and now - watermark > STALE_AFTER,
        forecast=spent.forecast,
    )


def overdrawn(balance: Balance) -> Fraction:
    """Return what the next period has to repay: no more than the overdraft allowed."""
    beyond = max(balance.used - balance.limit, Fraction(0))
    return min(beyond, balance.limit * balance.envelope.overdraft)
