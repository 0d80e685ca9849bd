"""What the demo's vendor sells: three tenants, one price book with a plan for each.

Prices are USD per 1,000,000 tokens; decimals are strings, as everywhere in the API.
"""

from copy import deepcopy
from typing import Any

VENDOR = "tallyroll-demo"
VENDOR_NAME = "Tallyroll Demo"
BOOK = "agents"
EFFECTIVE_ON = "2023-11-01"
CLOSED_THROUGH = "2023-11-30"
PER_MILLION = "1000000"

TENANTS: dict[str, dict[str, Any]] = {
    "acme": {"name": "Acme Corporation", "billing_email": "billing@acme.example"},
    "globex": {"name": "Globex", "billing_email": "accounts@globex.example"},
    "initech": {"name": "Initech", "billing_email": "finance@initech.example"},
}

SUBSCRIPTIONS: dict[str, dict[str, Any]] = {
    "acme": {"plan": "coding"},
    "globex": {"plan": "support"},
    "initech": {"plan": "research", "seats": 25},
}


def _per_unit(key: str, name: str, amount: str, **usage: list[str]) -> dict[str, Any]:
    return {
        "key": key,
        "name": name,
        "model": "per_unit",
        "usage": usage,
        "per": PER_MILLION,
        "unit_amount": amount,
    }


def _tiered(key: str, name: str, model: str, tiers: list[tuple[str | None, str]]) -> dict[str, Any]:
    return {
        "key": key,
        "name": name,
        "model": model,
        "usage": {"kinds": ["input_uncached"]},
        "per": PER_MILLION,
        "tiers": [{"up_to": up_to, "unit_amount": amount} for up_to, amount in tiers],
    }


_CODING = [
    _per_unit(
        f"{model}-{side}",
        f"{model} {side}",
        amount,
        kinds=[kind],
        models=[model],
    )
    for model, side, kind, amount in (
        ("gpt-5", "input", "input_uncached", "1.50"),
        ("gpt-5", "output", "output_text", "12.00"),
        ("gpt-5-mini", "input", "input_uncached", "0.30"),
        ("gpt-5-mini", "output", "output_text", "2.40"),
    )
]

_SUPPORT = [
    {"key": "platform-fee", "name": "Platform fee", "model": "flat", "amount": "500.00"},
    _tiered(
        "support-input",
        "Input tokens",
        "graduated",
        [("10000000", "4.00"), ("20000000", "3.50"), (None, "3.00")],
    ),
    _per_unit("support-output", "Output tokens", "18.00", kinds=["output_text"]),
]

_RESEARCH = [
    {"key": "seats", "name": "Seats", "model": "per_seat", "unit_amount": "20.00"},
    _tiered("research-input", "Input tokens", "volume", [("50000000", "2.50"), (None, "2.20")]),
    _per_unit("cache-read", "Cached input tokens", "0.25", kinds=["input_cache_read"]),
    _per_unit("research-output", "Output tokens", "14.00", kinds=["output_text"]),
]


def price_book() -> dict[str, Any]:
    """Return the content of the price book's first version, the caller's own to change."""
    plans = {"coding": _CODING, "support": _SUPPORT, "research": _RESEARCH}
    return {
        "currency": "USD",
        "charges": [deepcopy(charge) for charges in plans.values() for charge in charges],
        "plans": [
            {"key": key, "name": key.title(), "charges": [charge["key"] for charge in charges]}
            for key, charges in plans.items()
        ],
    }
