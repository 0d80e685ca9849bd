"""Reservations: one transaction decides, holds and writes the log (rule 10.1).

All envelopes that some work falls into are locked in the order of their names, so that of many who
reserve at once each sees what the others hold.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.envelopes.deciding import Decision, Request, decide
from services.pricing.domain.envelopes.envelope import SCOPE_FIELDS, Ledger, Scope
from services.pricing.domain.envelopes.ladder import Step
from services.pricing.domain.envelopes.loops import Asked, stopped_by
from services.pricing.handlers.envelopes.standing import Standing, standing_of
from services.pricing.repository.envelopes import definitions, reservations
from services.pricing.schemas.reservation import Code, ReservationRead, ReservationWrite
from shared.accounts.repository import Account
from shared.errors import conflict, not_found
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
    before: RowMapping | None

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
        is_open = before is not None and before["state"] == "open" and before["expires_at"] > now
        return is_open and self.more <= 0


async def reserve(
    connection: AsyncConnection,
    account: Account,
    reservation_id: str,
    written: ReservationWrite,
    *,
    now: datetime,
) -> ReservationRead:
    """Hold an estimate, or more of it under the same id; or say why not, and hold nothing.

    Raises `reservation_settled` (409) for one that is committed or released, `other_work` (409) for
    an id that is used for other work.
    """
    work, ledger = written.work.to_domain(), Ledger.of_purpose(written.purpose)
    rows = await definitions.lock_matching(connection, account, work)
    before = await reservations.read(connection, account, reservation_id, lock=True)
    asked = _Asked(reservation_id, work, ledger, written, before)
    if before is not None:
        _check_same(asked, before)
    standing = await standing_of(connection, account, rows, now, without=reservation_id)
    decision, loop = await _decide(connection, account, asked, standing)
    granted = decision.granted and loop is None
    if granted and not await _hold(connection, account, asked, standing):
        return await reserve(connection, account, reservation_id, written, now=now)
    return _answer(asked, standing, decision, loop=loop)


def _check_same(asked: _Asked, before: RowMapping) -> None:
    if before["state"] not in ("open", "expired"):
        message = f"This reservation is {before['state']}: it holds no more."
        raise conflict("reservation_settled", message, subject=asked.reservation_id)
    same = all(before[field] == getattr(asked.work, field) for field in SCOPE_FIELDS)
    if not same or before["ledger"] != asked.ledger.value:
        message = "This id is a reservation of other work."
        raise conflict("other_work", message, subject=asked.reservation_id)


async def _decide(
    connection: AsyncConnection, account: Account, asked: _Asked, standing: Standing
) -> tuple[Decision, str | None]:
    """Return the envelopes' decision, and the detector that stops the run, if one does."""
    run, tenant, now = asked.work.run, asked.work.tenant, standing.now
    under_way = asked.before is not None
    if run and not under_way:
        under_way = await reservations.is_under_way(connection, account, tenant=tenant, run=run)
    names = list(standing.envelopes)
    approved = await definitions.approved(connection, account, names, run, now)
    request = Request(
        estimate=asked.estimate,
        is_new=not under_way,
        background=asked.written.background,
        approved=frozenset(approved),
        is_held=asked.is_held(now),
    )
    decision = decide(request, standing.balances(asked.ledger))
    return decision, await _loop(connection, account, asked, standing) if run else None


async def _loop(
    connection: AsyncConnection, account: Account, asked: _Asked, standing: Standing
) -> str | None:
    rules = [settings.loop.to_domain() for settings in standing.settings.values()]
    if not rules:
        return None
    rows = await reservations.asked_by_run(
        connection,
        account,
        tenant=asked.work.tenant,
        run=asked.work.run,
        since=standing.now - max(rule.window for rule in rules),
    )
    known = [Asked(row["at"], parse_exact(row["amount_exact"])) for row in rows]
    known.append(Asked(standing.now, max(asked.more, Fraction(0))))
    found = (stopped_by(known, rule, standing.now) for rule in rules)
    return next((detector for detector in found if detector is not None), None)


async def _hold(
    connection: AsyncConnection, account: Account, asked: _Asked, standing: Standing
) -> bool:
    """Hold what is asked; False if another request took the id since it was looked for."""
    expires = standing.now + timedelta(seconds=asked.written.ttl_seconds)
    state: dict[str, Any] = {
        "estimate_exact": format_exact(asked.estimate),
        "state": "open",
        "expires_at": expires,
    }
    work = {field: getattr(asked.work, field) for field in SCOPE_FIELDS}
    row = {"reservation_id": asked.reservation_id, **work, "ledger": asked.ledger.value, **state}
    row |= {"committed_exact": "", "committed_at": None, "created_at": standing.now}
    if asked.before is None:
        if not await reservations.add(connection, account, row, standing.periods):
            return False
    else:
        await reservations.change(connection, account, asked.reservation_id, state)
        await reservations.hold(connection, account, asked.reservation_id, standing.periods)
    await reservations.log(
        connection,
        account,
        row,
        what="reserve" if asked.before is None else "extend",
        amount_exact=format_exact(max(asked.more, Fraction(0))),
        at=standing.now,
    )
    return True


async def commit(
    connection: AsyncConnection,
    account: Account,
    reservation_id: str,
    amount: Fraction,
    *,
    now: datetime,
) -> None:
    """Put what was used in the place of the estimate; late, it still counts. Twice is once.

    A late one takes no lock of envelopes: nothing is decided, and who reserves takes them before
    the reservation.

    Raises `unknown_reservation`, `already_committed` (409) for another amount and
    `reservation_settled` (409) for one that was released.
    """
    row = await _existing(connection, account, reservation_id)
    if row["state"] in ("committed", "metered"):
        if parse_exact(row["committed_exact"]) != amount:
            raise conflict(
                "already_committed", "Another amount was committed before.", subject=reservation_id
            )
        return
    if row["state"] == "released":
        raise conflict(
            "reservation_settled", "This reservation is released.", subject=reservation_id
        )
    if row["state"] == "expired":
        work = Scope(**{field: row[field] for field in SCOPE_FIELDS})
        envelopes = await definitions.matching(connection, account, work)
        standing = await standing_of(connection, account, envelopes, now)
        await reservations.hold(connection, account, reservation_id, standing.periods)
    values = {"state": "committed", "committed_exact": format_exact(amount), "committed_at": now}
    await reservations.change(connection, account, reservation_id, values)
    await reservations.log(
        connection, account, row, what="commit", amount_exact=format_exact(amount), at=now
    )


async def release(
    connection: AsyncConnection, account: Account, reservation_id: str, *, now: datetime
) -> None:
    """Give the estimate back: nothing was used. Twice is once.

    Raises `unknown_reservation`, `reservation_settled` (409) after a commit.
    """
    row = await _existing(connection, account, reservation_id)
    if row["state"] in ("committed", "metered"):
        raise conflict(
            "reservation_settled", "This reservation is committed.", subject=reservation_id
        )
    if row["state"] == "released":
        return
    await reservations.change(connection, account, reservation_id, {"state": "released"})
    await reservations.let_go(connection, account, reservation_id)
    await reservations.log(connection, account, row, what="release", amount_exact="0", at=now)


async def read_reservation(
    connection: AsyncConnection, account: Account, reservation_id: str
) -> RowMapping:
    """Return a reservation; raises `not_found`."""
    row = await reservations.read(connection, account, reservation_id)
    if row is None:
        raise not_found("reservation", reservation_id)
    return row


async def _existing(
    connection: AsyncConnection, account: Account, reservation_id: str
) -> RowMapping:
    row = await reservations.read(connection, account, reservation_id, lock=True)
    if row is None:
        raise not_found("reservation", reservation_id)
    return row


def _answer(
    asked: _Asked, standing: Standing, decision: Decision, *, loop: str | None
) -> ReservationRead:
    granted = decision.granted and loop is None
    code = None if granted else ("loop_stopped" if loop else _CODES[decision.step])
    times = [balance.as_of for balance in standing.balances(asked.ledger) if balance.as_of]
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


def check_owner(row: RowMapping, tenant: str | None) -> None:
    """Refuse a tenant's key that asks for another's reservation, as one that does not exist."""
    if tenant is not None and row["tenant"] != tenant:
        raise not_found("reservation", row["reservation_id"])
