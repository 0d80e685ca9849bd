"""Meters of metering: which exist, so that a published book names no other."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.meters import METER_PREFIX
from services.pricing.repository import meters
from services.pricing.schemas.price_book import PriceBookContent
from services.pricing.schemas.single_values import event_faults, single_value_faults
from shared.accounts.repository import Account
from shared.errors import Fault
from shared.events.usage_aggregated import MeterDefined


async def remember_meter(connection: AsyncConnection, message: MeterDefined) -> None:
    """Note that a version of a meter exists; twice is once."""
    await meters.store(connection, message)


async def meter_faults(
    connection: AsyncConnection, account: Account, content: PriceBookContent
) -> list[Fault]:
    """Return a fault for each place of a book that names a meter which does not exist.

    And for each that asks more of one that does not add up than its single value can tell, and for
    each charge that would need events to be told one by one.
    """
    named = list(named_meters(content))
    known = await meters.read_kinds(connection, account) if named else {}
    faults = [_unknown(path, kind) for path, kind in named if kind not in known]
    pools = {pool.key: pool for pool in content.pools}
    for index, charge in enumerate(content.charges):
        path = f"charges[{index}]"
        own = {kind for place, kind in named if place.startswith(f"{path}.")}
        singles = sorted(kind for kind in own if not known.get(kind, True))
        if singles:
            faults += single_value_faults(charge, path, singles, pools)
        else:
            faults += event_faults(charge, path)
    return faults


def _unknown(path: str, kind: str) -> Fault:
    message = (
        f"Metering has not told of {kind!r}: a meter is named meter:<name>@<version>, and made"
        " with POST /v1/meters (POST /v1/republish tells of all again)."
    )
    return Fault("unknown_meter", path, message)


def named_meters(content: PriceBookContent) -> Iterator[tuple[str, str]]:
    """Return (place, kind) of every meter that a charge names; patterns name none."""
    for index, charge in enumerate(content.model_dump(mode="json")["charges"]):
        for path, kind in _kinds(charge, f"charges[{index}]"):
            if kind.startswith(METER_PREFIX) and "*" not in kind:
                yield path, kind


def _kinds(part: Any, path: str) -> Iterator[tuple[str, str]]:
    """Return the kinds in a part of a charge: in lists of that name, and as names of prices."""
    if isinstance(part, list):
        for place, item in enumerate(part):
            yield from _kinds(item, f"{path}[{place}]")
    elif isinstance(part, dict):
        for name, value in part.items():
            here = f"{path}.{name}"
            if name == "kinds":
                yield from ((f"{here}[{place}]", kind) for place, kind in enumerate(value))
            elif name == "unit_amounts":
                yield from ((f"{here}.{kind}", kind) for kind in value)
            else:
                yield from _kinds(value, here)
