"""Vendors' Stripe keys at rest: Fernet, under a key of their own derived from the secret key."""

import json
from base64 import urlsafe_b64encode
from dataclasses import dataclass

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared.accounts.repository import Account
from shared.ids import length_prefixed

_KEY_BYTES = 32


@dataclass(frozen=True)
class StripeCredentials:
    """An API key and the secrets that sign webhooks, the newest first. Never logged."""

    api_key: str
    webhook_secrets: tuple[str, ...]

    def __repr__(self) -> str:
        return "StripeCredentials([hidden])"


def seal(secret_key: bytes, account: Account, credentials: StripeCredentials) -> bytes:
    """Encrypt credentials for one account: a row copied to another account does not open."""
    document = json.dumps([credentials.api_key, *credentials.webhook_secrets])
    return _fernet(secret_key, account).encrypt(document.encode())


def unseal(secret_key: bytes, account: Account, sealed: bytes) -> StripeCredentials:
    """Decrypt credentials; raises `cryptography.fernet.InvalidToken` under another secret key."""
    api_key, *webhook_secrets = json.loads(_fernet(secret_key, account).decrypt(sealed))
    return StripeCredentials(api_key, tuple(webhook_secrets))


def _fernet(secret_key: bytes, account: Account) -> Fernet:
    purpose = length_prefixed("tallyroll stripe account 1", account.vendor_id, account.mode)
    derived = HKDF(SHA256(), _KEY_BYTES, salt=None, info=purpose).derive(secret_key)
    return Fernet(urlsafe_b64encode(derived))
