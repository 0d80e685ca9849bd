"""API keys: how they are made, stored and checked.

A key is `tr_<mode>_<key id>_<secret>`: the prefix is for secret scanners, the id finds the row, the
secret has 256 bits from the operating system. Stored is only HMAC-SHA256(pepper, secret): a fast
hash is right for a secret of full entropy, and a stolen table without the pepper opens nothing.
"""

import hmac
import re
import secrets
from dataclasses import dataclass
from enum import StrEnum

from shared.events.message import Mode

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SECRET_BYTES = 32
SECRET_LENGTH = 43
KEY_ID_BYTES = 8

_KEY = re.compile(r"tr_(test|live)_([0-9a-f]{16})_([0-9A-Za-z]{43})\Z")


class Scope(StrEnum):
    """What a key may do."""

    EVENTS_WRITE = "events:write"
    EVENTS_CORRECT = "events:correct"
    EVENTS_BACKFILL = "events:backfill"
    USAGE_READ = "usage:read"
    CATALOG_WRITE = "catalog:write"
    BILLING_READ = "billing:read"
    BILLING_WRITE = "billing:write"
    BUDGETS_WRITE = "budgets:write"
    ACCOUNTS_WRITE = "accounts:write"


@dataclass(frozen=True)
class ParsedKey:
    """The parts of a well-formed key."""

    mode: Mode
    key_id: str
    secret: str


def mint_key(mode: Mode) -> ParsedKey:
    """Return a fresh key of 256 random bits."""
    number = int.from_bytes(secrets.token_bytes(SECRET_BYTES))
    digits = []
    for _ in range(SECRET_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        digits.append(ALPHABET[digit])
    return ParsedKey(mode, secrets.token_hex(KEY_ID_BYTES), "".join(digits))


def format_key(key: ParsedKey) -> str:
    """Return the text of a key, the only time it is shown."""
    return f"tr_{key.mode}_{key.key_id}_{key.secret}"


def parse_key(text: str) -> ParsedKey | None:
    """Read a key's text; None when it has not the form of one."""
    match = _KEY.match(text)
    if match is None:
        return None
    mode: Mode = "live" if match[1] == "live" else "test"
    return ParsedKey(mode, match[2], match[3])


def hash_secret(pepper: bytes, secret: str) -> bytes:
    """Return what is stored of a secret: 32 bytes."""
    return hmac.digest(pepper, secret.encode(), "sha256")


def secret_matches(pepper: bytes, secret: str, stored: bytes) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(hash_secret(pepper, secret), stored)
