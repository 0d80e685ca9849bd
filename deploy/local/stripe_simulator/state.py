"""What the simulated accounts hold: one SQLite file (or memory), one transaction per request.

A request's objects, events, deliveries and stored answer become durable together, before the
answer leaves, so that killing the process between two requests loses nothing.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.local.stripe_simulator.errors import StripeError, missing_object

Body = dict[str, Any]

_TABLES = """
CREATE TABLE IF NOT EXISTS objects (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  account TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL,
  UNIQUE (account, kind, id));
CREATE INDEX IF NOT EXISTS by_customer
  ON objects (account, kind, json_extract(body, '$.customer'));
CREATE INDEX IF NOT EXISTS by_invoice
  ON objects (account, kind, json_extract(body, '$.invoice'));
CREATE INDEX IF NOT EXISTS by_number
  ON objects (account, kind, json_extract(body, '$.number'));
CREATE INDEX IF NOT EXISTS by_token ON objects (kind, json_extract(body, '$._token'));
CREATE TABLE IF NOT EXISTS answers (
  account TEXT NOT NULL, key TEXT NOT NULL, fingerprint TEXT NOT NULL,
  status INTEGER NOT NULL, body TEXT NOT NULL, request_id TEXT NOT NULL, created INTEGER NOT NULL,
  PRIMARY KEY (account, key));
CREATE TABLE IF NOT EXISTS deliveries (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL, payload TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0, state TEXT NOT NULL DEFAULT 'pending');
CREATE INDEX IF NOT EXISTS by_state ON deliveries (state, attempts, sequence);
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
# Only these fields are filtered on; the text goes into SQL so that the indexes above are used.
_FIELDS = {
    name: f"json_extract(body, '$.{name}')"
    for name in (
        "collection_method", "created", "customer", "due_date", "email", "invoice", "number",
        "status", "type",
    )
}  # fmt: skip
_OPERATORS = {"eq": "=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


@dataclass(frozen=True)
class Filter:
    field: str
    operator: str
    value: str | int


@dataclass(frozen=True)
class Cursor:
    """Which page: `limit` items after (or before) the item of that id, excluding it."""

    limit: int = 10
    starting_after: str | None = None
    ending_before: str | None = None


class State:
    """All objects of all accounts. An account never sees another's."""

    def __init__(self, path: Path | None = None) -> None:
        self.connection = sqlite3.connect(
            path or ":memory:", isolation_level=None, check_same_thread=False
        )
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = NORMAL")
        self.connection.executescript(_TABLES)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def put(self, account: str, kind: str, body: Body) -> None:
        self.connection.execute(
            "INSERT INTO objects (account, kind, id, body) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (account, kind, id) DO UPDATE SET body = excluded.body",
            (account, kind, body["id"], json.dumps(body)),
        )

    def get(self, account: str, kind: str, identifier: str) -> Body | None:
        row = self.connection.execute(
            "SELECT body FROM objects WHERE account = ? AND kind = ? AND id = ?",
            (account, kind, identifier),
        ).fetchone()
        return None if row is None else _loaded(row[0])

    def delete(self, account: str, kind: str, identifier: str) -> None:
        self.connection.execute(
            "DELETE FROM objects WHERE account = ? AND kind = ? AND id = ?",
            (account, kind, identifier),
        )

    def count(self, account: str, kind: str, *filters: Filter) -> int:
        where, values = _where(account, kind, filters)
        row = self.connection.execute(
            f"SELECT count(*) FROM objects WHERE {where}",  # noqa: S608  # fixed texts only
            values,
        ).fetchone()
        return int(row[0])

    def page(
        self, account: str, kind: str, *filters: Filter, cursor: Cursor, oldest_first: bool = False
    ) -> tuple[list[Body], bool]:
        """Return the page's objects and whether more follow in its direction."""
        where, values = _where(account, kind, filters)
        backwards = cursor.ending_before is not None
        param = "ending_before" if backwards else "starting_after"
        anchor = cursor.ending_before if backwards else cursor.starting_after
        ascending = oldest_first != backwards
        if anchor is not None:
            where += f" AND sequence {'>' if ascending else '<'} ?"
            values.append(self._sequence(account, kind, anchor, param))
        order = "ASC" if ascending else "DESC"
        rows = self.connection.execute(
            f"SELECT body FROM objects WHERE {where} "  # noqa: S608  # fixed texts only
            f"ORDER BY sequence {order} LIMIT ?",
            [*values, cursor.limit + 1],
        ).fetchall()
        bodies = [_loaded(row[0]) for row in rows[: cursor.limit]]
        return (bodies[::-1] if backwards else bodies), len(rows) > cursor.limit

    def _sequence(self, account: str, kind: str, identifier: str, param: str) -> int:
        row = self.connection.execute(
            "SELECT sequence FROM objects WHERE account = ? AND kind = ? AND id = ?",
            (account, kind, identifier),
        ).fetchone()
        if row is None:
            raise missing_object(kind.replace("_", " "), identifier, param=param, status=400)
        return int(row[0])

    def everything(self, kind: str) -> list[tuple[str, Body]]:
        """All objects of a type with their account, ordered by account and id."""
        rows = self.connection.execute(
            "SELECT account, body FROM objects WHERE kind = ? ORDER BY account, id", (kind,)
        ).fetchall()
        return [(account, _loaded(body)) for account, body in rows]

    def invoice_by_token(self, token: str) -> tuple[str, Body] | None:
        row = self.connection.execute(
            "SELECT account, body FROM objects "
            "WHERE kind = 'invoice' AND json_extract(body, '$._token') = ?",
            (token,),
        ).fetchone()
        return None if row is None else (str(row[0]), _loaded(row[1]))

    def setting(self, name: str, default: str) -> str:
        row = self.connection.execute(
            "SELECT value FROM settings WHERE name = ?", (name,)
        ).fetchone()
        return default if row is None else str(row[0])

    def set_setting(self, name: str, value: str) -> None:
        self.connection.execute(
            "INSERT INTO settings VALUES (?, ?) "
            "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, value),
        )

    def reset(self) -> None:
        with self.transaction():
            for table in ("objects", "answers", "deliveries", "settings"):
                self.connection.execute(f"DELETE FROM {table}")  # noqa: S608  # fixed names

    def close(self) -> None:
        self.connection.close()


def _where(account: str, kind: str, filters: tuple[Filter, ...]) -> tuple[str, list[str | int]]:
    parts = ["account = ?", "kind = ?"]
    values: list[str | int] = [account, kind]
    for one in filters:
        parts.append(f"{_FIELDS[one.field]} {_OPERATORS[one.operator]} ?")
        values.append(one.value)
    return " AND ".join(parts), values


def _loaded(text: str) -> Body:
    body: Body = json.loads(text)
    return body


def cursor_of(params: Body) -> Cursor:
    if "starting_after" in params and "ending_before" in params:
        raise StripeError(
            "You may only specify one of these parameters: starting_after, ending_before.",
            code="parameters_exclusive",
            param="ending_before",
        )
    return Cursor(
        limit=params.get("limit", 10),
        starting_after=params.get("starting_after"),
        ending_before=params.get("ending_before"),
    )


def filters_of(params: Body, *names: str) -> list[Filter]:
    """Turn list parameters into filters; times may be mappings of bounds."""
    filters = []
    for name in names:
        value = params.get(name)
        if isinstance(value, dict):
            filters += [Filter(name, operator, bound) for operator, bound in value.items()]
        elif value is not None:
            filters.append(Filter(name, "eq", value))
    return filters
