"""Files that say who was trained when, or which segments tenants belong to: CSV or JSON."""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from services.pricing.schemas.growth.enablement import SegmentWrite, TrainingWrite
from shared.errors import Fault, TallyrollError
from shared.faults import faults_of

Log = Literal["trainings", "segments"]
MODELS: dict[Log, type[BaseModel]] = {"trainings": TrainingWrite, "segments": SegmentWrite}
FILE_BYTES_MAX = 64 * 1024 * 1024


@dataclass(frozen=True)
class Entry:
    """An entry as the API takes it, and where it stands in its file."""

    place: str
    body: dict[str, Any]


def read_entries(path: Path, log: Log) -> list[Entry]:
    """Return the entries of a file: CSV with a header line, or JSON, a list of objects.

    An empty cell is null, or what is left out. Raises `invalid_file` with every fault.
    """
    text = _text_of(path)
    rows = list(_of_json(text, log) if path.suffix == ".json" else _of_csv(text))
    entries, faults = [], []
    for place, row in rows:
        try:
            read = MODELS[log].model_validate(row)
        except ValidationError as error:
            faults += [Fault(f.code, _at(place, f.path), f.message) for f in faults_of(error)]
        else:
            entries.append(Entry(place, read.model_dump(mode="json")))
    if not rows:
        faults = [Fault("nothing", path.name, "The file has no entries.")]
    if faults:
        message = f"{path} has {len(faults)} faults; nothing was written."
        raise TallyrollError("invalid_file", message, subject=str(path), faults=faults)
    return entries


def located(faults: Sequence[Fault], entries: Sequence[Entry]) -> list[Fault]:
    """Return faults of an API, whose paths count entries from 0, with the places of the file."""
    found = []
    for fault in faults:
        number, _, field = fault.path.partition("[")[2].partition("]")
        place = entries[int(number)].place if number.isdigit() else ""
        found.append(Fault(fault.code, _at(place, field.removeprefix(".")), fault.message))
    return found


def _at(place: str, field: str) -> str:
    return f"{place}, {field}" if place and field else place or field


def _text_of(path: Path) -> str:
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise TallyrollError("invalid_file", f"{path} is larger than 64 MiB.")
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise TallyrollError("invalid_file", f"{path} cannot be read: {reason}.") from error


def _of_csv(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    reader = csv.DictReader(text.splitlines())
    for row in reader:
        extra = row.pop(None, None)
        values: dict[str, Any] = {
            name.strip(): (value or "").strip() or None for name, value in row.items()
        }
        if values.get("program") is None:
            values.pop("program", None)
        if extra:
            values["(beyond the header)"] = extra
        yield f"line {reader.line_num}", values


def _of_json(text: str, log: Log) -> Iterator[tuple[str, Any]]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TallyrollError("invalid_file", f"The file is no JSON: {error}.") from error
    rows = found.get(log) if isinstance(found, dict) else found
    if not isinstance(rows, list):
        message = f"The file is a list of objects, or an object with a list `{log}`."
        raise TallyrollError("invalid_file", message)
    yield from ((f"entry {number}", row) for number, row in enumerate(rows, start=1))
