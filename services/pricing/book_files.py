"""A price book as a YAML file: read with the place of every fault.

The file holds what a version of a book holds, and beside it `book` (its key), `name`, and, where
they are wanted, `effective_on` and the `meters` that its charges name. Numbers are quoted: YAML
would read them as binary floats, and prices are none.
"""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from services.pricing.domain.hashing import content_hash
from services.pricing.schemas.fields import Day, Name
from services.pricing.schemas.price_book import PriceBookContent
from services.pricing.schemas.validation import read_price_book
from shared.errors import Fault, TallyrollError
from shared.faults import faults_of, printable
from shared.ids import Slug

NODES_MAX = 200_000
"""Parts of a file, aliases counted wherever they stand."""

BYTES_MAX = 4 * 1024 * 1024
METERS_MAX = 20
HEAD = ("book", "name", "effective_on", "meters")

Lines = Mapping[str, int]
"""Place ("charges[2].tiers[0].up_to") → line of the file, from 1."""


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


class FaultyFileError(Exception):
    """A file with faults, each with its line."""

    def __init__(self, path: Path, faults: list[tuple[int, Fault]]) -> None:
        super().__init__(f"{path} has {len(faults)} faults")
        self.path = path
        self.faults = faults


def read_book_file(path: Path) -> BookFile:
    """Return a file's book; raises `FaultyFileError` with all faults at once."""
    root, lines, doubled = _parse(path)
    raw = _plain(root)
    faults = list(doubled)
    if not isinstance(raw, dict):
        raise FaultyFileError(path, [(1, Fault("not_an_object", "", "A file holds one book."))])
    head = _read_head({name: raw.pop(name) for name in HEAD if name in raw}, faults)
    content = None
    try:
        content = read_price_book(raw)
    except TallyrollError as error:
        faults += error.faults
    if faults or head is None or content is None:
        raise FaultyFileError(path, located(faults, lines))
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


def _parse(path: Path) -> tuple[Any, Lines, list[Fault]]:
    """Return a file's data, the line of each place, and the keys that stand twice."""
    text = path.read_bytes()
    if len(text) > BYTES_MAX:
        message = f"A file has at most {BYTES_MAX} bytes."
        raise FaultyFileError(path, [(1, Fault("file_too_large", "", message))])
    lines: dict[str, int] = {}
    doubled: list[Fault] = []
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        for count, (place, line, twice) in enumerate(_places(node, "")):
            if count >= NODES_MAX:
                message = f"A file has at most {NODES_MAX} parts."
                raise FaultyFileError(path, [(1, Fault("file_too_large", "", message))])
            lines.setdefault(place, line)
            if twice:
                doubled.append(Fault("duplicate_key", place, "This key stands here twice."))
        return (loader.construct_document(node) if node else None), lines, doubled
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = mark.line + 1 if mark else 1
        message = printable(error.problem or "this cannot be read")
        raise FaultyFileError(path, [(line, Fault("invalid_yaml", "", message))]) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        message = printable(str(error).partition("\n")[0])
        raise FaultyFileError(path, [(1, Fault("invalid_yaml", "", message))]) from error


def _places(node: yaml.Node | None, place: str) -> Iterator[tuple[str, int, bool]]:
    """Return (place, line, whether its key stood before) of every part of a file."""
    if isinstance(node, yaml.MappingNode):
        seen: set[Hashable] = set()
        for key, value in node.value:
            name = str(key.value)
            here = f"{place}.{name}" if place else name
            yield here, key.start_mark.line + 1, name in seen
            seen.add(name)
            yield from _places(value, here)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            here = f"{place}[{index}]"
            yield here, item.start_mark.line + 1, False
            yield from _places(item, here)


def _plain(value: Any) -> Any:
    """Return data as JSON has it: days as text, keys as text."""
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return value.isoformat() if isinstance(value, date) else value
