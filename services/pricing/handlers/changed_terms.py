"""What is checked and stored of any change of a subscription, a phase included."""

from collections.abc import Sequence
from datetime import date
from http import HTTPStatus
from typing import Any, Protocol

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.subscription.terms import Terms
from services.pricing.domain.subscription.timeline import Timeline
from services.pricing.handlers.agreed_prices import misfits
from services.pricing.handlers.timelines import find_version
from services.pricing.repository import catalog, subscription_changes
from services.pricing.schemas.overrides import Override, refuse_faults
from services.pricing.schemas.price_book import PriceBookContent
from shared.accounts.repository import Account
from shared.errors import TallyrollError, conflict
from shared.ids import new_id


class Choice(Protocol):
    """A plan or version to be on; None: as it is."""

    @property
    def price_book(self) -> str | None: ...
    @property
    def plan(self) -> str | None: ...
    @property
    def price_version(self) -> int | None: ...
    @property
    def stays(self) -> bool: ...


def chosen(terms: Terms, choice: Choice) -> Terms:
    """Return terms with what a choice names; a version is not kept from one choice to the next."""
    return Terms(
        choice.price_book or terms.price_book,
        choice.plan or terms.plan,
        choice.price_version,
        terms.overrides,
        choice.stays,
    )


def choice_of(terms: Terms) -> dict[str, Any]:
    """Return a choice of a plan as it is stored."""
    return {
        "price_book": terms.price_book,
        "plan": terms.plan,
        "price_version": terms.price_version,
        "stays": terms.stays,
    }


async def add_change(
    connection: AsyncConnection,
    account: Account,
    subscription_id: str,
    *,
    kind: str,
    content: dict[str, Any],
    on: date,
) -> RowMapping:
    """Store a change of a subscription, with an id of its own."""
    values = {"change_id": new_id(), "kind": kind, "effective_on": on, "content": content}
    return await subscription_changes.add(connection, account, subscription_id, values)


async def refuse_plan(
    connection: AsyncConnection, account: Account, told: Timeline, *, terms: Terms, on: date
) -> None:
    """Refuse a plan that cannot be had on a day, or is paid in another currency."""
    await catalog.read_book(connection, account, terms.price_book)
    version = await find_version(connection, account, terms, on=on)
    if version is None:
        message = f"No such version of {terms.price_book!r} is in force on {on}."
        raise conflict("no_price_version", message, subject=terms.price_book)
    if version["retired_at"] is not None:
        message = f"Version {version['version']} is retired: nothing new starts on it."
        raise conflict("version_retired", message, subject=terms.price_book)
    content = PriceBookContent.model_validate(version["content"])
    if terms.plan not in {plan.key for plan in content.plans}:
        message = f"The book {terms.price_book!r} has no plan {terms.plan!r} on {on}."
        raise TallyrollError("unknown_plan", message, HTTPStatus.NOT_FOUND, terms.plan)
    if told.terms.price_book != terms.price_book:
        first = await catalog.latest_version(connection, account, told.terms.price_book)
        if first is not None and first["content"]["currency"] != content.currency:
            message = "A subscription keeps its currency; another currency is another subscription."
            raise conflict("currency_changed", message, subject=content.currency)


async def refuse_overrides(
    connection: AsyncConnection,
    account: Account,
    told: Timeline,
    *,
    overrides: Sequence[Override],
    on: date,
    path: str = "overrides",
) -> None:
    """Refuse overrides that do not fit the version of a day; raises all of their faults at once."""
    terms, version_on = told.priced_on(on)
    version = await find_version(connection, account, terms, on=version_on)
    if version is None:
        message = f"No version of {terms.price_book!r} is in force on {version_on}."
        raise conflict("no_price_version", message, subject=terms.price_book)
    content = PriceBookContent.model_validate(version["content"])
    written = [override.to_domain() for override in overrides]
    refuse_faults(await misfits(connection, account, content, written, path=path))
