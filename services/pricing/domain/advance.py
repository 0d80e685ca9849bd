"""Fees in advance: charged before their period, settled on its own statement (rules 6.7).

The fees of a period are always rated as in arrears, by what is known of its days. A statement
charges what that comes to for the next period; of its own it charges the same, less what was
charged before. So whatever happens in between (an upgrade, more seats, a pause, an end), all of
it together is the fee by the days held, exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from services.pricing.domain.hashing import content_hash, hash_of_rating
from services.pricing.domain.statement import Line, RatedStatement
from services.pricing.domain.step import ADVANCE, Step, note
from services.pricing.domain.words import Words
from shared.money import Currency, sum_exact

ZERO = Fraction(0)


@dataclass(frozen=True)
class ChargedFees:
    """What a statement charged in advance for a period: its lines, by their own keys."""

    statement_id: str
    lines: tuple[Line, ...]

    @property
    def total(self) -> Fraction:
        return sum_exact(line.amount for line in self.lines)


def line_ahead(line: Line) -> Line:
    """Return the line that charges a fee before its period."""
    assert line.advance is not None, "the line is a fee in advance"
    name = f"{line.name}, in advance for {line.advance.words}"
    return replace(line, line_key=_key(line), name=name)


def own_key(line_key: str) -> str:
    """Return the key that a line of a fee in advance has within its period."""
    return line_key.rpartition("/")[2]


def _key(line: Line) -> str:
    start = line.advance.period_start if line.advance else None
    return f"~advance/{start}/{line.line_key}"


def fees_of(rated: RatedStatement) -> list[Line]:
    """Return the fees in advance of a rated period; what comes to nothing is none."""
    return [line for line in rated.lines if line.advance is not None and line.amount]


def priced_by(rated: RatedStatement, version: str) -> RatedStatement:
    """Return a rated period whose fees in advance say first by which version they are priced."""
    told = note(ADVANCE, f"by {version}")
    lines = [
        replace(line, steps=(told, *line.steps)) if line.advance is not None else line
        for line in rated.lines
    ]
    return replace(rated, lines=tuple(lines))


def without_fees_in_advance(rated: RatedStatement) -> RatedStatement:
    """Return what a period comes to apart from its fees in advance."""
    lines = [line for line in rated.lines if line.advance is None]
    return rated if len(lines) == len(rated.lines) else _of_lines(rated, lines, rated.input_hash)


def opening_of(rated: RatedStatement) -> RatedStatement:
    """Return the opening statement of a rated period: its fees in advance, and no usage."""
    lines = [line_ahead(line) for line in fees_of(rated)]
    bare = replace(rated, unrated=(), cost=None)
    return _of_lines(bare, lines, content_hash({"opening": rated.input_hash}))


def with_fees_in_advance(
    rated: RatedStatement,
    charged: ChargedFees | None,
    following: RatedStatement | None,
    *,
    currency: Currency,
) -> RatedStatement:
    """Return the statement of a rated period.

    `charged` is what was charged of it in advance, `following` the next period as far as it is
    known; None: nothing, and no fees of a next one.
    """
    own = without_fees_in_advance(rated)
    ahead = fees_of(following) if following else []
    if own is rated and charged is None and not ahead:
        return rated
    lines = [*own.lines, *_settled(rated, charged, currency), *map(line_ahead, ahead)]
    before = [(line.line_key, line.amount) for line in charged.lines] if charged else []
    hashed = {"period": rated.input_hash, "charged": before}
    if ahead and following:
        hashed["ahead"] = following.input_hash
    return _of_lines(rated, lines, content_hash(hashed))


def _of_lines(rated: RatedStatement, lines: Sequence[Line], input_hash: str) -> RatedStatement:
    total = sum_exact(line.amount for line in lines)
    return replace(
        rated,
        lines=tuple(lines),
        total=total,
        input_hash=input_hash,
        rating_hash=hash_of_rating(lines, rated.unrated, total),
    )


def _settled(rated: RatedStatement, charged: ChargedFees | None, currency: Currency) -> list[Line]:
    """Return the fees of a period less what was charged of them; where that is 0, no line."""
    due = {line.line_key: line for line in rated.lines if line.advance is not None}
    before = {line.line_key: line for line in charged.lines} if charged else {}
    lines = []
    for key in sorted(due.keys() | before.keys()):
        now, last = due.get(key), before.get(key)
        if charged is None or last is None:
            assert now is not None, "a key comes from one of both"
            settled = _not_charged_before(now)
        else:
            settled = _difference(now, last, charged.statement_id, currency)
        if settled.amount:
            lines.append(settled)
    return lines


def _not_charged_before(now: Line) -> Line:
    """Return the line of a fee that began within the period, or whose opening is yet to come."""
    assert now.advance is not None, "the line is a fee in advance"
    return replace(now, line_key=_key(now), name=f"{now.name}, for {now.advance.words}")


def _difference(now: Line | None, last: Line, statement_id: str, currency: Currency) -> Line:
    line = now or last
    assert line.advance is not None, "the line is a fee in advance"
    due = now.steps if now else (note(ADVANCE, "nothing is due for these days"),)
    words = Words(currency, line.unit)
    text = f"less {words.money(last.amount)} that were charged in advance"
    return replace(
        line,
        line_key=_key(line),
        name=f"{line.name}, change of what was charged for {line.advance.words}",
        quantity=(now.quantity if now else ZERO) - last.quantity,
        amount=(now.amount if now else ZERO) - last.amount,
        steps=(*due, Step(ADVANCE, text, -last.amount)),
        advance=replace(line.advance, statement_id=statement_id),
    )
