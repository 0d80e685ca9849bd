"""Figures as CSV: a header line, UTF-8, lines end as RFC 4180 says."""

import csv
from collections.abc import Iterable, Sequence
from io import StringIO

Row = Sequence[object]


def csv_table(names: Row, rows: Iterable[Row]) -> str:
    """Return a table as text; None is an empty cell."""
    text = StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(names)
    writer.writerows(["" if value is None else _safe(value) for value in row] for row in rows)
    return text.getvalue()


def _safe(value: object) -> str:
    """Return a cell that no spreadsheet takes for a formula; numbers below 0 stay numbers."""
    text = str(value)
    return f"'{text}" if text.startswith(("=", "+", "@", "\t", "\r")) else text
