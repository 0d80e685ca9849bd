"""Reads counts out of a provider's JSON, and notes what is wrong with them."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from tallyroll.event import Fault

COUNT_MAX = 10**15
"""Largest count of one field, inclusive: as in an event."""
MAPPINGS = (dict, Mapping)
"""For `isinstance`, which is quick for a dict, and slow for any other mapping alone."""
DEPTH_MAX = 8
"""How deep an unknown object is searched for counts."""


class Findings:
    """What is wrong with the usage of one line."""

    def __init__(self) -> None:
        self.unreadable: list[Fault] = []
        """Counts that are missing or no counts: no token of the line can be trusted."""
        self.contradictions: list[Fault] = []
        """Counts that do not add up: they are kept and flagged."""
        self.objects: list[Fields] = []
        self.read: dict[str, set[str]] = {}
        """Path of an object → the fields of it that were asked for."""

    def unknown_counts(self) -> list[Fault]:
        """Return the fields that hold counts and that nobody asked for."""
        paths = sorted({path for one in self.objects for path in one.unread_counts()})
        return [Fault("unknown_field", path, "is not known to this version") for path in paths]


class Fields:
    """One JSON object of a provider. An absent field and null are the same."""

    def __init__(
        self,
        values: Mapping[str, object],
        path: str,
        findings: Findings,
        *,
        camel: bool = False,
        faults: list[Fault] | None = None,
    ) -> None:
        """Open an object; `faults` is where those of it go."""
        self.path = path
        self.findings = findings
        self._values = values
        self._camel = camel
        self._faults = findings.unreadable if faults is None else faults
        self._read = findings.read.setdefault(path, set())
        findings.objects.append(self)

    def beside(self) -> "Fields":
        """Return the same object for what is no token: if it is unreadable, tokens stand."""
        faults = self.findings.contradictions
        return Fields(self._values, self.path, self.findings, camel=self._camel, faults=faults)

    def apart(self) -> "Fields":
        """Return the object anew, with findings of its own: it becomes another line."""
        self._read.update(name for name in self._values if isinstance(name, str))
        return Fields(self._values, self.path, Findings(), camel=self._camel)

    def value(self, name: str) -> object:
        """Return a field as it is; in Google's and xAI's dialects by either of its spellings."""
        if not self._camel:
            self._read.add(name)
            return self._values.get(name)
        spellings = (name, _camel_case(name))
        self._read.update(spellings)
        found = [self._values[one] for one in spellings if self._values.get(one) is not None]
        if len(found) > 1 and found[0] != found[-1]:
            self._unreadable("fields_differ", name, "is spelt in two ways with two values")
        return found[0] if found else None

    def text(self, name: str) -> str | None:
        """Return a text, or None if it is none."""
        value = self.value(name)
        return str.__str__(value) if isinstance(value, str) and value else None

    def stated(self, name: str) -> int | None:
        """Return a count, or None if it is not stated or cannot be read."""
        if self._camel:
            value = self.value(name)
        else:
            self._read.add(name)
            value = self._values.get(name)
        if value is None or (value.__class__ is int and 0 <= value <= COUNT_MAX):  # as most are
            return value
        if _is_count(value):
            assert isinstance(value, int)
            return int(value)
        self._unreadable("invalid_count", name, "must be an integer from 0 to 10^15")
        return None

    def count(self, name: str) -> int:
        """Return a count, 0 if it is not stated."""
        return self.stated(name) or 0

    def required(self, name: str) -> int:
        """Return a count without which nothing is known."""
        if self.value(name) is None:
            self._unreadable("missing_field", name, "is required")
        return self.stated(name) or 0

    def total(self, name: str) -> int | None:
        """Return a sum that others are held against; one that is none contradicts them."""
        value = None if self._camel else self._values.get(name)
        if value.__class__ is int and 0 <= value <= COUNT_MAX:  # as most are
            self._read.add(name)
            return value
        return self.beside().stated(name)

    def quantity(self, name: str) -> Decimal:
        """Return what a provider counts in fractions, exactly as it wrote it; 0 if not stated."""
        value = self.value(name)
        if value is None:
            return Decimal(0)
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
            if number.is_finite() and 0 <= number <= COUNT_MAX:
                return number
        self._unreadable("invalid_quantity", name, "must be a number from 0 to 10^15")
        return Decimal(0)

    def inner(self, name: str) -> "Fields":
        """Return an object in a field, empty if it is not stated."""
        value = self.value(name)
        if value is not None and not isinstance(value, MAPPINGS):
            self._unreadable("invalid_object", name, "must be an object")
        return self._opened(name, value)

    def items(self, name: str) -> list["Fields"]:
        """Return the objects of a list, none if it is not stated."""
        value = self.value(name)
        if value is None:
            return []
        if not isinstance(value, list | tuple):
            self._unreadable("invalid_list", name, "must be a list")
            return []
        return [self._item(f"{name}[{at}]", entry) for at, entry in enumerate(value)]

    def names(self) -> list[str]:
        """Return the names of the fields, sorted."""
        return sorted(name for name in self._values if isinstance(name, str))

    def ignore(self, *names: str) -> None:
        """Say of fields that they are known, and no usage."""
        for name in names:
            self.value(name)

    def unread_counts(self) -> Iterable[str]:
        """Yield the paths of the fields that hold counts and that nobody asked for."""
        for name, value in self._values.items():
            if name not in self._read and _holds_count(value, DEPTH_MAX):
                yield self._path(str(name))

    def _item(self, name: str, entry: object) -> "Fields":
        if not isinstance(entry, Mapping):
            self._unreadable("invalid_object", name, "must be an object")
        return self._opened(name, entry)

    def _opened(self, name: str, value: object) -> "Fields":
        values = value if isinstance(value, MAPPINGS) else {}
        return Fields(
            values, self._path(name), self.findings, camel=self._camel, faults=self._faults
        )

    def _path(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def _unreadable(self, code: str, name: str, message: str) -> None:
        fault = Fault(code, self._path(name), message)
        if fault not in self._faults:
            self._faults.append(fault)


def holds_numbers(value: object, depth: int = DEPTH_MAX) -> bool:
    """Return whether an object states any number at all, be it 0."""
    return isinstance(value, Mapping) and any(
        isinstance(entry, int | float) or (depth and holds_numbers(entry, depth - 1))
        for entry in value.values()
    )


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= COUNT_MAX


def _holds_count(value: object, depth: int) -> bool:
    """Return whether there is an integer other than 0; what is nested too deep counts as one."""
    if isinstance(value, bool) or value is None:
        return False
    if isinstance(value, int):
        return value != 0
    if isinstance(value, Mapping):
        value = list(value.values())
    if not isinstance(value, list | tuple):
        return False
    return depth == 0 or any(_holds_count(entry, depth - 1) for entry in value)


def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)
