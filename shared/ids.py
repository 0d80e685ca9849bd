"""Identities: how an event id is made canonical and which partition it belongs to."""

import re
from typing import Annotated
from zlib import crc32

import uuid_utils
from pydantic import StringConstraints

IDENTIFIER_PATTERN = r"^[A-Za-z0-9_.:/@+-]{1,128}\Z"
"""What vendors, tenants, agents, models and event ids may look like. `\\Z`, not `$`: the dollar
would accept a trailing newline."""

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
"""Ids that people choose: vendors, tenants, price books, plans, charges. In pydantic's patterns
(the regex crate of Rust) a dollar matches at the very end only."""

_LENGTH_DIGITS_MAX = 9
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\Z")


def new_id() -> str:
    """Return a fresh time-ordered id (UUIDv7, RFC 9562) in its canonical spelling."""
    return str(uuid_utils.uuid7())


def canonical_event_id(event_id: str) -> str:
    """Return the one spelling of an id: a UUID in lower case with hyphens, anything else as is."""
    return event_id.lower() if _UUID.match(event_id) else event_id


def length_prefixed(*parts: str) -> bytes:
    """Join strings injectively: each as its UTF-8 length, a colon, its bytes.

    A plain separator would make ("a-b", "c") and ("a", "b-c") the same key.
    """
    encoded = (part.encode() for part in parts)
    return b"".join(b"%d:%b" % (len(part), part) for part in encoded)


def first_part(joined: bytes) -> str | None:
    """Return the first of the strings that `length_prefixed` joined; None if they were not."""
    length, colon, rest = joined.partition(b":")
    if not colon or not length.isdigit() or len(length) > _LENGTH_DIGITS_MAX:
        return None
    try:
        return rest[: int(length)].decode()
    except UnicodeDecodeError:
        return None


def partition_of(partitions: int, *parts: str) -> int:
    """Return the partition, 0 <= p < partitions, of the given key parts.

    CRC-32 (IEEE 802.3, as zlib computes it) of the length-prefixed UTF-8 parts. For a token event
    the parts are vendor, tenant and the canonical id of the event (of a correction: the id that it
    corrects), so that a re-send always meets its first in the same partition.
    """
    return crc32(length_prefixed(*parts)) % partitions
