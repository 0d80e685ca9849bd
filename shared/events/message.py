"""What every message has in common."""

from abc import ABC, abstractmethod
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer

from shared.ids import length_prefixed
from shared.money import format_decimal, parse_decimal
from shared.topics import Topic

Mode = Literal["test", "live"]
"""Test and live are two worlds: the mode is part of every key and row."""


def _read_decimal(value: Any) -> Decimal:
    if isinstance(value, Decimal):
        return value
    if isinstance(value, str):
        return parse_decimal(value)
    raise ValueError("a quantity is a decimal string")


Quantity = Annotated[
    Decimal, BeforeValidator(_read_decimal), PlainSerializer(format_decimal, return_type=str)
]
"""An exact decimal; a plain decimal string on the wire, never a JSON number."""


class Frozen(BaseModel):
    """A value that never changes and has no fields but its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Message(Frozen, ABC):
    """A record of a topic. The header `type` names the class, `version` its schema's version."""

    topic: ClassVar[Topic]
    version_of_schema: ClassVar[int] = 1

    vendor_id: str
    mode: Mode

    @abstractmethod
    def key_parts(self) -> tuple[str, ...]:
        """Return what the record's key is made of."""

    def key(self) -> bytes:
        """Return the record's key: its parts length-prefixed, so that no two can be confused."""
        return length_prefixed(*self.key_parts())
