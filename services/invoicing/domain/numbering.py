"""Invoice numbers: the vendor's prefix and a gapless sequence, at most 26 characters."""

import hashlib

PREFIX_LENGTH_MAX = 18
"""Stripe takes numbers of at most 26 characters: 18, a hyphen, and up to 7 digits."""

_HASH_DIGITS = 6


def invoice_prefix(vendor_id: str) -> str:
    """Return the vendor's id in capitals; a long one is cut and ends in part of its hash."""
    if len(vendor_id) <= PREFIX_LENGTH_MAX:
        return vendor_id.upper()
    digest = hashlib.sha256(vendor_id.encode()).hexdigest()[:_HASH_DIGITS]
    return f"{vendor_id[: PREFIX_LENGTH_MAX - _HASH_DIGITS - 1]}-{digest}".upper()


def invoice_number(vendor_id: str, position: int) -> str:
    """Return the number at a position of the vendor's sequence, counted from 1."""
    return f"{invoice_prefix(vendor_id)}-{position:06d}"


def credit_note_number(vendor_id: str, position: int) -> str:
    """Return the number of a credit note: a gapless sequence of its own, counted from 1."""
    return f"{invoice_prefix(vendor_id)}-CN-{position:06d}"
