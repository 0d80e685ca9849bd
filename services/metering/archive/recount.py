"""The recount of a booked day, by DuckDB from the archive alone.

It shares nothing with the worker but the log: its own way to tell first events from repeats, its
own way through revisions and corrections, its own sums. It is told the sealed offsets, the
positions that were rejected, and those that another instrument had booked.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa

from services.metering.archive import recount_sql as sql
from services.metering.archive.parquet_rows import open_duckdb, rows_of
from services.metering.archive.storage import ArchiveStorage
from services.metering.domain.versions import Position
from services.metering.repository.archive import ManifestRow
from shared.accounts.repository import Account

DIFFERENCES_SHOWN = 50
THREADS = 2
MEMORY_LIMIT = "1GB"
"""Beyond it DuckDB writes to temporary files."""

Report = Callable[[str], None]
"""Called with what is being done."""


def _say_nothing(_step: str) -> None:
    pass


BOOKED_SCHEMA = pa.schema(
    [
        *(
            pa.field(
                name,
                pa.bool_()
                if name == "batch"
                else pa.date32()
                if name == "usage_day"
                else pa.string(),
            )
            for name in sql.KEY
        ),
        pa.field("quantity", pa.decimal128(38, 9)),
        pa.field("events", pa.int64()),
    ]
)
"""The rollup of the day as it is compared: one row per tenant and all daily dimensions."""


@dataclass(frozen=True)
class Question:
    """What is to be counted: everything booked on `day`, at the offsets `sealed`, exclusive.

    `late` is where the previous seal stood: from there on (inclusive) events of earlier days are
    booked in this day. None: nothing late is.
    """

    account: Account
    day: date
    sealed: Mapping[int, int]
    late: Mapping[int, int] | None = None
    rejected: Sequence[Position] = ()
    losers: Sequence[Position] = ()


@dataclass(frozen=True)
class Difference:
    """One row in which the two ways do not agree; the worker's figures are `counted`."""

    key: Mapping[str, Any]
    counted: Decimal
    recounted: Decimal
    counted_events: int
    recounted_events: int


@dataclass(frozen=True)
class Recounted:
    """How many events were booked, and where the two ways differ: the first, and how many."""

    events: int
    differing_rows: int
    differences: list[Difference] = field(default_factory=list)


class Recount:
    """One recount. `run` blocks and belongs into a thread; `interrupt` ends it from another."""

    def __init__(self, storage: ArchiveStorage, files: Sequence[ManifestRow]) -> None:
        self._storage = storage
        self._files = files
        self._sources = 0
        self._duckdb: duckdb.DuckDBPyConnection | None = None

    def interrupt(self) -> None:
        """Have `run` raise soon."""
        if self._duckdb is not None:
            self._duckdb.interrupt()

    def run(
        self, question: Question, booked: pa.Table, *, report: Report = _say_nothing
    ) -> Recounted:
        """Count again and compare with `booked`, a table of `BOOKED_SCHEMA`."""
        with open_duckdb(threads=THREADS, memory=MEMORY_LIMIT) as self._duckdb:
            self._set_up(question, booked)
            report("revisions and corrections")
            has_special = self._follow_versions(question)
            report("repeated events")
            source = self._source(self._usage_files(question))
            self._execute(sql.repeats(source))
            report("sums")
            self._sum(source, has_special=has_special)
            report("comparison")
            return self._compare()

    @property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        assert self._duckdb is not None, "the database is open while it runs"
        return self._duckdb

    def _execute(self, statement: str, values: Sequence[Any] = ()) -> duckdb.DuckDBPyConnection:
        return self._connection.execute(statement, values)

    def _set_up(self, question: Question, booked: pa.Table) -> None:
        for statement in sql.TABLES:
            self._execute(statement)
        account = (question.account.vendor_id, question.account.mode, question.day)
        self._execute("insert into account values (?, ?, ?)", account)
        late = question.sealed if question.late is None else question.late
        for partition, offset in question.sealed.items():
            row = (partition, offset, late.get(partition, 0))
            self._execute("insert into vector values (?, ?, ?)", row)
        self._insert_positions("rejected", question.rejected)
        self._insert_positions("losers", question.losers)
        self._connection.register("booked", booked.cast(BOOKED_SCHEMA))

    def _insert_positions(self, name: str, positions: Sequence[Position]) -> None:
        columns = [pa.array([p[i] for p in positions], pa.int64()) for i in range(3)]
        table = pa.Table.from_arrays(columns, names=["partition", "offset", "index"])
        self._connection.register("staged", table)
        self._execute(f"insert into {name} select distinct * from staged")  # noqa: S608
        self._connection.unregister("staged")

    def _source(self, files: Sequence[ManifestRow]) -> str:
        """Return a table expression of the files' rows."""
        self._sources += 1
        paths = [file.path for file in files]
        return rows_of(self._connection, self._storage, paths, name=f"source_{self._sources}")

    def _below(self, question: Question) -> list[ManifestRow]:
        sealed = question.sealed
        return [f for f in self._files if f.first_offset < sealed.get(f.partition, 0)]

    def _usage_files(self, question: Question) -> list[ManifestRow]:
        """Return the files of the day, and of the days of which something came late.

        Of those days all files: an event that comes again late was counted before.
        """
        below = self._below(question)
        late_days = self._late_days(question)
        return [
            file
            for file in below
            if file.usage_day == question.day
            or file.usage_day in late_days
            or (file.usage_day is None and file.rows > file.versions)
        ]

    def _late_days(self, question: Question) -> set[date]:
        """Return the days before this one of which something came after the previous seal."""
        window = [f for f in self._below(question) if _is_in_window(f, question)]
        days = {f.usage_day for f in window if f.usage_day and f.usage_day < question.day}
        if several := [f for f in window if f.usage_day is None and f.rows > f.versions]:
            query = f"select distinct usage_day from {self._source(several)} where usage_day < ?"  # noqa: S608
            days |= {row[0] for row in self._execute(query, (question.day,)).fetchall()}
        return days

    def _follow_versions(self, question: Question) -> bool:
        """Work out what revisions and corrections add to the day; False when there are none."""
        below = self._below(question)
        self._execute(sql.versions(self._source([f for f in below if f.versions])))
        # Whatever came since the previous seal may be what a correction has waited for.
        here = set(self._usage_files(question))
        here |= {file for file in below if _is_in_window(file, question)}
        self._execute(sql.special(self._source([f for f in below if f in here])))
        if not self._number("select count(*) from special"):
            return False
        self._execute(sql.history(self._source(below)))
        self._execute(sql.BOOKED_STEPS)
        return True

    def _sum(self, source: str, *, has_special: bool) -> None:
        steps_source = self._source(self._files_of_steps() if has_special else [])
        rows = sql.selected(source, steps_source, has_special=has_special)
        self._execute(sql.wide_sums(rows))
        lists, units = self._row("select bool_or(has_lists), bool_or(has_units) from wide_sums")
        self._execute(sql.narrow_sums(rows, lists=bool(lists), units=bool(units)))

    def _files_of_steps(self) -> list[ManifestRow]:
        query = 'select distinct partition, "offset" from booked_steps'
        records = self._execute(query).fetchall()
        return [
            file
            for file in self._files
            if any(
                p == file.partition and file.first_offset <= o < file.end_offset for p, o in records
            )
        ]

    def _compare(self) -> Recounted:
        self._execute(sql.differences())
        query = "select * from differences order by all limit ?"
        rows = self._execute(query, (DIFFERENCES_SHOWN,)).fetchall()
        width = len(sql.KEY)
        return Recounted(
            events=self._number("select coalesce(sum(events), 0) from wide_sums"),
            differing_rows=self._number("select count(*) from differences"),
            differences=[
                Difference(dict(zip(sql.KEY, row[:width], strict=True)), *row[width:])
                for row in rows
            ],
        )

    def _number(self, query: str) -> int:
        return int(self._row(query)[0])

    def _row(self, query: str) -> tuple[Any, ...]:
        """Return the one row of a query, fetched to its end: else the connection stays busy."""
        row: tuple[Any, ...] = self._execute(query).fetchall()[0]
        return row


def _is_in_window(file: ManifestRow, question: Question) -> bool:
    return question.late is not None and file.end_offset > question.late.get(file.partition, 0)
