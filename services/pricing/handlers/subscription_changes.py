"""Changing a subscription: every change is a row with a day of effect, never in a billed period."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.subscription.changes import Change
from services.pricing.domain.subscription.timeline import Timeline
from services.pricing.handlers.agreed_prices import refuse_misfits
from services.pricing.handlers.changed_terms import (
    add_change,
    choice_of,
    chosen,
    refuse_overrides,
    refuse_plan,
)
from services.pricing.handlers.closing import close_periods
from services.pricing.handlers.sharing import refuse_common_claims
from services.pricing.handlers.subscriptions import read_subscription
from services.pricing.handlers.timelines import read_timeline, timeline_of
from services.pricing.repository import catalog, subscription_changes, subscriptions
from services.pricing.repository.locks import lock_closing
from services.pricing.schemas import subscription_change as schema
from services.pricing.schemas.subscription_change import ChangeWrite, event_of
from shared.accounts.repository import Account
from shared.errors import conflict, not_found

NEXT_DAY = timedelta(days=1)
CHANGES_MAX = 10_000
"""Changes of one subscription."""


@dataclass(frozen=True)
class Planned:
    """A change that may be made: how the subscription is now, and how it would be."""

    row: RowMapping
    before: Timeline
    kind: str
    content: dict[str, Any]
    effective_on: date

    @property
    def after(self) -> Timeline:
        """The timeline with the change."""
        event = event_of(self.kind, self.content)
        change = Change("planned", len(self.before.changes) + 1, self.effective_on, event)
        return replace(self.before, changes=(*self.before.changes, change))


async def make_change(
    connection: AsyncConnection,
    account: Account,
    subscription_id: str,
    *,
    written: ChangeWrite,
    today: date,
) -> RowMapping:
    """Store a change; return its row. Periods that it makes due are closed with it."""
    row = await read_subscription(connection, account, subscription_id)
    # The books, then the closing lock: no period is billed between the check and the write.
    told = await read_timeline(connection, account, row)
    named = getattr(written, "price_book", None)
    for book in sorted(told.books | ({named} if named else set())):
        await catalog.lock_book(connection, account, book)
    await lock_closing(connection, account, [row["topic_partition"]])
    planned = await plan_change(connection, account, subscription_id, written=written, today=today)
    made = await store_change(connection, account, planned)
    await close_periods(connection, account, row["topic_partition"], row["tenant_id"])
    return made


async def store_change(
    connection: AsyncConnection, account: Account, planned: Planned
) -> RowMapping:
    """Store a planned change; the caller holds the locks and closes what is due."""
    row, told = planned.row, planned.after
    name, tenant = row["subscription_id"], row["tenant_id"]
    made = await add_change(
        connection,
        account,
        name,
        kind=planned.kind,
        content=planned.content,
        on=planned.effective_on,
    )
    await subscription_changes.set_end(
        connection,
        account,
        name,
        last_day=told.last_day,
        period=told.period_from(row["next_start"]),
    )
    days = {"starts_on": row["next_start"], "ends_on": told.last_day}
    if await subscriptions.share(connection, account, tenant, **days, beside=name):
        await refuse_common_claims(connection, account, tenant)
    return made


async def plan_change(
    connection: AsyncConnection,
    account: Account,
    subscription_id: str,
    *,
    written: ChangeWrite,
    today: date,
) -> Planned:
    """Return what a change would be; raises why it cannot be made."""
    row = await read_subscription(connection, account, subscription_id)
    told = await read_timeline(connection, account, row)
    if row["next_start"] is None:
        message = "The subscription has ended, and all of it is billed."
        raise conflict("subscription_ended", message, subject=subscription_id)
    if row["changes"] >= CHANGES_MAX:
        message = f"A subscription has at most {CHANGES_MAX} changes; begin another one."
        raise conflict("too_many_changes", message, subject=subscription_id)
    on = day_of(told, written, today=today)
    if on < row["next_start"]:
        message = f"Days before {row['next_start']} are billed already."
        raise conflict("change_in_billed_period", message, subject=on.isoformat())
    if not isinstance(written, schema.Withdraw):
        _refuse_day(told, written, on)
    content = await _content_of(connection, account, told, written=written, on=on)
    planned = Planned(row, told, written.kind, content, on)
    _refuse_charged(planned)
    if isinstance(written, schema.PlanChange | schema.OverridesChange | schema.Withdraw):
        await refuse_misfits(connection, account, row, before=told, after=planned.after)
    return planned


def day_of(told: Timeline, written: ChangeWrite, *, today: date) -> date:
    """Return the first day on which a change holds."""
    if isinstance(written, schema.Withdraw):
        return _to_withdraw(told, written.change_id).effective_on
    if isinstance(written.when, date):
        return written.when
    day = max(today, told.starts_on)
    if written.when == "period_end":
        return told.cycle.after(day)
    return day + NEXT_DAY if isinstance(written, schema.Cancel) else day


def _to_withdraw(told: Timeline, change_id: str) -> Change:
    for change in told.standing:
        if change.change_id == change_id:
            return change
    raise not_found("change", change_id)


def _refuse_day(told: Timeline, written: ChangeWrite, on: date) -> None:
    if on < told.starts_on or (isinstance(written, schema.Cancel) and on == told.starts_on):
        message = f"The subscription starts on {told.starts_on}."
        raise conflict("change_before_start", message, subject=on.isoformat())
    if told.last_day is not None and on > told.last_day:
        message = f"The last day of the subscription is {told.last_day}."
        raise conflict("change_after_end", message, subject=on.isoformat())


def _refuse_charged(planned: Planned) -> None:
    """Refuse an end before a period whose fees are charged: no statement would give them back.

    A day of it is enough: its statement takes back all but that day.
    """
    row, last = planned.row, planned.after.last_day
    if row["charged_by"] is not None and last is not None and last < row["next_start"]:
        first = row["next_start"] + NEXT_DAY
        message = (
            f"Fees are charged in advance from {row['next_start']} on: "
            f"the subscription can end from {first} on; the rest of them is credited by days."
        )
        raise conflict("charged_in_advance", message, subject=planned.effective_on.isoformat())


async def _content_of(
    connection: AsyncConnection,
    account: Account,
    told: Timeline,
    *,
    written: ChangeWrite,
    on: date,
) -> dict[str, Any]:
    """Return what is stored of a change, beside its day."""
    if isinstance(written, schema.PlanChange):
        terms = chosen(told.on(on).terms, written)
        await refuse_plan(connection, account, told, terms=terms, on=on)
        return choice_of(terms)
    if isinstance(written, schema.OverridesChange):
        await refuse_overrides(connection, account, told, overrides=written.overrides, on=on)
        return {"overrides": [one.model_dump(mode="json") for one in written.overrides]}
    if isinstance(written, schema.SeatsChange):
        return {"seats": written.seats, "seat_class": written.seat_class}
    if isinstance(written, schema.Withdraw):
        return {"change_id": written.change_id}
    if not isinstance(written, schema.Cancel):
        paused = told.paused_on(on)
        if paused is isinstance(written, schema.Pause):
            state = "paused" if paused else "not paused"
            message = f"The subscription is {state} on {on}."
            raise conflict(f"already_{state.replace(' ', '_')}", message, subject=on.isoformat())
    return {}


async def list_changes(
    connection: AsyncConnection, account: Account, subscription_id: str
) -> list[schema.ChangeRead]:
    """Return all changes of a subscription as they were made."""
    row = await read_subscription(connection, account, subscription_id)
    rows = await subscription_changes.list_of(connection, account, subscription_id)
    standing = {change.change_id for change in timeline_of(row, rows).standing}
    return [change_read(one, standing=one["change_id"] in standing) for one in rows]


def change_read(row: RowMapping, *, standing: bool = True) -> schema.ChangeRead:
    """Return a stored change as it is shown."""
    names = ("change_id", "position", "kind", "effective_on", "content", "created_at")
    withdrawn = not standing and row["kind"] != "withdraw"
    return schema.ChangeRead(**{name: row[name] for name in names}, withdrawn=withdrawn)
