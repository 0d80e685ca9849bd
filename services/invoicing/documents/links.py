"""Signed links to documents: whoever holds one needs no API key, until it expires.

A link says invoice, format, locale, expiry and the id of the key that signed it; the signature is
HMAC-SHA256 over all of them. Keys rotate: the first signs, every one that is still listed verifies.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from urllib.parse import urlencode

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared.clock import Clock
from shared.errors import TallyrollError
from shared.ids import length_prefixed

PURPOSE = "tallyroll document link 1"
DERIVED_KEY_ID = "main"
SECRET_LENGTH_MIN = 32
STATEMENT, CREDIT_NOTE = "statement", "credit-note"
DAYS_MAX = 90
"""A link is no archive: it ends after so many days at the latest."""


@dataclass(frozen=True)
class Link:
    """What a link leads to; `locale` "" leaves it to tenant and vendor. `expires` in Unix time.

    `invoice_id` is the note's where `kind` is `credit-note`.
    """

    invoice_id: str
    format: str
    locale: str
    expires: int
    kind: str = STATEMENT


class LinkSigner:
    """Signs and verifies links. `keys` by their ids, the one that signs first."""

    def __init__(self, keys: Mapping[str, bytes], clock: Clock) -> None:
        self._keys = dict(keys)
        self._clock = clock

    def path(self, link: Link) -> str:
        """Return the path and query of a signed link."""
        key_id = next(iter(self._keys))
        query = {
            "expires": str(link.expires),
            **({"locale": link.locale} if link.locale else {}),
            "key": key_id,
            "signature": _signature(self._keys[key_id], key_id, link),
        }
        return f"/v1/documents/{link.invoice_id}/{link.kind}.{link.format}?{urlencode(query)}"

    def expiry(self, days: int) -> datetime:
        """Return when a link that is made now ends."""
        return self._clock.now().replace(microsecond=0) + timedelta(days=days)

    def verify(self, link: Link, *, key_id: str, signature: str) -> None:
        """Raise `invalid_link` for one that we did not sign so, `link_expired` for one too old."""
        # An unknown key takes the same way as a wrong signature, so that neither can be told apart.
        secret = self._keys.get(key_id)
        expected = _signature(secret or b"unknown", key_id, link)
        same = hmac.compare_digest(expected.encode(), signature.encode())
        if secret is None or not same:
            message = "This link is not one of ours, or was changed. Ask for a new one."
            raise TallyrollError("invalid_link", message, HTTPStatus.FORBIDDEN)
        if self._clock.now().timestamp() >= link.expires:
            message = "This link has expired. Ask whoever sent it for a new one."
            raise TallyrollError("link_expired", message, HTTPStatus.GONE)


def _signature(secret: bytes, key_id: str, link: Link) -> str:
    parts = [PURPOSE, key_id, link.invoice_id, link.format, link.locale, str(link.expires)]
    if link.kind != STATEMENT:
        parts.append(link.kind)
    return hmac.new(secret, length_prefixed(*parts), hashlib.sha256).hexdigest()


def link_keys(listed: str | None, secret_key: bytes) -> dict[str, bytes]:
    """Return the keys of links: those listed as `id:secret,id:secret`, else one that is derived.

    Raises ValueError for a list that is not of this form.
    """
    if not listed:
        derived = HKDF(SHA256(), SECRET_LENGTH_MIN, salt=None, info=PURPOSE.encode())
        return {DERIVED_KEY_ID: derived.derive(secret_key)}
    keys: dict[str, bytes] = {}
    for entry in listed.split(","):
        key_id, _, secret = entry.strip().partition(":")
        if not key_id.isalnum() or key_id in keys or len(secret) < SECRET_LENGTH_MIN:
            message = (
                f"link keys are id:secret with ids of their own, secrets >= {SECRET_LENGTH_MIN}"
            )
            raise ValueError(message)
        keys[key_id] = secret.encode()
    return keys
