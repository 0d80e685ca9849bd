"""What a rating comes to: lines with exact amounts, their parts and their steps."""

from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from services.pricing.domain.step import Step


@dataclass(frozen=True)
class Detail:
    """The part of a line that one agent on one model caused on one day, by kind."""

    agent: str
    model: str
    kind: str
    usage_day: date
    quantity: Fraction
    amount: Fraction


@dataclass(frozen=True)
class Line:
    """What one charge comes to. The details of a usage line sum to it exactly."""

    line_key: str
    charge: str
    model: str
    name: str
    quantity: Fraction
    unit: str
    amount: Fraction
    steps: tuple[Step, ...]
    details: tuple[Detail, ...]


@dataclass(frozen=True)
class Unrated:
    """Usage that no charge claims."""

    provider: str
    model: str
    kind: str
    quantity: Fraction


@dataclass(frozen=True)
class RatedStatement:
    """A rated period. The same input gives the same hashes."""

    lines: tuple[Line, ...]
    unrated: tuple[Unrated, ...]
    total: Fraction
    input_hash: str
    rating_hash: str
