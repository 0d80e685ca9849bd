"""The timeline of a stored subscription, and the plan that its terms mean on a day."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.periods import Cycle
from services.pricing.domain.plan import Plan
from services.pricing.domain.subscription.changes import Change
from services.pricing.domain.subscription.terms import Terms
from services.pricing.domain.subscription.timeline import Timeline
from services.pricing.handlers.plans import plans
from services.pricing.repository import catalog, subscription_changes
from services.pricing.schemas.overrides import content_of, overridden_plan, words_of
from services.pricing.schemas.price_book import PriceBookContent
from services.pricing.schemas.subscription_change import event_of
from shared.accounts.repository import Account


@dataclass(frozen=True)
class SoldPlan:
    """A plan of a published version, with the overrides of a tenant in it.

    `overridden` says by key of the charge what was agreed; `overrides` is the same for the hash.
    """

    price_book: str
    price_version: int
    price_hash: str
    currency: str
    plan: Plan
    overridden: Mapping[str, tuple[str, ...]]
    overrides: object


async def read_timeline(
    connection: AsyncConnection, account: Account, subscription: RowMapping
) -> Timeline:
    """Return a subscription with all of its changes."""
    changes: Iterable[RowMapping] = ()
    if subscription["changes"]:
        name = subscription["subscription_id"]
        changes = await subscription_changes.list_of(connection, account, name)
    return timeline_of(subscription, changes)


def timeline_of(subscription: RowMapping, changes: Iterable[RowMapping]) -> Timeline:
    """Return a stored subscription as a value of the domain."""
    return Timeline(
        starts_on=subscription["starts_on"],
        cycle=Cycle(subscription["anchor_day"]),
        terms=Terms(subscription["price_book"], subscription["plan"]),
        seats=subscription["seats"],
        ends_on=subscription["ends_on"],
        trial_days=subscription["trial_days"],
        changes=tuple(change_of(row) for row in changes),
    )


def change_of(row: RowMapping) -> Change:
    """Return a stored change as a value of the domain."""
    event = event_of(row["kind"], row["content"])
    return Change(row["change_id"], row["position"], row["effective_on"], event)


async def find_version(
    connection: AsyncConnection, account: Account, terms: Terms, *, on: date
) -> RowMapping | None:
    """Return the published version that terms name, or else the one in force on a day."""
    if terms.price_version is None or not terms.stays:
        current = await catalog.version_in_force(connection, account, terms.price_book, on=on)
        if current is not None and current["version"] >= (terms.price_version or 0):
            return current
    if terms.price_version is None:
        return None
    found = await catalog.read_version(
        connection, account, terms.price_book, version=terms.price_version
    )
    return found if found is not None and found["published_at"] is not None else None


async def read_plan(
    connection: AsyncConnection, account: Account, terms: Terms, *, on: date
) -> SoldPlan | None:
    """Return what terms mean on a day.

    None while there is no such version, it has no such plan, or the overrides do not fit it.
    """
    if terms.price_version is None and not terms.overrides:
        return await _read_kept(connection, account, terms, on=on)
    version = await find_version(connection, account, terms, on=on)
    return None if version is None else plan_of(version, terms)


@dataclass(frozen=True)
class KnownPlans:
    """What `read_plan` found, for as long as a transaction that asks for the same again and again.

    Versions that are published meanwhile are not seen: nor would they be a moment earlier.
    """

    found: dict[tuple[str, date], SoldPlan | None] = field(default_factory=dict)

    async def read(
        self, connection: AsyncConnection, account: Account, terms: Terms, *, on: date
    ) -> SoldPlan | None:
        """Return what `read_plan` returns."""
        key = (repr(terms), on)
        if key not in self.found:
            self.found[key] = await read_plan(connection, account, terms, on=on)
        return self.found[key]


async def _read_kept(
    connection: AsyncConnection, account: Account, terms: Terms, *, on: date
) -> SoldPlan | None:
    """Return what most are on, the version in force with nothing of their own: a plan is kept."""
    version = await catalog.hash_in_force(connection, account, terms.price_book, on=on)
    if version is None:
        return None
    priced = await plans.find(connection, account, version, terms.plan)
    if priced is None:
        return None
    return SoldPlan(
        price_book=terms.price_book,
        price_version=version["version"],
        price_hash=version["content_hash"],
        currency=priced.currency.code,
        plan=priced.plan,
        overridden={},
        overrides=content_of(()),
    )


def plan_of(version: RowMapping, terms: Terms) -> SoldPlan | None:
    """Return what terms mean by a version; None if it lacks the plan, or overrides do not fit."""
    content = PriceBookContent.model_validate(version["content"])
    number, digest = version["version"], version["content_hash"]
    return plan_of_content(content, terms, price_version=number, price_hash=digest)


def plan_of_content(
    content: PriceBookContent, terms: Terms, *, price_version: int, price_hash: str
) -> SoldPlan | None:
    """Return the same of a content, whether it is stored as that version or not."""
    plan = (
        overridden_plan(content, terms.overrides, terms.plan)
        if terms.overrides
        else content.plan(terms.plan)
    )
    if plan is None:
        return None
    return SoldPlan(
        price_book=terms.price_book,
        price_version=price_version,
        price_hash=price_hash,
        currency=content.currency,
        plan=plan,
        overridden=words_of(content, terms.overrides),
        overrides=content_of(terms.overrides),
    )
