"""What the simulated accounts hold: one SQLite file, one transaction per request.

A request's objects, events, deliveries and stored answer become durable together, before the
answer leaves, so that killing the process between two requests loses nothing. Without a path the
database is SQLite's own temporary file: it grows on disk, not in memory, and ends with the process.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from deploy.local.stripe_simulator.errors import StripeError, missing_object
from deploy.local.stripe_simulator.schema import COLUMNS, DERIVED_FROM, NAMES, PUT, TABLES

Body = dict[str, Any]
FILE_VERSION = 2
# How a request begins, is undone and is kept. In a file of one's own it is durable at once; in the
# temporary one, which nobody opens again, requests are written out together: most of what a commit
# costs is index pages that the next request changes again.
_DURABLE = ("BEGIN IMMEDIATE", ("ROLLBACK",), "COMMIT")
_SOON = (
    "SAVEPOINT request",
    ("ROLLBACK TO request", "RELEASE request"),
    "RELEASE request",
)
REQUESTS_PER_COMMIT = 256

_OPERATORS = {"eq": "=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
DERIVED_MAX = 4096


@dataclass(frozen=True)
class Filter:
    """A comparison; `None` is "not set" with `eq` and "set" with `ne`."""

    field: str
    operator: str
    value: str | int | None


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
            path or "", isolation_level=None, check_same_thread=False, cached_statements=256
        )
        self.durable = path is not None
        self._kept = 0
        self._check_version(path)
        self.connection.execute("PRAGMA journal_mode = " + ("WAL" if path else "MEMORY"))
        self.connection.execute("PRAGMA synchronous = " + ("NORMAL" if path else "OFF"))
        self.connection.execute("PRAGMA cache_size = -65536")  # KiB
        self.connection.executescript(TABLES)
        self.next_timer = self._next_timer()
        self._derived: dict[tuple[str, str], Any] = {}

    def _check_version(self, path: Path | None) -> None:
        """Refuse a file that another version wrote; what is simulated is not worth migrating."""
        tables = self.connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        written = self.connection.execute("PRAGMA user_version").fetchone()[0]
        if tables and written != FILE_VERSION:
            raise ValueError(f"{path} is of another version of the simulator: delete it")
        self.connection.execute(f"PRAGMA user_version = {FILE_VERSION}")

    def derived(self, kind: str, key: str, make: Callable[[], Any]) -> Any:
        """Return what is made of the objects of a type, kept until one of them changes.

        `key` is what `DERIVED_FROM` names for the type.
        """
        found = self._derived.get((kind, key))
        if found is None:
            if len(self._derived) > DERIVED_MAX:
                self._derived.clear()
            found = self._derived[kind, key] = make()
        return found

    @contextmanager
    def transaction(self) -> Iterator[None]:
        begin, undo, keep = _DURABLE if self.durable else _SOON
        if not self.durable and not self.connection.in_transaction:
            self.connection.execute("BEGIN")
        self.connection.execute(begin)
        try:
            yield
        except BaseException:
            for statement in undo:
                self.connection.execute(statement)
            self._derived.clear()
            self.next_timer = self._next_timer()
            raise
        self.connection.execute(keep)
        self._kept += 1
        if not self.durable and self._kept % REQUESTS_PER_COMMIT == 0:
            self.connection.execute("COMMIT")

    @contextmanager
    def rehearsal(self) -> Iterator[None]:
        """Let the block write, and forget it: what a preview needs."""
        self.connection.execute("SAVEPOINT rehearsal")
        try:
            yield
        finally:
            self.connection.execute("ROLLBACK TO rehearsal")
            self.connection.execute("RELEASE rehearsal")
            self._derived.clear()

    def put(self, account: str, kind: str, body: Body) -> None:
        self.put_all(account, kind, [body])

    def put_all(self, account: str, kind: str, bodies: list[Body]) -> None:
        fields = COLUMNS.get(kind, {})
        columns = {column: name for name, column in fields.items()}
        rows = [
            (
                account, kind, body["id"], msgspec.json.encode(body),
                body.get("created", body.get("date")),
                *(body.get(columns[name]) if name in columns else None for name in NAMES),
            )
            for body in bodies
        ]  # fmt: skip
        self.connection.executemany(PUT, rows)
        if kind in DERIVED_FROM:
            field = DERIVED_FROM[kind]
            for key in {body[field] if field else account for body in bodies}:
                self._derived.pop((kind, key), None)

    def get(self, account: str, kind: str, identifier: str) -> Body | None:
        row = self.connection.execute(
            "SELECT body FROM objects WHERE account = ? AND kind = ? AND id = ?",
            (account, kind, identifier),
        ).fetchone()
        return None if row is None else _loaded(row[0])

    def delete(self, account: str, kind: str, identifier: str) -> None:
        self._derived.clear()
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

    def all(self, account: str, kind: str, *filters: Filter) -> list[Body]:
        """Return all objects that match, oldest first."""
        where, values = _where(account, kind, filters)
        rows = self.connection.execute(
            f"SELECT body FROM objects WHERE {where} ORDER BY sequence",  # noqa: S608
            values,
        )
        return [_loaded(row[0]) for row in rows]

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

    def by_token(self, kind: str, token: str) -> tuple[str, Body] | None:
        """Return the account and the object that the secret part of an address names."""
        row = self.connection.execute(
            "SELECT account, body FROM objects WHERE secret = ? AND kind = ?", (token, kind)
        ).fetchone()
        return None if row is None else (str(row[0]), _loaded(row[1]))

    def setting(self, name: str, default: str) -> str:
        row = self.connection.execute(
            "SELECT value FROM settings WHERE name = ?", (name,)
        ).fetchone()
        return default if row is None else str(row[0])

    def set_setting(self, name: str, value: str) -> None:
        self.connection.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, value))

    def schedule(self, account: str, what: str, identifier: str, at: int | None) -> None:
        """Set, or with None remove, the time at which something happens to an object."""
        if at is None:
            self.connection.execute(
                "DELETE FROM timers WHERE account = ? AND id = ? AND what = ?",
                (account, identifier, what),
            )
            return
        self.connection.execute(
            "INSERT OR REPLACE INTO timers VALUES (?, ?, ?, ?)", (at, account, what, identifier)
        )
        self.next_timer = min(at, self.next_timer)

    def due_timers(self, now: int) -> list[tuple[int, str, str, str]]:
        """Take what is due, the earliest first: (time, account, what, id)."""
        rows = self.connection.execute(
            "DELETE FROM timers WHERE at <= ? RETURNING at, account, what, id", (now,)
        ).fetchall()
        self.next_timer = self._next_timer()
        return sorted(rows)

    def _next_timer(self) -> int:
        row = self.connection.execute("SELECT min(at) FROM timers").fetchone()
        return 1 << 62 if row[0] is None else int(row[0])

    def reset(self) -> None:
        self._derived.clear()
        with self.transaction():
            for table in ("objects", "answers", "deliveries", "timers", "settings"):
                self.connection.execute(f"DELETE FROM {table}")  # noqa: S608  # fixed names
        self.next_timer = self._next_timer()

    def close(self) -> None:
        self.connection.close()


def _where(
    account: str, kind: str, filters: tuple[Filter, ...]
) -> tuple[str, list[str | int | None]]:
    parts = ["account = ?", "kind = ?"]
    values: list[str | int | None] = [account, kind]
    for one in filters:
        column = "created" if one.field == "created" else COLUMNS[kind][one.field]
        if one.value is None:
            parts.append(f"{column} IS {'NOT ' if one.operator == 'ne' else ''}NULL")
            continue
        parts.append(f"{column} {_OPERATORS[one.operator]} ?")
        values.append(one.value)
    return " AND ".join(parts), values


def _loaded(blob: bytes) -> Body:
    body: Body = msgspec.json.decode(blob)
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
