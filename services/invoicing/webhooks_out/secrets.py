"""Signing secrets of endpoints: made here, kept encrypted, several valid during a rotation."""

import json
import secrets
from base64 import b64encode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from standardwebhooks import Webhook

from shared.accounts.repository import Account
from shared.ids import length_prefixed

SECRET_BYTES = 32
"""Standard Webhooks asks for 24 to 64."""

SECRETS_MAX = 3
"""Valid at once: the new one, the one before, and one whose text got lost on its way."""

_KEY_BYTES = 32


@dataclass(frozen=True)
class SigningSecret:
    """A secret, `whsec_…`. `expires_at` is exclusive; None: the newest. Never logged."""

    text: str
    created_at: datetime
    expires_at: datetime | None = None

    def __repr__(self) -> str:
        return "SigningSecret([hidden])"


def new_secret(now: datetime) -> SigningSecret:
    """Return a fresh secret of 256 bits."""
    return SigningSecret(f"whsec_{b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}", now)


def valid_secrets(known: tuple[SigningSecret, ...], now: datetime) -> tuple[SigningSecret, ...]:
    """Return what signs at `now`, the newest first."""
    return tuple(one for one in known if one.expires_at is None or one.expires_at > now)


def sign(known: tuple[SigningSecret, ...], event_id: str, payload: str, now: datetime) -> str:
    """Return the header `webhook-signature`: one signature for each secret, the newest first."""
    return " ".join(Webhook(one.text).sign(event_id, now, payload) for one in known)


@dataclass(frozen=True)
class EndpointKey:
    """Whose endpoint: what a sealed row is bound to."""

    account: Account
    endpoint_id: str


def seal_secrets(secret_key: bytes, key: EndpointKey, known: tuple[SigningSecret, ...]) -> bytes:
    """Encrypt the secrets of one endpoint: a row copied to another endpoint does not open."""
    rows = [
        [one.text, one.created_at.isoformat(), one.expires_at and one.expires_at.isoformat()]
        for one in known
    ]
    return _fernet(secret_key, key).encrypt(json.dumps(rows).encode())


def unseal_secrets(secret_key: bytes, key: EndpointKey, sealed: bytes) -> tuple[SigningSecret, ...]:
    """Decrypt; raises `cryptography.fernet.InvalidToken` under another secret key."""
    rows = json.loads(_fernet(secret_key, key).decrypt(sealed))
    return tuple(
        SigningSecret(
            text,
            datetime.fromisoformat(created_at),
            datetime.fromisoformat(expires_at) if expires_at else None,
        )
        for text, created_at, expires_at in rows
    )


def _fernet(secret_key: bytes, key: EndpointKey) -> Fernet:
    purpose = length_prefixed(
        "tallyroll webhook endpoint 1", key.account.vendor_id, key.account.mode, key.endpoint_id
    )
    derived = HKDF(SHA256(), _KEY_BYTES, salt=None, info=purpose).derive(secret_key)
    return Fernet(urlsafe_b64encode(derived))
