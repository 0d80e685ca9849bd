"""The three forms of an answer about usage: JSON, CSV and an Arrow stream."""

import csv
from collections.abc import Iterable
from datetime import UTC, datetime
from io import BytesIO, StringIO
from typing import Any, Literal

import pyarrow as pa
from fastapi import Response
from fastapi.responses import JSONResponse
from sqlalchemy import RowMapping

from services.metering.handlers.usage import UsageSums
from services.metering.repository.usage import Window
from services.metering.schemas import UsageAnswer
from shared.money import format_decimal

Format = Literal["json", "csv", "arrow"]
CSV_TYPE = "text/csv"
ARROW_TYPE = "application/vnd.apache.arrow.stream"
AS_OF = "Tallyroll-As-Of"
QUANTITY = pa.decimal128(38, 9)
"""Quantities have 9 decimal places at most."""

_TYPES: dict[str, Any] = {
    "window_start": pa.timestamp("us", tz="UTC"),
    "batch": pa.bool_(),
    "hour": pa.int16(),
    "usage_day": pa.date32(),
    "booked_day": pa.date32(),
    "quantity": QUANTITY,
    "events": pa.int64(),
}


def choose_format(named: Format | None, accept: str) -> Format:
    """Return the form that a request names, else the first one that it accepts, else JSON."""
    if named is not None:
        return named
    wanted = (part.partition(";")[0].strip().lower() for part in accept.split(","))
    forms: dict[str, Format] = {CSV_TYPE: "csv", ARROW_TYPE: "arrow", "application/json": "json"}
    return next((forms[media] for media in wanted if media in forms), "json")


def as_json(sums: UsageSums, window: Window) -> Response:
    """Return the answer with quantities as exact decimal strings."""
    answer = UsageAnswer.model_validate(
        {
            "as_of": sums.as_of,
            "from": window.first,
            "to": window.end,
            "mode": window.account.mode,
            "rows": list(_rows(sums)),
        }
    )
    return JSONResponse(answer.model_dump(mode="json", by_alias=True))


def _rows(sums: UsageSums) -> Iterable[dict[str, Any]]:
    for row in sums.rows:
        quantity = format_decimal(row["quantity"])
        yield {name: row[name] for name in sums.names} | {
            "quantity": quantity,
            "events": int(row["events"]),
        }


def as_csv(sums: UsageSums, window: Window) -> Response:
    """Return the answer as a file with a header line, quantities in full."""
    text = StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([*sums.names, "quantity", "events"])
    writer.writerows([_written(value) for value in row.values()] for row in _rows(sums))
    return _file(text.getvalue().encode(), sums, window, media=f"{CSV_TYPE}; charset=utf-8")


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return _instant(value)
    return str(value)


def as_arrow(sums: UsageSums, window: Window) -> Response:
    """Return the answer as one Arrow IPC stream, quantities as decimal128(38, 9)."""
    names = (*sums.names, "quantity", "events")
    fields = [pa.field(name, _TYPES.get(name, pa.string()), nullable=False) for name in names]
    columns = [
        pa.array([_stored(row, field.name) for row in sums.rows], type=field.type)
        for field in fields
    ]
    schema = pa.schema(fields, metadata={"as_of": _instant(sums.as_of)})
    sink = BytesIO()
    with pa.ipc.new_stream(sink, schema) as stream:
        stream.write_table(pa.table(columns, schema=schema))
    return _file(sink.getvalue(), sums, window, media=ARROW_TYPE)


def _stored(row: RowMapping, name: str) -> Any:
    # A sum of counts is numeric in Postgres.
    return int(row[name]) if name == "events" else row[name]


def _file(body: bytes, sums: UsageSums, window: Window, *, media: str) -> Response:
    suffix = "arrows" if media == ARROW_TYPE else "csv"
    name = f"usage-{window.first}-{window.end}.{suffix}"
    headers = {
        AS_OF: _instant(sums.as_of),
        "Content-Disposition": f'attachment; filename="{name}"',
    }
    return Response(body, media_type=media, headers=headers)


def _instant(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
