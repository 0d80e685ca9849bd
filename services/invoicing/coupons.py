"""Use cases of coupons: set, ended, and those that a statement's invoice has."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.domain.coupons import Coupon, NamedCoupon
from services.invoicing.models import StoredCoupon
from services.invoicing.repository import coupons as repository
from shared.accounts.repository import Account, read_tenant
from shared.clock import Clock
from shared.errors import conflict
from shared.events.statement_rated import StatementRated
from shared.money import parse_exact

_WITHOUT = frozenset({"progressive", "topup"})


async def lock_valid(
    connection: AsyncConnection, account: Account, statements: Sequence[StatementRated]
) -> list[list[NamedCoupon]]:
    """Return the coupons of each statement's invoice in their order, locked as they may run out.

    The statements are of different tenants. An opening is part of the period that it opens: coupons
    go on it alike. A progressive statement is a part on account, taken off the period's own one,
    which has the coupons of all of it. An order of credit has its price: coupons go on what the
    credit pays for.
    """
    by_tenant: dict[str, list[StoredCoupon]] = {
        one.tenant_id: [] for one in statements if one.kind not in _WITHOUT
    }
    for stored in await repository.lock_coupons(connection, account, list(by_tenant)):
        by_tenant[stored.tenant_id].append(stored)
    return [
        [
            named_coupon(stored)
            for stored in by_tenant.get(one.tenant_id, ())
            if stored.is_for(one.period_start, one.currency)
        ]
        for one in statements
    ]


def named_coupon(stored: StoredCoupon) -> NamedCoupon:
    """Return a coupon with the words that stand on invoices for it."""
    coupon = Coupon(
        key=stored.coupon_id,
        percent=None if stored.percent is None else parse_exact(stored.percent),
        amount=None if stored.amount is None else parse_exact(stored.amount),
        applies_to=None if stored.applies_to is None else frozenset(stored.applies_to),
    )
    off = f"{stored.percent} %" if stored.percent else f"{stored.amount} {stored.currency}"
    return NamedCoupon(coupon, f"{stored.name}: {off} off")


async def create_coupon(
    connection: AsyncConnection, account: Account, values: dict[str, Any], *, by: str, clock: Clock
) -> StoredCoupon:
    """Give a tenant a coupon; the same again is the one that is there.

    Raises `unknown_tenant`, `coupon_exists` when another one has the id.
    """
    tenant_id, coupon_id = values["tenant_id"], values["coupon_id"]
    await read_tenant(connection, account, tenant_id)
    stamped = values | {"created_by": by, "created_at": clock.now()}
    await repository.insert_coupon(connection, account, stamped)
    stored = await repository.read_coupon(connection, account, tenant_id, coupon_id)
    if any(getattr(stored, name) != value for name, value in values.items()):
        message = "The tenant has another coupon of this id; coupons never change."
        raise conflict("coupon_exists", message, subject=coupon_id)
    return stored


async def end_coupon(
    connection: AsyncConnection,
    account: Account,
    tenant_id: str,
    coupon_id: str,
    *,
    by: str,
    clock: Clock,
) -> StoredCoupon:
    """Let invoices that are drafted from now on be without it; twice is once."""
    stored = await repository.read_coupon(connection, account, tenant_id, coupon_id)
    await repository.end_coupon(connection, account, stored, by=by, now=clock.now())
    return await repository.read_coupon(connection, account, tenant_id, coupon_id)
