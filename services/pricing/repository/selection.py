"""Selecting the rows of one account."""

from typing import Any

from sqlalchemy import ColumnElement, Table, and_

from shared.accounts.repository import Account


def owned(table: Table, account: Account, **values: Any) -> ColumnElement[bool]:
    """Return the condition for an account's rows with the given values."""
    columns = {"vendor_id": account.vendor_id, "mode": account.mode, **values}
    return and_(*(table.c[name] == value for name, value in columns.items()))


def keys(account: Account) -> dict[str, Any]:
    """Return the columns that every row of an account has."""
    return {"vendor_id": account.vendor_id, "mode": account.mode}
