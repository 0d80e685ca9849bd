"""From a file to rows, one at a time: a file of any length takes the same memory."""

import csv
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import msgspec

from tallyroll.event import Fault

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
LINE_BYTES_MAX = 1024 * 1024
"""A longer line is no event: it is refused, not kept."""


class Row(msgspec.Struct, frozen=True):
    """One line of the file, or one record of a CSV file over several lines."""

    line: int
    """Where it begins, from 1."""
    content: bytes
    """What makes it what it is: its id is taken from this."""
    end: int
    """The offset in the file behind it."""
    values: dict[str, Any]
    fault: Fault | None = None
    """Why it cannot be read; `values` is empty then."""


class _LineError(ValueError):
    """Raised with code and message."""


def read_rows(path: Path, *, is_csv: bool) -> Iterator[Row]:
    """Yield the rows of a file, those that cannot be read with their fault. OSError.

    Empty lines are passed over. ValueError if a CSV file has no usable header.
    """
    with path.open("rb") as file:
        if file.read(len(BYTE_ORDER_MARK)) != BYTE_ORDER_MARK:
            file.seek(0)
        yield from _csv_rows(file) if is_csv else _json_rows(file)


def _json_rows(file: BinaryIO) -> Iterator[Row]:
    for number, end, line in _lines(file):
        content = line.strip()
        if not content:
            continue
        try:
            yield Row(number, content, end, _object(content))
        except _LineError as error:
            yield Row(number, content, end, {}, _fault(error))


def row_of_json(content: bytes) -> Row:
    """Return the row of one JSON object, or its fault."""
    try:
        return Row(1, content, len(content), _object(content))
    except _LineError as error:
        return Row(1, content, len(content), {}, _fault(error))


def _lines(file: BinaryIO) -> Iterator[tuple[int, int, bytes]]:
    """Yield number, end and content; of a line above the limit only as much as shows that."""
    number, end = 0, file.tell()
    while line := file.readline(LINE_BYTES_MAX + 1):
        number += 1
        end += len(line)
        kept, rest = line, line
        while not rest.endswith(b"\n") and (rest := file.readline(LINE_BYTES_MAX)):
            end += len(rest)
        yield number, end, kept


def _object(content: bytes) -> dict[str, Any]:
    if len(content) > LINE_BYTES_MAX:
        raise _LineError("line_too_long", f"is longer than {LINE_BYTES_MAX:,} bytes")
    try:
        text = content.decode()
        # Decimal, so that a quantity stays what the file says.
        found = json.loads(
            text,
            parse_float=Decimal,
            parse_constant=_refuse_constant,
            object_pairs_hook=_without_repetition,
        )
    except UnicodeDecodeError as error:
        raise _LineError("invalid_utf8", "is not UTF-8") from error
    except _LineError:
        raise
    except (ValueError, RecursionError, ArithmeticError) as error:
        raise _LineError("invalid_json", "is no JSON") from error
    if not isinstance(found, dict):
        raise _LineError("invalid_json", "is no JSON object")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise _LineError("invalid_json", f"holds {name}, which is no JSON")


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _LineError("duplicate_key", "says one name twice")
    return found


def _csv_rows(file: BinaryIO) -> Iterator[Row]:
    source = _Counted(file)
    reader = csv.reader(source, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        raise ValueError(f"the header cannot be read: {error}") from error
    if not any(header) or len(set(header)) != len(header):
        raise ValueError("the first line must name each column once")
    while (row := _next_record(reader, source, header)) is not None:
        if row.content:
            yield row


def _next_record(reader: Any, source: "_Counted", header: list[str]) -> Row | None:
    line = source.lines + 1
    source.record = b""
    try:
        cells = next(reader)
    except StopIteration:
        return None
    except csv.Error as error:
        fault = Fault("invalid_csv", "line", str(error))
        return Row(line, source.record.strip() or b"-", source.end, {}, fault)
    content = source.record.strip()
    if cells and len(cells) != len(header):
        message = f"has {len(cells)} cells, the header {len(header)}"
        return Row(line, content, source.end, {}, Fault("invalid_csv", "line", message))
    try:
        content.decode()
    except UnicodeDecodeError:
        return Row(line, content, source.end, {}, Fault("invalid_utf8", "line", "is not UTF-8"))
    filled = {name: cell for name, cell in zip(header, cells, strict=False) if cell != ""}
    return Row(line, content, source.end, filled)


class _Counted:
    """The lines of a file as text for `csv`, with what was read of the record under way."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.lines, self.end, self.record = 0, file.tell(), b""

    def __iter__(self) -> "_Counted":
        return self

    def __next__(self) -> str:
        line = self._file.readline(LINE_BYTES_MAX)
        if not line:
            raise StopIteration
        self.lines += 1
        self.end += len(line)
        self.record += line
        return line.decode(errors="surrogateescape")


def _fault(error: _LineError) -> Fault:
    code, message = error.args
    return Fault(code, "line", message)
