"""Ids in Stripe's form: a prefix that names the type and random letters and digits."""

import secrets
import string

_ALPHABET = string.ascii_letters + string.digits
_CAPITALS = string.ascii_uppercase + string.digits


def new_id(prefix: str, *, length: int = 24) -> str:
    return f"{prefix}_" + "".join(secrets.choice(_ALPHABET) for _ in range(length))


def new_number_prefix() -> str:
    """Eight capitals and digits: what a customer's automatic invoice numbers begin with."""
    return "".join(secrets.choice(_CAPITALS) for _ in range(8))


def new_token() -> str:
    """Return 256 random bits: who has the hosted page's address may read the invoice."""
    return secrets.token_urlsafe(32)
