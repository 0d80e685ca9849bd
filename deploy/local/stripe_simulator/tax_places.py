"""The simulator's automatic tax: a fixed table of places and percentages, never the law.

Sources of the rules, not of the numbers: a US address needs a five-digit postal code, a Canadian
one a province or a postal code, any other a country; without a registration Stripe collects
nothing and reports no error.
"""

import re
from typing import Any

PERCENTAGES = {
    "AT": "20", "AU": "10", "BE": "21", "BG": "20", "CH": "8.1", "CY": "19", "CZ": "21",
    "DE": "19", "DK": "25", "EE": "24", "ES": "21", "FI": "25.5", "FR": "20", "GB": "20",
    "GR": "24", "HR": "25", "HU": "27", "IE": "23", "IN": "18", "IT": "22", "JP": "10",
    "LT": "21", "LU": "17", "LV": "21", "MT": "18", "NL": "21", "NO": "25", "NZ": "15",
    "PL": "23", "PT": "23", "RO": "21", "SE": "25", "SG": "9", "SI": "22", "SK": "23",
    "US-CA": "7.25", "US-IL": "10.25", "US-NY": "8.875", "US-OR": "0", "US-TX": "8.25",
    "US-WA": "10.35", "CA-AB": "5", "CA-BC": "12", "CA-NS": "14", "CA-ON": "13",
    "CA-QC": "14.975",
}  # fmt: skip
# The first characters of a postal code, to a region of the table.
_US_ZONES = {
    "US-CA": range(900, 962), "US-NY": range(100, 150), "US-TX": range(750, 800),
    "US-WA": range(980, 995), "US-IL": range(600, 630), "US-OR": range(970, 980),
}  # fmt: skip
_CA_LETTERS = {"K": "ON", "L": "ON", "M": "ON", "N": "ON", "P": "ON", "V": "BC", "G": "QC",
               "H": "QC", "J": "QC", "T": "AB", "B": "NS"}  # fmt: skip
_US_CODE = re.compile(r"(\d{5})(-\d{4})?", re.ASCII)
_CA_CODE = re.compile(r"([A-Z])\d[A-Z] ?\d[A-Z]\d", re.ASCII | re.IGNORECASE)
_COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)


def place_of(address: dict[str, Any] | None) -> str | None:
    """Return `DE` or `US-CA` for an address, or None where it does not say enough."""
    country = (address or {}).get("country") or ""
    code = (address or {}).get("postal_code") or ""
    state = ((address or {}).get("state") or "").upper()
    if country == "US":
        match = _US_CODE.fullmatch(code)
        return None if match is None else _us_place(match[1], state)
    if country == "CA":
        match = _CA_CODE.fullmatch(code)
        province = state or (_CA_LETTERS.get(match[1].upper(), "") if match else "")
        return f"CA-{province}" if province else ("CA" if match else None)
    return country if _COUNTRY.fullmatch(country) else None


def _us_place(code: str, state: str) -> str:
    zone = int(code[:3])
    found = [place for place, codes in _US_ZONES.items() if zone in codes]
    return found[0] if found else f"US-{state}" if state else "US"
