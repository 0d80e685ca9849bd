"""Who holds the seats of a subscription: entries of a log, never for days that are billed."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from http import HTTPStatus

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.subscription.holder_log import (
    Assignment,
    holders_on,
    seats_on,
    standing_on,
)
from services.pricing.domain.subscription.timeline import Timeline
from services.pricing.handlers.subscriptions import read_subscription
from services.pricing.handlers.timelines import read_timeline
from services.pricing.repository import seat_assignments
from services.pricing.repository.locks import lock_closing
from services.pricing.schemas.seat_holder import (
    HolderEntry,
    SeatHolder,
    SeatHolders,
    SeatHoldersWrite,
    SeatsOfClass,
)
from shared.accounts.repository import Account
from shared.errors import Fault, TallyrollError, conflict

ENTRIES_MAX = 50_000
"""Entries of one subscription's log."""

NEXT_DAY = timedelta(days=1)


async def assign_seats(
    connection: AsyncConnection, account: Account, subscription_id: str, written: SeatHoldersWrite
) -> list[HolderEntry]:
    """Add to the log of a subscription; raises `seat_holders_refused` with every fault at once."""
    row = await read_subscription(connection, account, subscription_id)
    # No period is billed between the check and the write.
    await lock_closing(connection, account, [row["topic_partition"]])
    row = await read_subscription(connection, account, subscription_id)
    if row["next_start"] is None:
        message = "The subscription has ended, and all of it is billed."
        raise conflict("subscription_ended", message, subject=subscription_id)
    told = await read_timeline(connection, account, row)
    log = await _read_log(connection, account, subscription_id)
    made = [change.to_domain() for change in written.changes]
    if len(log) + len(made) > ENTRIES_MAX:
        message = f"A subscription has at most {ENTRIES_MAX} entries; begin another one."
        raise conflict("too_many_seat_holders", message, subject=subscription_id)
    faults = [*_day_faults(row, told, made), *_release_faults(log, made)]
    if not faults:
        faults = list(_seat_faults(told, log, made))
    if faults:
        message = f"The changes have {len(faults)} faults; none of them was made."
        raise TallyrollError(
            "seat_holders_refused", message, HTTPStatus.CONFLICT, subscription_id, faults
        )
    rows = await seat_assignments.add(connection, account, subscription_id, made)
    return [entry_of(one) for one in rows]


async def _read_log(
    connection: AsyncConnection, account: Account, subscription_id: str
) -> list[Assignment]:
    logs = await seat_assignments.read_logs(connection, account, [subscription_id])
    return logs.get(subscription_id, [])


def _day_faults(row: RowMapping, told: Timeline, made: Sequence[Assignment]) -> Iterator[Fault]:
    for place, one in enumerate(made):
        path = f"changes[{place}].from_day"
        if one.from_day < told.starts_on:
            message = f"The subscription starts on {told.starts_on}."
            yield Fault("change_before_start", path, message)
        elif one.from_day < row["next_start"]:
            message = f"Days before {row['next_start']} are billed already."
            yield Fault("change_in_billed_period", path, message)
        elif told.last_day is not None and one.from_day > told.last_day:
            message = f"The last day of the subscription is {told.last_day}."
            yield Fault("change_after_end", path, message)


def _release_faults(log: Sequence[Assignment], made: Sequence[Assignment]) -> Iterator[Fault]:
    for place, one in enumerate(made):
        if one.seat_class is None:
            standing = standing_on([*log, *made[:place]], one.from_day)
            if one.user not in {row.user for row in standing}:
                message = f"{one.user!r} is assigned to no seat on {one.from_day}."
                yield Fault("holds_no_seat", f"changes[{place}].user", message)


def _seat_faults(
    told: Timeline, log: Sequence[Assignment], made: Sequence[Assignment]
) -> Iterator[Fault]:
    """Return what is assigned beyond the seats there are; of each, the first day of it."""
    whole = [*log, *made]
    places = {id(one): place for place, one in enumerate(made)}
    told_of: set[int] = set()
    for day in _days_to_check(told, whole, made):
        _, without = holders_on(whole, day, paid_seats(told, day))
        for one in without:
            place = places.get(id(one))
            if place is not None and place not in told_of:
                told_of.add(place)
                of_class = f" of class {one.seat_class}" if one.seat_class else ""
                message = f"No seat{of_class} is left on {day}."
                yield Fault("no_seat_left", f"changes[{place}]", message)


def _days_to_check(
    told: Timeline, log: Sequence[Assignment], made: Sequence[Assignment]
) -> list[date]:
    """Return the days of what is made on which holders, or the number of seats, are others."""
    changed = {change.effective_on for change in told.standing}
    days = changed | {told.cycle.after(day) for day in changed}
    days |= {one.from_day for one in log}
    days |= {one.until_day + NEXT_DAY for one in log if one.until_day is not None}
    first = min(one.from_day for one in made)
    return sorted(
        day for day in days if first <= day and (told.last_day is None or day <= told.last_day)
    )


def paid_seats(told: Timeline, day: date) -> dict[str, int]:
    """Return the seats of each class that are paid for on a day of a subscription."""
    start = max(told.starts_on, told.cycle.at_or_before(day))
    period = told.period_from(start)
    assert period is not None, "a day of the subscription is one of a period"
    stretches = [one for one in told.stretches(period) if one.period.start <= day]
    return seats_on(stretches[-1].seats, day)


async def read_holders(
    connection: AsyncConnection, account: Account, row: RowMapping, day: date
) -> SeatHolders:
    """Return who is assigned on a day of a subscription; raises `day_outside_subscription`."""
    told = await read_timeline(connection, account, row)
    if day < told.starts_on or (told.last_day is not None and day > told.last_day):
        message = "The subscription does not hold this day."
        code, subject = "day_outside_subscription", day.isoformat()
        raise TallyrollError(code, message, HTTPStatus.NOT_FOUND, subject)
    log = await _read_log(connection, account, row["subscription_id"])
    seats = paid_seats(told, day)
    left = dict(seats)
    held, without = holders_on(log, day, left)
    return SeatHolders(
        day=day,
        seats=[
            SeatsOfClass(seat_class=name or None, seats=seats[name], left=left[name])
            for name in sorted(seats)
        ],
        holders=[SeatHolder(user=user, seat_class=name or None) for user, name in held.items()],
        without_seat=[
            SeatHolder(user=one.user, seat_class=one.seat_class or None) for one in without
        ],
    )


def entry_of(row: RowMapping) -> HolderEntry:
    """Return a stored entry of the log as it is shown."""
    names = ("position", "user", "from_day", "until_day", "created_at")
    kind = "release" if row["seat_class"] is None else "assign"
    values = {name: row[name] for name in names}
    return HolderEntry(kind=kind, seat_class=row["seat_class"] or None, **values)
