"""A YAML file as JSON has its data, with the line of every part.

Nothing is guessed: a key stands once, a day stays text, and what is neither text nor number, true,
false, null, list or object is refused. What YAML takes for a number or for true is remembered, so
that whoever meant text can be told.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from shared.errors import Fault
from shared.faults import printable

NODES_MAX = 200_000
"""Parts of a file, aliases counted wherever they stand."""

BYTES_MAX = 4 * 1024 * 1024
CORE = "tag:yaml.org,2002:"
UNQUOTED = {f"{CORE}bool": "true or false", f"{CORE}int": "a number", f"{CORE}float": "a number"}
PLAIN = {*UNQUOTED, *(f"{CORE}{name}" for name in ("null", "str", "map", "seq", "merge"))}

Lines = Mapping[str, int]
"""Place ("charges[2].tiers[0].up_to") → line of the file, from 1."""


class FaultyFileError(Exception):
    """A file with faults, each with its line."""

    def __init__(self, path: Path, faults: list[tuple[int, Fault]]) -> None:
        super().__init__(f"{path} has {len(faults)} faults")
        self.path = path
        self.faults = faults


@dataclass
class ParsedFile:
    """The data of a file. `unquoted` says by place what YAML takes a text without quotes for."""

    data: Any = None
    lines: dict[str, int] = field(default_factory=dict)
    unquoted: dict[str, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


class _Loader(yaml.SafeLoader):
    """Reads days, and `=`, as the text that they are."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as the base class has it
        first: [(tag, form) for tag, form in resolvers if tag in PLAIN]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def parse_file(path: Path) -> ParsedFile:
    """Return a file's data; raises `FaultyFileError` where it cannot be read.

    `faults` are the keys that stand twice: of these the last is in the data.
    """
    text = path.read_bytes()
    if len(text) > BYTES_MAX:
        raise _refused(path, "file_too_large", f"A file has at most {BYTES_MAX} bytes.")
    try:
        return _parsed(path, _Loader(text))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        message = printable(error.problem or "this cannot be read")
        raise _refused(path, "invalid_yaml", message, line) from error
    except RecursionError as error:
        message = "This nests too deeply to be read, or holds itself."
        raise _refused(path, "invalid_yaml", message) from error
    except (yaml.YAMLError, ValueError) as error:
        message = printable(str(error).partition("\n")[0])
        raise _refused(path, "invalid_yaml", message) from error


def _refused(path: Path, code: str, message: str, line: int = 1) -> FaultyFileError:
    return FaultyFileError(path, [(line, Fault(code, "", message))])


def _parsed(path: Path, loader: _Loader) -> ParsedFile:
    root = loader.get_single_node()
    parsed, unread = ParsedFile(), []
    for count, (place, line, node, twice) in enumerate(_places(root, "")):
        if count >= NODES_MAX:
            raise _refused(path, "file_too_large", f"A file has at most {NODES_MAX} parts.")
        parsed.lines.setdefault(place, line)
        if twice:
            message = "This key stands here twice."
            parsed.faults.append(Fault("duplicate_key", place, message))
        if reason := _unreadable(loader, node):
            unread.append((line, Fault("invalid_yaml", place, reason)))
        elif isinstance(node, yaml.ScalarNode) and node.tag in UNQUOTED:
            parsed.unquoted[place] = f"{node.value} for {UNQUOTED[node.tag]}"
    if unread:
        raise FaultyFileError(path, unread)
    parsed.data = _plain(loader.construct_document(root)) if root else None
    return parsed


def _places(node: yaml.Node | None, place: str) -> Iterator[tuple[str, int, yaml.Node, bool]]:
    """Return (place, line, part, whether its key stood before) of every part of a file."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            here = f"{place}.{name}" if place else name
            yield here, key.start_mark.line + 1, value, name in seen
            seen.add(name)
            yield from _places(value, here)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            here = f"{place}[{index}]"
            yield here, item.start_mark.line + 1, item, False
            yield from _places(item, here)


def _unreadable(loader: _Loader, node: yaml.Node) -> str | None:
    """Return why a part is no plain value; None for one that is."""
    if node.tag not in PLAIN:
        kind = printable(node.tag.removeprefix(CORE))
        return f"A book holds texts, numbers, lists and objects, and nothing tagged {kind}."
    if isinstance(node, yaml.ScalarNode):
        try:
            loader.construct_object(node)
        except ValueError:
            return "This is no number that can be read."
    return None


def _plain(value: Any) -> Any:
    """Return data as JSON has it: keys as text."""
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list) else value
