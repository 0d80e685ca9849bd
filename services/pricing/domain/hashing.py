"""Hashes of what was rated and of what came out: equal exactly if the content is equal."""

import hashlib
import json
from datetime import date
from fractions import Fraction
from typing import Any

from shared.money import format_exact


def _plain(value: Any) -> Any:
    if isinstance(value, Fraction):
        return format_exact(value)
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no canonical form")


def canonical_json(content: Any) -> bytes:
    """Return the one spelling of plain data: keys sorted, no spaces, amounts as exact text."""
    text = json.dumps(
        content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_plain
    )
    return text.encode()


def content_hash(content: Any) -> str:
    """Return the SHA-256 of the canonical JSON, in hex."""
    return hashlib.sha256(canonical_json(content)).hexdigest()
