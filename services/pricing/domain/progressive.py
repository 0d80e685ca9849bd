"""Progressive billing: usage is invoiced within its period, whenever its spend reaches a threshold.

A progressive statement holds the usage of the open period so far, less what was invoiced of the
period before. The period's own statement is credited with each of them, so that all statements of
a period come to what the period comes to, exactly, whatever became of its usage in between.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction

from services.pricing.domain.details import NO_DETAILS, Detail, Details
from services.pricing.domain.hashing import content_hash, hash_of_rating
from services.pricing.domain.statement import Line, RatedStatement
from services.pricing.domain.step import PROGRESSIVE, Step, is_true_up
from services.pricing.domain.words import Words
from shared.money import Currency, sum_exact

KEY_DIGITS = 6
"""Of a number in the key of a line, by which lines are ordered."""


@dataclass(frozen=True)
class Thresholds:
    """Amounts of spend in a period, strictly rising, above 0, at least one.

    `recurring` (above 0): beyond the last one, another is reached each time it is spent again.
    """

    amounts: tuple[Fraction, ...]
    recurring: Fraction | None = None

    def reached(self, spend: Fraction) -> Fraction | None:
        """Return the highest threshold that a spend has reached; None below the first."""
        passed = [amount for amount in self.amounts if amount <= spend]
        if not passed:
            return None
        if self.recurring is None or len(passed) < len(self.amounts):
            return passed[-1]
        return passed[-1] + (spend - passed[-1]) // self.recurring * self.recurring


@dataclass(frozen=True)
class ProgressiveBilled:
    """A progressive statement of the open period.

    `number` counts those of the subscription. Usage counted before `watermark` was in it.
    """

    statement_id: str
    number: int
    threshold: Fraction
    total: Fraction
    watermark: datetime


@dataclass(frozen=True)
class Crossing:
    """A threshold that a spend has newly reached, and the statement that it calls for."""

    threshold: Fraction
    spend: Fraction
    statement: RatedStatement


def crossing_of(
    rated: RatedStatement,
    thresholds: Thresholds,
    *,
    last: Fraction | None,
    watermark: datetime,
) -> Crossing | None:
    """Return what an open period, rated as its bill, calls for; None: nothing.

    `last` is the highest threshold that called for a statement of the period before: usage that is
    corrected may fall below one and reach it again, which is no other time.
    """
    spend = spend_of(rated)
    threshold = thresholds.reached(spend)
    if threshold is None or (last is not None and threshold <= last):
        return None
    own = progressive_of(rated, threshold=threshold, watermark=watermark)
    # After a correction, what was invoiced may be more than all usage by now.
    return Crossing(threshold, spend, own) if own.total > 0 else None


def spend_of(rated: RatedStatement) -> Fraction:
    """Return what the usage of a period comes to: no fees, and nothing that fills up to a bound."""
    return sum_exact(line.amount for line in _usage_lines(rated))


def with_progressive_credits(
    rated: RatedStatement, billed: Sequence[ProgressiveBilled], *, currency: Currency
) -> RatedStatement:
    """Return a period's statement, credited with what was invoiced of the period before."""
    if not billed:
        return rated
    taken_off = [_credit(one, Words(currency, "statements")) for one in billed]
    before = [[one.number, one.total] for one in billed]
    hashed = content_hash({"period": rated.input_hash, "progressive": before})
    return _of_lines(rated, [*rated.lines, *taken_off], hashed)


def progressive_of(
    rated: RatedStatement, *, threshold: Fraction, watermark: datetime
) -> RatedStatement:
    """Return the progressive statement of an open period that is rated as its bill.

    Its usage so far, less the credits that the bill has already. Cost, and usage without a price,
    are told by the period's own statement.
    """
    until = f", counted before {_instant(watermark)}"
    usage = [replace(line, name=line.name + until, cost=None) for line in _usage_lines(rated)]
    taken_off = [line for line in rated.lines if line.credited is not None]
    hashed = content_hash({"progressive": rated.input_hash, "threshold": threshold})
    bare = replace(rated, unrated=(), cost=None)
    return _of_lines(bare, [*usage, *taken_off], hashed)


def _of_lines(rated: RatedStatement, lines: Sequence[Line], input_hash: str) -> RatedStatement:
    total = sum_exact(line.amount for line in lines)
    return replace(
        rated,
        lines=tuple(lines),
        total=total,
        input_hash=input_hash,
        rating_hash=hash_of_rating(lines, rated.unrated, total),
    )


def _usage_lines(rated: RatedStatement) -> list[Line]:
    """Return the lines that usage of this very period caused, without true-ups: it may go on."""
    own = [line for line in rated.lines if len(line.details) and line.adjusts is None]
    found = map(_without_true_ups, own)
    return [line for line in found if line.quantity or line.amount]


def _without_true_ups(line: Line) -> Line:
    steps = tuple(step for step in line.steps if not is_true_up(step))
    if len(steps) == len(line.steps):
        return line
    amount = sum_exact(step.amount for step in steps)
    details = _scaled(line.details, amount / line.amount) if line.amount else NO_DETAILS
    return replace(line, amount=amount, steps=steps, details=details)


def _scaled(details: Details, factor: Fraction) -> Details:
    return Details.of(Detail(*one[:-1], one.amount * factor) for one in details)


def _credit(one: ProgressiveBilled, words: Words) -> Line:
    text = f"less {words.money(one.total)} invoiced at a spend of {words.money(one.threshold)}"
    return Line(
        line_key=f"~progressive/{one.number:0{KEY_DIGITS}d}",
        charge="progressive",
        model="progressive",
        name=f"Progressive invoice {one.number}, of usage counted before {_instant(one.watermark)}",
        quantity=Fraction(1),
        unit="statements",
        amount=-one.total,
        steps=(Step(PROGRESSIVE, text, -one.total),),
        details=NO_DETAILS,
        credited=one.statement_id,
    )


def _instant(watermark: datetime) -> str:
    return f"{watermark:%Y-%m-%d %H:%M:%S} UTC"
