"""Shapes of parameters: every endpoint names what it takes, anything else is refused.

A reader takes the raw text or mapping and the parameter's name (`lines[0][amount]`) and returns
the value, or raises. `None` as a value means "unset this field" (Stripe's empty string).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from deploy.local.stripe_simulator.errors import StripeError, not_simulated
from deploy.local.stripe_simulator.forms import Raw

METADATA_KEYS_MAX = 50
METADATA_KEY_LENGTH_MAX = 40
METADATA_VALUE_LENGTH_MAX = 500
_INTEGER = re.compile(r"-?\d{1,18}", re.ASCII)
_DECIMAL = re.compile(r"-?\d{1,18}(\.\d{1,12})?", re.ASCII)


class Reader(Protocol):
    def read(self, raw: Raw, name: str) -> Any: ...


def _text(raw: Raw, name: str) -> str:
    if isinstance(raw, str):
        return raw
    raise StripeError(f"Invalid string: {name} must be a string.", param=name)


@dataclass(frozen=True)
class Text:
    """A string of at most `longest` characters; `clearable` if an empty one unsets the field."""

    longest: int = 5000
    clearable: bool = False

    def read(self, raw: Raw, name: str) -> str | None:
        text = _text(raw, name)
        if not text and self.clearable:
            return None
        if not text:
            raise StripeError(
                f"You passed an empty string for '{name}'. We assume empty values are an attempt "
                f"to unset a field; however '{name}' cannot be unset.",
                code="parameter_invalid_empty",
                param=name,
            )
        if len(text) > self.longest:
            raise StripeError(
                f"Invalid string: must be at most {self.longest} characters", param=name
            )
        return text


@dataclass(frozen=True)
class Integer:
    """A whole number in plain digits, bounds inclusive: `1.0` and `1e3` are none."""

    least: int | None = None
    most: int | None = None

    def read(self, raw: Raw, name: str) -> int:
        text = _text(raw, name)
        if _INTEGER.fullmatch(text) is None:
            raise StripeError(
                f"Invalid integer: {text[:40]}", code="parameter_invalid_integer", param=name
            )
        value = int(text)
        if self.least is not None and value < self.least:
            raise StripeError(
                f"This value must be greater than or equal to {self.least}.", param=name
            )
        if self.most is not None and value > self.most:
            raise StripeError(f"This value must be less than or equal to {self.most}.", param=name)
        return value


def timestamp() -> Integer:
    """Seconds since 1970 that are a date: up to the end of the year 9999."""
    return Integer(least=0, most=253_402_300_799)


@dataclass(frozen=True)
class DecimalText:
    """A number of at most `places` decimals, bounds inclusive. Exponents are refused.

    Read as a `Decimal`; `1E+6`, which Python makes of some numbers, is none.
    """

    places: int = 12
    least: int | None = None
    most: int | None = None

    def read(self, raw: Raw, name: str) -> Decimal:
        text = _text(raw, name)
        if _DECIMAL.fullmatch(text) is None:
            raise StripeError(
                f"Invalid decimal: {text[:40]}", code="parameter_invalid_decimal", param=name
            )
        value = Decimal(text)
        if len(text.partition(".")[2]) > self.places:
            raise StripeError(f"At most {self.places} decimal places are allowed.", param=name)
        if self.least is not None and value < self.least:
            raise StripeError(f"This value must be at least {self.least}.", param=name)
        if self.most is not None and value > self.most:
            raise StripeError(f"This value must be at most {self.most}.", param=name)
        return value


@dataclass(frozen=True)
class Boolean:
    def read(self, raw: Raw, name: str) -> bool:
        text = _text(raw, name)
        if text not in {"true", "false"}:
            raise StripeError(f"Invalid boolean: {text[:40]}", param=name)
        return text == "true"


@dataclass(frozen=True)
class Choice:
    options: tuple[str, ...]

    def read(self, raw: Raw, name: str) -> str:
        text = _text(raw, name)
        if text not in self.options:
            raise StripeError(
                f"Invalid {name}: must be one of {', '.join(self.options)}", param=name
            )
        return text


@dataclass(frozen=True)
class Metadata:
    """Keys to values; an empty value removes its key, an empty string instead removes all."""

    def read(self, raw: Raw, name: str) -> dict[str, str] | None:
        if raw == "":
            return None
        if isinstance(raw, str):
            raise StripeError(f"Invalid object: {name} must be an object.", param=name)
        if len(raw) > METADATA_KEYS_MAX:
            raise StripeError(f"Metadata holds at most {METADATA_KEYS_MAX} keys.", param=name)
        return {key: self._value(key, value, f"{name}[{key}]") for key, value in raw.items()}

    @staticmethod
    def _value(key: str, raw: Raw, name: str) -> str:
        value = _text(raw, name)
        if len(key) > METADATA_KEY_LENGTH_MAX:
            raise StripeError(
                f"Metadata keys can have up to {METADATA_KEY_LENGTH_MAX} characters.", param=name
            )
        if len(value) > METADATA_VALUE_LENGTH_MAX:
            raise StripeError(
                f"Metadata values can have up to {METADATA_VALUE_LENGTH_MAX} characters.",
                param=name,
            )
        return value


@dataclass(frozen=True)
class Shape:
    """A mapping with named fields, `required` among them; any other name is refused."""

    fields: Mapping[str, Reader] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    clearable: bool = False

    def read(self, raw: Raw, name: str = "") -> dict[str, Any] | None:
        if raw == "" and self.clearable:
            return None
        if isinstance(raw, str):
            raise StripeError(f"Invalid object: {name} must be an object.", param=name)
        self._check_names(raw, name)
        return {key: self.fields[key].read(value, _below(name, key)) for key, value in raw.items()}

    def _check_names(self, raw: dict[str, Raw], name: str) -> None:
        for key in raw:
            if key not in self.fields:
                unknown = _below(name, key)[:200]
                raise StripeError(
                    f"Received unknown parameter: {unknown}",
                    code="parameter_unknown",
                    param=unknown,
                )
        for key in self.required:
            if key not in raw:
                absent = _below(name, key)
                raise StripeError(
                    f"Missing required param: {absent}.", code="parameter_missing", param=absent
                )


@dataclass(frozen=True)
class Repeated:
    """A list written as `name[0]`, `name[1]`, … without gaps, of 1 to `most` items."""

    item: Reader
    most: int
    clearable: bool = False

    def read(self, raw: Raw, name: str) -> list[Any]:
        if raw == "" and self.clearable:
            return []
        if isinstance(raw, str) or set(raw) != {str(index) for index in range(len(raw))}:
            raise StripeError(f"Invalid array: {name} must be an array.", param=name)
        if len(raw) > self.most:
            raise StripeError(f"{name} holds at most {self.most} items.", param=name)
        return [self.item.read(raw[str(index)], f"{name}[{index}]") for index in range(len(raw))]


@dataclass(frozen=True)
class TimeFilter:
    """A time, or a mapping of `gt`, `gte`, `lt`, `lte` to times (seconds since 1970)."""

    def read(self, raw: Raw, name: str) -> dict[str, int]:
        if isinstance(raw, str):
            return {"eq": Integer().read(raw, name)}
        bounds = Shape({bound: Integer() for bound in ("gt", "gte", "lt", "lte")})
        return bounds.read(raw, name) or {}


@dataclass(frozen=True)
class Uncovered:
    """A parameter that Stripe takes and the simulator does not: refused by name."""

    def read(self, raw: Raw, name: str) -> Any:
        del raw
        raise not_simulated(f"the parameter {name}", param=name)


def uncovered(*names: str) -> dict[str, Reader]:
    return {name: Uncovered() for name in names}


PAGE: Mapping[str, Reader] = {
    "limit": Integer(least=1, most=100),
    "starting_after": Text(),
    "ending_before": Text(),
}


def _below(name: str, key: str) -> str:
    return f"{name}[{key}]" if name else key


def merged_metadata(old: dict[str, str], change: dict[str, str] | None) -> dict[str, str]:
    """Apply a metadata parameter to what is there, or refuse if too many keys result."""
    if change is None:
        return {}
    merged = {key: value for key, value in {**old, **change}.items() if value}
    if len(merged) > METADATA_KEYS_MAX:
        raise StripeError(f"Metadata holds at most {METADATA_KEYS_MAX} keys.", param="metadata")
    return merged
