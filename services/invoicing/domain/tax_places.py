"""What Stripe needs of an address to tell where tax is due.

Source: https://docs.stripe.com/tax/customer-locations: a US address needs a five-digit postal code,
a Canadian one a province or a postal code, any other its country.
"""

import re
from collections.abc import Mapping

TAX_ADDRESS = "tax_address_"
MISSING_PREFIX = f"{TAX_ADDRESS}missing"
NOT_LOCATED = f"{TAX_ADDRESS}not_located"
"""Stripe knows no such place, though nothing of the address is missing."""

_US_CODE = re.compile(r"[0-9]{5}(-[0-9]{4})?")


def missing_fields(address: Mapping[str, str]) -> tuple[str, ...]:
    """Return the fields that are missing, or cannot be a place's, in the order of an address."""
    country = address.get("country", "").strip()
    code = address.get("postal_code", "").strip()
    if not country:
        return ("country",) if code else ("country", "postal_code")
    if country == "US" and not _US_CODE.fullmatch(code):
        return ("postal_code",)
    if country == "CA" and not (code or address.get("state", "").strip()):
        return ("postal_code",)
    return ()


def waits_for_place(
    address: Mapping[str, str], not_located: Mapping[str, str] | None
) -> str | None:
    """Return why an invoice with automatic tax waits; None: it goes on.

    `not_located` is the address that Stripe did not know: another one is tried.
    """
    missing = missing_fields(address)
    if missing:
        return f"{MISSING_PREFIX}:{','.join(missing)}"
    return NOT_LOCATED if not_located == address else None
