"""Rows of named, typed columns as CSV and Parquet, written piece by piece."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Context, Decimal
from io import TextIOWrapper
from typing import IO, Any, Literal, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from shared.money import format_decimal

Form = Literal["csv", "parquet"]

MEDIA_TYPES: dict[str, str] = {
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "pdf": "application/pdf",
}

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", *"\uff1d\uff0b\uff0d\uff20")
"""A cell that begins so is a formula to a spreadsheet (OWASP, CSV injection); = + - @ in full
width, too."""

Kind = Literal["text", "exact", "money", "quantity", "price", "integer", "day", "instant"]

_PLACES: dict[Kind, int] = {"money": 4, "quantity": 9, "price": 20}
_DIGITS = 38

_TYPES: dict[Kind, pa.DataType] = {
    **{kind: pa.decimal128(_DIGITS, places) for kind, places in _PLACES.items()},
    "text": pa.string(),
    "exact": pa.string(),
    "integer": pa.int64(),
    "day": pa.date32(),
    "instant": pa.timestamp("us", tz="UTC"),
}

_WIDE = Context(prec=2 * _DIGITS)

Row = dict[str, Any]


@dataclass(frozen=True)
class Column:
    """A column; `exact` is a number of ours in words of `shared.money`, which is no formula."""

    name: str
    kind: Kind = "text"


class Sink(Protocol):
    """Takes rows until it is closed; the file under it stays open."""

    def write(self, rows: Iterable[Row]) -> None: ...

    def close(self) -> None: ...


def open_sink(file: IO[bytes], columns: Sequence[Column], form: Form) -> Sink:
    """Begin a file of these columns."""
    return CsvSink(file, columns) if form == "csv" else ParquetSink(file, columns)


class CsvSink:
    """UTF-8, a header line, decimals in full, days and instants as ISO 8601, nothing for null."""

    def __init__(self, file: IO[bytes], columns: Sequence[Column]) -> None:
        self._text = TextIOWrapper(file, "utf-8", newline="", write_through=True)
        self._columns = columns
        self._writer = csv.writer(self._text)
        self._writer.writerow([column.name for column in columns])

    def write(self, rows: Iterable[Row]) -> None:
        self._writer.writerows(
            [_cell(row.get(one.name), one.kind) for one in self._columns] for row in rows
        )

    def close(self) -> None:
        self._text.detach()


def _cell(value: Any, kind: Kind) -> str:
    if value is None:
        return ""
    if kind == "text" and str(value).startswith(FORMULA_STARTS):
        return f"'{value}"  # a number may well begin with a minus
    if isinstance(value, Decimal):
        return format_decimal(value)
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    return value.isoformat() if isinstance(value, date) else str(value)


class ParquetSink:
    """One row group for each piece, zstd. Quantities and prices are rounded to their type."""

    def __init__(self, file: IO[bytes], columns: Sequence[Column]) -> None:
        self._columns = columns
        self._schema = pa.schema([pa.field(one.name, _TYPES[one.kind]) for one in columns])
        self._writer = pq.ParquetWriter(file, self._schema, compression="zstd")

    def write(self, rows: Iterable[Row]) -> None:
        whole = list(rows)
        if not whole:
            return
        arrays = [
            pa.array([_stored(row.get(one.name), one.kind) for row in whole], _TYPES[one.kind])
            for one in self._columns
        ]
        self._writer.write_table(pa.table(arrays, schema=self._schema))

    def close(self) -> None:
        self._writer.close()


def _stored(value: Any, kind: Kind) -> Any:
    if isinstance(value, Decimal):
        return value.quantize(Decimal(1).scaleb(-_PLACES[kind]), context=_WIDE)
    return value
