"""Reservations: one transaction decides, holds and writes the log (rule 10.1).

All envelopes that some work falls into are locked in the order of their names, so that of many who
reserve at once each sees what the others hold.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.envelopes.balance import Balance
from services.pricing.domain.envelopes.deciding import Decision, Request, decide
from services.pricing.domain.envelopes.envelope import SCOPE_FIELDS, Ledger, Scope
from services.pricing.domain.envelopes.ladder import Step
from services.pricing.domain.envelopes.loops import Asked, LoopRule, stopped_by
from services.pricing.handlers.envelopes.standing import Standing, define, stand
from services.pricing.repository.envelopes import definitions, writing
from services.pricing.repository.envelopes.facts import Asking, Before, Row, moment, read_all
from services.pricing.schemas.reservation import Code, ReservationRead, ReservationWrite
from shared.accounts.repository import Account
from shared.errors import conflict
from shared.money import exact, format_exact, parse_exact

_CODES: dict[Step, Code] = {
    Step.SLOW: "background_waits",
    Step.ASK: "approval_required",
    Step.BLOCK: "budget_exceeded",
}


@dataclass(frozen=True)
class _Asked:
    """One request, and what is known of its reservation so far."""

    reservation_id: str
    work: Scope
    ledger: Ledger
    written: ReservationWrite
    known: Before

    @property
    def before(self) -> Row | None:
        return self.known.reservation

    @property
    def estimate(self) -> Fraction:
        return exact(self.written.estimate)

    @property
    def more(self) -> Fraction:
        """What is asked on top of what is held."""
        held = parse_exact(self.before["estimate_exact"]) if self.before else Fraction(0)
        return self.estimate - held

    def is_held(self, now: datetime) -> bool:
        """Tell whether all that is asked is held already."""
        before = self.before
        if before is None or before["state"] != "open":
            return False
        return moment(before["expires_at"]) > now and self.more <= 0


async def reserve(
    connection: AsyncConnection,
    account: Account,
    reservation_id: str,
    written: ReservationWrite,
    *,
    now: datetime,
) -> ReservationRead:
    """Hold an estimate, or more of it under the same id; or say why not, and hold nothing.

    Three statements: the locks, what is known, what is written.

    Raises `reservation_settled` (409) for one that is committed or released, `other_work` (409) for
    an id that is used for other work.
    """
    work, ledger = written.work.to_domain(), Ledger.of_purpose(written.purpose)
    defined = define(await definitions.lock_matching(connection, account, work), now)
    window = max((rule.window for rule in defined.loops.values()), default=timedelta(0))
    asking = Asking(reservation_id, work.tenant, work.run, now=now, since=now - window)
    facts, known = await read_all(connection, account, defined.periods, asking)
    asked = _Asked(reservation_id, work, ledger, written, known)
    _check_same(asked)
    standing = stand(defined, facts, now)
    balances = standing.balances(ledger)
    decision, loop = _decide(asked, balances, now), _loop(asked, defined.loops.values(), now)
    granted = decision.granted and loop is None
    if granted and not await _hold(connection, account, asked, standing):
        return await reserve(connection, account, reservation_id, written, now=now)
    return _answer(asked, standing, balances, decision, loop=loop)


def _check_same(asked: _Asked) -> None:
    before = asked.before
    if before is None:
        return
    if before["state"] not in ("open", "expired"):
        message = f"This reservation is {before['state']}: it holds no more."
        raise conflict("reservation_settled", message, subject=asked.reservation_id)
    same = all(before[field] == getattr(asked.work, field) for field in SCOPE_FIELDS)
    if not same or before["ledger"] != asked.ledger.value:
        message = "This id is a reservation of other work."
        raise conflict("other_work", message, subject=asked.reservation_id)


def _decide(asked: _Asked, balances: Sequence[Balance], now: datetime) -> Decision:
    request = Request(
        estimate=asked.estimate,
        is_new=asked.before is None and not asked.known.under_way,
        background=asked.written.background,
        approved=asked.known.approved,
        is_held=asked.is_held(now),
    )
    return decide(request, balances)


def _loop(asked: _Asked, rules: Iterable[LoopRule], now: datetime) -> str | None:
    """Return the detector that stops the run, if one does."""
    if not asked.work.run:
        return None
    known = [Asked(at, parse_exact(amount)) for at, amount in asked.known.asked]
    known.append(Asked(now, max(asked.more, Fraction(0))))
    found = (stopped_by(known, rule, now) for rule in rules)
    return next((detector for detector in found if detector is not None), None)


async def _hold(
    connection: AsyncConnection, account: Account, asked: _Asked, standing: Standing
) -> bool:
    """Hold what is asked; False if another request took or changed the id since it was read."""
    work, now = asked.work, standing.now
    holding = writing.Holding(
        reservation_id=asked.reservation_id,
        tenant=work.tenant,
        run=work.run,
        work=(work.team, work.agent, work.user),
        ledger=asked.ledger.value,
        estimate=format_exact(asked.estimate),
        more=format_exact(max(asked.more, Fraction(0))),
        now=now,
        expires_at=now + timedelta(seconds=asked.written.ttl_seconds),
        periods=standing.periods,
    )
    steps = asked.before["steps"] if asked.before else 0
    return await writing.hold(connection, account, holding, steps=steps)


def _answer(
    asked: _Asked,
    standing: Standing,
    balances: Sequence[Balance],
    decision: Decision,
    *,
    loop: str | None,
) -> ReservationRead:
    granted = decision.granted and loop is None
    code = None if granted else ("loop_stopped" if loop else _CODES[decision.step])
    times = [balance.as_of for balance in balances if balance.as_of]
    expires = standing.now + timedelta(seconds=asked.written.ttl_seconds)
    by = decision.by.envelope.name if decision.by else None
    suggestions = standing.settings[by].suggestions if by else {}
    advises = decision.step not in (Step.OPEN, Step.NOTIFY)
    return ReservationRead(
        reservation_id=asked.reservation_id,
        granted=granted,
        state="open" if granted else "refused",
        code=code,
        step=decision.step.value,
        reason=f"The run is stopped: {loop}." if loop else decision.reason,
        envelope=by,
        suggested_model=suggestions.get(asked.written.model) if advises else None,
        estimate=asked.written.estimate,
        expires_at=expires if granted else None,
        as_of=min(times) if times else None,
        stale=decision.stale,
    )
