"""Hashes of what was rated and of what came out: equal exactly if the content is equal.

What a rating does not use is not in its hash, so that what is added to the language of price books
leaves the hashes of older statements as they are.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from fractions import Fraction
from functools import lru_cache
from itertools import chain
from json.encoder import encode_basestring
from typing import Any

from services.pricing.domain.details import DetailGroup
from services.pricing.domain.statement import Line, Unrated
from services.pricing.domain.step import Step
from services.pricing.domain.usage import DIMENSIONS, UsageGroup
from shared.money import format_exact


def _plain(value: Any) -> Any:
    if isinstance(value, Fraction):
        return format_exact(value)
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no canonical form")


_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_plain
)
_text = _ENCODER.encode
_quoted = encode_basestring
"""What the encoder makes of a string, without its way to find out that it is one."""


def canonical_json(content: Any) -> bytes:
    """Return the one spelling of plain data: keys sorted, no spaces, amounts as exact text."""
    return _text(content).encode()


def content_hash(content: Any) -> str:
    """Return the SHA-256 of the canonical JSON, in hex."""
    return _hash_of_text(_text(content))


def _hash_of_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def hash_of_input(content: Mapping[str, Any], groups: Iterable[UsageGroup]) -> str:
    """Return the hash of terms and usage, as they were rated."""
    parts = {name: _text(value) for name, value in content.items()}
    parts["usage"] = _array(chain.from_iterable(map(_texts_of_group, groups)))
    return _hash_of_text(_object(parts))


def hash_of_rating(lines: Sequence[Line], unrated: Sequence[Unrated], total: Fraction) -> str:
    """Return the hash of what a rating came to."""
    parts = {
        "lines": _array(map(_text_of_line, lines)),
        "unrated": _text([vars(row) for row in unrated]),
        "total": _text(total),
    }
    return _hash_of_text(_object(parts))


# Rows and details are many: their text is written piece by piece, in the very spelling of
# `canonical_json` (a test compares the two), since most of it is the same from row to row.


def _texts_of_group(group: UsageGroup) -> list[str]:
    if group.rows[0].cost is not None:
        return [_text(row._asdict()) for row in group.rows]
    before, after = _spelled(group.dimensions)
    daily = group.daily
    return [
        f'{before}{quantity}{after}{day}"}}'
        for quantity, day in zip(daily.texts, daily.day_texts, strict=True)
    ]


@lru_cache(maxsize=10_000)
def _spelled(dimensions: tuple[str, ...]) -> tuple[str, str]:
    """Return what stands before the quantity of a row, and between it and the day."""
    named = sorted(zip(DIMENSIONS, map(_text, dimensions), strict=True))
    before = "".join(f'"{name}":{text},' for name, text in named if name < "quantity")
    after = "".join(f'"{name}":{text},' for name, text in named if name > "quantity")
    return f'{{{before}"quantity":"', f'",{after}"usage_day":"'


def _text_of_line(line: Line) -> str:
    details = _array(chain.from_iterable(map(_texts_of_details, line.details.groups)))
    steps = _array(map(_text_of_step, line.steps))
    blocked = f'"blocked":{_text(line.blocked)},' if line.blocked else ""
    pools = f'"pools":{_text([vars(use) for use in line.pools])},' if line.pools else ""
    return (
        f'{{"amount":"{format_exact(line.amount)}",{blocked}"charge":{_quoted(line.charge)},'
        f'"details":{details},"line_key":{_quoted(line.line_key)},"model":{_quoted(line.model)},'
        f'"name":{_quoted(line.name)},{pools}"quantity":"{format_exact(line.quantity)}",'
        f'"steps":{steps},"unit":{_quoted(line.unit)}}}'
    )


def _text_of_step(step: Step) -> str:
    amount = format_exact(step.amount)
    return f'{{"amount":"{amount}","description":{_quoted(step.description)},"step":"{step.step}"}}'


def _texts_of_details(group: DetailGroup) -> list[str]:
    before, between = _spelled_detail(group.agent, group.kind, group.model)
    daily = group.daily
    return [
        f'{before}{amount}{between}{quantity}","usage_day":"{day}"}}'
        for amount, quantity, day in zip(group.texts, daily.texts, daily.day_texts, strict=True)
    ]


@lru_cache(maxsize=10_000)
def _spelled_detail(agent: str, kind: str, model: str) -> tuple[str, str]:
    """Return what stands before the amount of a detail, and between that and the quantity."""
    before = f'{{"agent":{_text(agent)},"amount":"'
    return before, f'","kind":{_text(kind)},"model":{_text(model)},"quantity":"'


def _object(parts: Mapping[str, str]) -> str:
    return "{" + ",".join(f'"{name}":{parts[name]}' for name in sorted(parts)) + "}"


def _array(texts: Iterable[str]) -> str:
    return "[" + ",".join(texts) + "]"
