"""Ids in Stripe's form: a prefix that names the type and random letters and digits."""

import os
import secrets
import string

_ALPHABET = (string.ascii_letters + string.digits).encode()
_CAPITALS = (string.ascii_uppercase + string.digits).encode()
# A byte to a letter in one pass. The first few letters come a little more often: ids need to be
# unique, not secret; what must be secret is `new_token`.
_TO_ALPHABET = bytes(_ALPHABET[byte % len(_ALPHABET)] for byte in range(256))
_TO_CAPITALS = bytes(_CAPITALS[byte % len(_CAPITALS)] for byte in range(256))


def new_id(prefix: str, *, length: int = 24) -> str:
    return f"{prefix}_{os.urandom(length).translate(_TO_ALPHABET).decode()}"


def new_number_prefix() -> str:
    """Eight capitals and digits: what a customer's automatic invoice numbers begin with."""
    return os.urandom(8).translate(_TO_CAPITALS).decode()


def new_token() -> str:
    """Return 256 random bits: who has the hosted page's address may read the invoice."""
    return secrets.token_urlsafe(32)
