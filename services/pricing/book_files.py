"""A price book as a YAML file: read with the place of every fault.

The file holds what a version of a book holds, and beside it `book` (its key), `name`, and, where
they are wanted, `effective_on` and the `meters` that its charges name. Numbers are quoted: YAML
would read them as binary floats, and prices are none.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from services.pricing.book_yaml import FaultyFileError, Lines, parse_file
from services.pricing.domain.hashing import content_hash
from services.pricing.schemas.fields import Day, Name
from services.pricing.schemas.price_book import PriceBookContent
from services.pricing.schemas.validation import read_price_book
from shared.errors import Fault, TallyrollError
from shared.faults import faults_of
from shared.ids import Slug

METERS_MAX = 20
HEAD = ("book", "name", "effective_on", "meters")

NO_TEXT = frozenset({"invalid_text", "not_a_decimal_string"})
"""Faults of what should be text."""


class MeterOfBook(BaseModel):
    """A meter that charges of the book name; what a definition may hold is metering's to say."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
    definition: dict[str, Any]


class _Head(BaseModel):
    model_config = ConfigDict(extra="forbid")

    book: Slug
    name: Name
    effective_on: Day | None = None
    meters: list[MeterOfBook] = Field(default_factory=list, max_length=METERS_MAX)


@dataclass(frozen=True)
class BookFile:
    """A file without a fault. `raw` is its content as JSON has it."""

    path: Path
    book: str
    name: str
    effective_on: date | None
    meters: tuple[MeterOfBook, ...]
    content: PriceBookContent
    raw: Mapping[str, Any]
    lines: Lines

    @property
    def content_hash(self) -> str:
        return content_hash(self.content.model_dump(mode="json"))


def read_book_file(path: Path) -> BookFile:
    """Return a file's book; raises `FaultyFileError` with all faults at once."""
    parsed = parse_file(path)
    raw, lines, faults = parsed.data, parsed.lines, list(parsed.faults)
    if not isinstance(raw, dict):
        raise FaultyFileError(path, [(1, Fault("not_an_object", "", "A file holds one book."))])
    head = _read_head({name: raw.pop(name) for name in HEAD if name in raw}, faults)
    content = None
    try:
        content = read_price_book(raw)
    except TallyrollError as error:
        faults += error.faults
    if faults or head is None or content is None:
        hinted = [_hinted(fault, parsed.unquoted) for fault in faults]
        raise FaultyFileError(path, located(hinted, lines))
    return BookFile(
        path,
        head.book,
        head.name,
        effective_on=head.effective_on,
        meters=tuple(head.meters),
        content=content,
        raw=raw,
        lines=lines,
    )


def _hinted(fault: Fault, unquoted: Mapping[str, str]) -> Fault:
    """Return a fault that says what YAML made of a text without quotes."""
    if fault.code not in NO_TEXT or fault.path not in unquoted:
        return fault
    message = f"{fault.message.rstrip('.')}. YAML takes {unquoted[fault.path]}: put it in quotes."
    return replace(fault, message=message)


def located(faults: list[Fault], lines: Lines) -> list[tuple[int, Fault]]:
    """Return faults with their lines, in the order of the file.

    What is not there has the line of what should hold it.
    """
    found = [(_line_of(fault.path, lines), fault) for fault in faults]
    return sorted(found, key=lambda item: (item[0], item[1].path))


def _line_of(path: str, lines: Lines) -> int:
    while path:
        if path in lines:
            return lines[path]
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return 1


def _read_head(values: dict[str, Any], faults: list[Fault]) -> _Head | None:
    try:
        return _Head.model_validate(values)
    except ValidationError as error:
        faults += faults_of(error)
        return None
