"""Prices that were agreed with one tenant, checked against every version that they change.

They fit the version of the day on which they were set. One that is published later may lack the
charge that they name, or price it in another way: such a version is refused, and so is a change
that lets prices meet a version which they do not fit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from http import HTTPStatus

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.subscription.agreed import Agreed, agreed_from
from services.pricing.domain.subscription.terms import Override
from services.pricing.domain.subscription.timeline import Timeline
from services.pricing.handlers.meters import meter_faults
from services.pricing.handlers.timelines import find_version, timeline_of
from services.pricing.repository import catalog, subscription_changes, subscriptions
from services.pricing.schemas.overrides import (
    UNKNOWN,
    apply_overrides,
    override_faults,
    place_fault,
)
from services.pricing.schemas.price_book import PriceBookContent
from shared.accounts.repository import Account
from shared.errors import Fault, TallyrollError


async def misfits(
    connection: AsyncConnection,
    account: Account,
    content: PriceBookContent,
    overrides: Sequence[Override],
    *,
    path: str = "overrides",
) -> list[Fault]:
    """Return what is wrong with overrides of a version, also what only shows beside meters."""
    faults = override_faults(content, overrides, path=path)
    if any(fault.code not in UNKNOWN for fault in faults):
        return faults
    after = await meter_faults(connection, account, apply_overrides(content, overrides))
    before = await meter_faults(connection, account, content) if after else []
    return faults + [
        place_fault(fault, content, overrides, path=path) for fault in after if fault not in before
    ]


async def stored_faults(
    connection: AsyncConnection,
    account: Account,
    book: str,
    content: PriceBookContent,
    *,
    effective_on: date,
) -> list[Fault]:
    """Return what stored overrides of all subscriptions have against a version from a day on.

    The place of each begins with the subscription: `subscriptions.<id>.overrides[0].key`.
    """
    rows = await subscriptions.list_with_overrides(connection, account, book)
    changes = await subscription_changes.list_of_many(
        connection, account, [row["subscription_id"] for row in rows]
    )
    checks = _Checks(connection, account)
    faults: list[Fault] = []
    for row in rows:
        name = row["subscription_id"]
        for one in agreed_from(timeline_of(row, changes[name]), row["next_start"]):
            ends_before = one.last is not None and one.last < effective_on
            if one.terms.price_book != book or one.keeps_version or ends_before:
                continue
            found = await checks.faults(("", book), content, one)
            told = f"agreed from {one.since} on"
            faults += [_said(fault, told, f"subscriptions.{name}.") for fault in found]
    return list(dict.fromkeys(faults))


async def refuse_misfits(
    connection: AsyncConnection,
    account: Account,
    row: RowMapping,
    *,
    before: Timeline,
    after: Timeline,
) -> None:
    """Refuse a change that lets overrides meet a published version which they do not fit.

    What did not fit before is not the change's fault. Raises `overrides_do_not_fit`.
    """
    checks = _Checks(connection, account)
    known = await _timeline_faults(checks, before, row["next_start"])
    found = await _timeline_faults(checks, after, row["next_start"])
    if faults := [fault for fault in found if fault not in known]:
        message = f"What is agreed with this tenant would not fit: {faults[0].message}"
        name = row["subscription_id"]
        status = HTTPStatus.CONFLICT
        raise TallyrollError("overrides_do_not_fit", message, status, name, faults)


async def _timeline_faults(checks: "_Checks", told: Timeline, since: date) -> list[Fault]:
    faults: list[Fault] = []
    for one in agreed_from(told, since):
        for version in await checks.versions(one):
            key = (str(version["version"]), one.terms.price_book)
            content = PriceBookContent.model_validate(version["content"])
            words = f"agreed from {one.since} on, beside version {version['version']} of {key[1]}"
            faults += [_said(fault, words) for fault in await checks.faults(key, content, one)]
    return list(dict.fromkeys(faults))


def _said(fault: Fault, words: str, prefix: str = "") -> Fault:
    return replace(fault, path=f"{prefix}{fault.path}", message=f"{fault.message} ({words})")


@dataclass
class _Checks:
    """Checks of one transaction: many tenants have the same agreement, and it is looked at once."""

    connection: AsyncConnection
    account: Account
    _found: dict[tuple[str, ...], list[Fault]] = field(default_factory=dict)
    _published: dict[str, set[tuple[str, str]]] = field(default_factory=dict)

    async def versions(self, one: Agreed) -> list[RowMapping]:
        """Return the published versions that price what is agreed."""
        terms = one.terms
        current = await find_version(self.connection, self.account, terms, on=one.first)
        found = [current] if current is not None else []
        if one.keeps_version:
            return found
        later = await catalog.versions_after(
            self.connection, self.account, terms.price_book, on=one.first
        )
        # Of two that take effect on one day, the later one is in force.
        in_force = {row["effective_on"]: row for row in later}.values()
        return found + [
            row
            for row in in_force
            if (one.last is None or row["effective_on"] <= one.last)
            and row["version"] >= (terms.price_version or 0)
        ]

    async def faults(
        self, version: tuple[str, str], content: PriceBookContent, one: Agreed
    ) -> list[Fault]:
        """Return what overrides have against a version, known by (number, book).

        Overrides of what no version of the book ever had are those of another book.
        """
        overrides = one.terms.overrides
        key = (*version, repr(overrides))
        if key not in self._found:
            faults = await misfits(self.connection, self.account, content, overrides)
            if any(fault.code in UNKNOWN for fault in faults):
                other = await self._of_other_books(version[1], overrides)
                faults = [f for f in faults if f.code not in UNKNOWN or f.path not in other]
            self._found[key] = faults
        return self._found[key]

    async def _of_other_books(self, book: str, overrides: Sequence[Override]) -> set[str]:
        if book not in self._published:
            self._published[book] = await catalog.published_keys(
                self.connection, self.account, book
            )
        return {
            f"overrides[{place}].key"
            for place, override in enumerate(overrides)
            if (override.target, override.key) not in self._published[book]
        }
