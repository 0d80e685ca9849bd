"""Past usage by columns: scanned and added up by DuckDB, exactly, for many tenants at once.

Quantities are integers of one scale, in 128 bits; a sum beyond that is an error and never wrong.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple, Self

import duckdb

from services.pricing.domain.simulation.reach import Reach
from services.pricing.domain.usage import DIMENSIONS, Usage
from shared.errors import TallyrollError

USAGE_COLUMNS = ("tenant_id", *DIMENSIONS, "usage_day", "quantity")
"""Of the file of usage: texts, a day, a decimal without exponent."""

PEOPLE_COLUMNS = ("tenant_id", "user", "model", "kind", "usage_day", "quantity")
"""Of the file of usage by user."""

MEMORY_LIMIT = "256MB"
PLACES_MAX = 20


class Span(NamedTuple):
    """Days `[start, end)` of a tenant; `key` is the caller's own name for what they belong to."""

    key: int
    tenant_id: str
    start: date
    end: date


def create_store(path: Path, usage: Path, people: Path) -> None:
    """Read both files (CSV with a header) into a store at `path`, which must not exist yet.

    Raises `quantities_too_wide` where a quantity does not fit 128 bits at the scale of all.
    """
    with duckdb.connect(path, config={"memory_limit": MEMORY_LIMIT, "threads": "2"}) as database:
        database.execute(f"set temp_directory = '{path}.tmp'")
        try:
            for table, file, columns in (
                ("usage", usage, USAGE_COLUMNS),
                ("people", people, PEOPLE_COLUMNS),
            ):
                _load(database, table, file, columns)
        except (duckdb.ConversionException, duckdb.OutOfRangeException) as error:
            message = "A quantity has more digits than a simulation can add up exactly."
            raise TallyrollError("quantities_too_wide", message) from error


def _load(
    database: duckdb.DuckDBPyConnection, table: str, file: Path, columns: Sequence[str]
) -> None:
    """Load a file as tenant, number of what the row is of, day and quantity, by tenant.

    What rows are of are few combinations of texts: sorting numbers takes half of the time.
    """
    types = ", ".join(f"'{name}': 'VARCHAR'" for name in columns)
    names = ", ".join(f'"{name}"' for name in columns[1:-2])
    texts = ", ".join(f'coalesce("{name}", \'\') as "{name}"' for name in columns[1:-2])
    decimals = "rtrim(split_part(quantity, '.', 2), '0')"
    database.execute(
        f"""create temp view given as select tenant_id, {texts}, usage_day, quantity
            from read_csv('{file}', header = true, auto_detect = false, delim = ',',
                quote = '"', escape = '"', columns = {{{types}}})"""  # noqa: S608 - our own names
    )
    database.execute(
        f"""create table {table}_of as select row_number() over () as number, * from (
            select {names}, max(length({decimals})) as places from given group by {names})"""  # noqa: S608
    )
    database.execute(
        f"create table {table}_scale as select coalesce(max(places), 0) as places from {table}_of"  # noqa: S608
    )
    digits = f"split_part(quantity, '.', 1) || rpad({decimals}, {_places(database, table)}, '0')"
    database.execute(
        f"""create table {table}_rows as select tenant_id, number, usage_day::date as usage_day,
            ({digits})::hugeint as quantity
            from given join {table}_of using ({names}) order by tenant_id"""  # noqa: S608
    )
    database.execute(
        f"""create view {table} as select tenant_id, {names}, usage_day, quantity
            from {table}_rows join {table}_of using (number)"""  # noqa: S608
    )
    database.execute("drop view given")


def _places(database: duckdb.DuckDBPyConnection, table: str) -> int:
    """Return the decimal places that quantities of a table have: they are integers of the last."""
    found = database.execute(f"select places from {table}_scale").fetchone()  # noqa: S608
    assert found is not None, "a store has a scale"
    return int(found[0])


@dataclass(frozen=True)
class UsageStore:
    """An open store; several processes may read one."""

    database: duckdb.DuckDBPyConnection

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a store to read; one thread, since there is a process for each core."""
        settings = {"memory_limit": MEMORY_LIMIT, "threads": "1"}
        return cls(duckdb.connect(path, read_only=True, config={**settings}))

    def close(self) -> None:
        self.database.close()

    def rows(self, spans: Sequence[Span], reach: Reach) -> dict[int, list[Usage]]:
        """Return what was used on the days of each key, added up over what does not matter.

        A row stands on the first day of its span, or on its own day where the reach is by day.
        """
        names = [name if name in reach.dimensions else f"'' as {name}" for name in DIMENSIONS]
        grouped = [name for name in DIMENSIONS if name in reach.dimensions]
        day = "usage.usage_day" if reach.by_day else "wanted.first_day"
        by = ", ".join(["wanted.key", *grouped, day])
        query = f"""
            select wanted.key, {", ".join(names)}, {day}, sum(quantity)
            from usage join wanted on usage.tenant_id = wanted.tenant_id
             and usage.usage_day >= wanted.first_day and usage.usage_day < wanted.end_day
            group by {by} having sum(quantity) <> 0
        """  # noqa: S608 - our own names
        scale = 10 ** _places(self.database, "usage")
        found: dict[int, list[Usage]] = defaultdict(list)
        for key, *values, quantity in self._ask(query, spans):
            used = Fraction(quantity) if scale == 1 else Fraction(quantity, scale)
            found[key].append(Usage._make((*values, used, None)))
        return found

    def people(self, spans: Sequence[Span]) -> dict[int, dict[tuple[str, str, str], Fraction]]:
        """Return what each user used on the days of each key, by (user, model, kind)."""
        query = """
            select wanted.key, people."user", model, kind, sum(quantity)
            from people join wanted on people.tenant_id = wanted.tenant_id
             and people.usage_day >= wanted.first_day and people.usage_day < wanted.end_day
            group by all having sum(quantity) <> 0
        """
        scale = 10 ** _places(self.database, "people")
        found: dict[int, dict[tuple[str, str, str], Fraction]] = defaultdict(dict)
        for key, user, model, kind, quantity in self._ask(query, spans):
            found[key][user, model, kind] = Fraction(quantity, scale)
        return found

    def users(self, spans: Sequence[Span]) -> dict[int, int]:
        """Return how many users used something on the days of each key."""
        query = """
            select key, count(distinct "user") from (
                select wanted.key, people."user", model, kind
                from people join wanted on people.tenant_id = wanted.tenant_id
                 and people.usage_day >= wanted.first_day and people.usage_day < wanted.end_day
                where people."user" <> ''
                group by all having sum(quantity) <> 0
            ) group by key
        """
        return dict(self._ask(query, spans))

    def tenants(self) -> list[str]:
        """Return who used anything, in the order of their ids."""
        rows = self.database.execute("select distinct tenant_id from usage order by 1").fetchall()
        return [tenant_id for (tenant_id,) in rows]

    def kinds_of_price(self, dimensions: Iterable[str]) -> list[Usage]:
        """Return a row of each combination of dimensions that occurs, on any day."""
        kept = set(dimensions)
        names = [name if name in kept else f"'' as {name}" for name in DIMENSIONS]
        query = f"select distinct {', '.join(names)} from usage order by all"  # noqa: S608
        rows = self.database.execute(query).fetchall()
        return [Usage._make((*row, date.min, Fraction(1), None)) for row in rows]

    def total_of(self, dimensions: Iterable[str], spans: Sequence[Span]) -> list[Usage]:
        """Return the sums over all spans together, by dimensions."""
        one = [span._replace(key=0) for span in spans]
        rows = self.rows(one, Reach(frozenset(dimensions)))
        sums: dict[Usage, Fraction] = defaultdict(Fraction)
        for row in rows.get(0, ()):
            sums[row._replace(quantity=Fraction(0), usage_day=date.min)] += row.quantity
        return [row._replace(quantity=total) for row, total in sums.items()]

    def _ask(self, query: str, spans: Sequence[Span]) -> list[Any]:
        """Answer a query that joins the spans as `wanted`."""
        self.database.execute(
            "create or replace temp table wanted"
            " (key integer, tenant_id varchar, first_day date, end_day date)"
        )
        if spans:
            keys, tenants, starts, ends = zip(*spans, strict=True)
            self.database.execute(
                "insert into wanted select unnest(?), unnest(?), unnest(?), unnest(?)",
                [list(keys), list(tenants), list(starts), list(ends)],
            )
        return self.database.execute(query).fetchall()
