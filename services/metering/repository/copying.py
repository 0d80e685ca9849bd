"""Writing frames in bulk: text columns as CSV, fixed-width columns as binary COPY."""

from io import BytesIO

import numpy as np
import polars as pl
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database import driver_of

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_WIDE: dict[type[pl.DataType], str] = {
    pl.Int16: ">i2",
    pl.Int32: ">i4",
    pl.Int64: ">i8",
}


async def copy_frame(
    connection: AsyncConnection, table: str, frame: pl.DataFrame, *, schema: str | None = None
) -> None:
    """Append a frame without nulls to a table of the same column names."""
    texts = frame.with_columns(
        pl.concat_str(pl.lit("\\x"), pl.col(name).bin.encode("hex")).alias(name)
        for name, kind in frame.schema.items()
        if kind == pl.Binary
    )
    # Quoted always: in CSV an unquoted empty text would be a null.
    lines = texts.write_csv(include_header=False, quote_style="always").encode()
    driver = await driver_of(connection)
    await driver.copy_to_table(
        table, schema_name=schema, source=BytesIO(lines), columns=frame.columns, format="csv"
    )


async def copy_fixed(connection: AsyncConnection, table: str, frame: pl.DataFrame) -> None:
    """Append a frame of integers and equally long byte strings to a temporary table, in binary.

    Each Binary column holds values of 16 bytes. About ten times as fast as text.
    """
    fields: list[tuple[str, str]] = [("fields", ">i2")]
    for name, kind in frame.schema.items():
        fields += [(f"length of {name}", ">i4"), (name, _WIDE.get(type(kind), "V16"))]
    rows = np.empty(frame.height, dtype=fields)
    rows["fields"] = len(frame.columns)
    for name, kind in frame.schema.items():
        rows[f"length of {name}"] = rows.dtype[name].itemsize
        values = frame[name]
        if kind == pl.Binary:
            rows[name] = np.frombuffer(b"".join(values.to_list()), dtype="V16")
        else:
            rows[name] = values.to_numpy()
    driver = await driver_of(connection)
    source = BytesIO(_HEADER + rows.tobytes() + _TRAILER)
    await driver.copy_to_table(table, source=source, columns=frame.columns, format="binary")
