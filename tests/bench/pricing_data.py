"""What pricing is measured on: a book of 12 charges, 200 rows of usage a tenant, their cost.

A quantity follows from the numbers of tenant and row, the same in SQL and in Python. The expected
totals are computed here by another way than the one that bills.
"""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from fractions import Fraction
from math import ceil
from typing import Any

from services.pricing.domain.usage import Usage

BOOK = "bench"
PLAN = "bench"
SEATS = 3
START, END = date(2026, 11, 1), date(2026, 12, 1)
LAST_DAY = END - timedelta(days=1)
KINDS = (
    *("input_uncached", "input_cache_read", "output_text", "output_reasoning"),
    "web_search_requests",
)
MODELS = ("model-a", "model-b")
AGENTS = 2
DAYS = 10
ROWS = len(KINDS) * len(MODELS) * AGENTS * DAYS
"""Rows of usage of one tenant in the month: 200."""

MILLION = 1_000_000


def _charge(
    key: str, model: str, kinds: list[str], models: list[str], **more: Any
) -> dict[str, Any]:
    usage = {"kinds": kinds, "models": models}
    return {"key": key, "name": key.title(), "model": model, "usage": usage, **more}


def _per_million(key: str, kind: str, amount: str) -> dict[str, Any]:
    return _charge(key, "per_unit", [kind], ["model-a"], per=str(MILLION), unit_amount=amount)


def price_book() -> dict[str, Any]:
    """Return the content of a version with 12 charges, two of which meet no usage."""
    charges = [
        {"key": "fee", "name": "Fee", "model": "flat", "amount": "50"},
        {"key": "seats", "name": "Seats", "model": "per_seat", "unit_amount": "20"},
        _charge(
            "input",
            "graduated",
            ["input_uncached"],
            ["model-a"],
            per=str(MILLION),
            tiers=[
                {"up_to": str(MILLION), "unit_amount": "4"},
                {"up_to": None, "unit_amount": "3"},
            ],
        ),
        _per_million("cache", "input_cache_read", "0.4"),
        _per_million("output", "output_text", "18"),
        _per_million("reasoning", "output_reasoning", "18"),
        _charge(
            "model-b",
            "matrix",
            ["input_*", "output_*"],
            ["model-b"],
            per=str(MILLION),
            cells=[
                {"kinds": ["input_uncached"], "unit_amount": "2.5"},
                {"kinds": ["input_cache_read"], "unit_amount": "0.25"},
                {"kinds": ["output_*"], "unit_amount": "15"},
            ],
        ),
        _charge(
            "searches-a",
            "package",
            ["web_search_requests"],
            ["model-a"],
            package_size="1000",
            package_amount="10",
        ),
        _charge(
            "searches-b",
            "graduated",
            ["web_search_requests"],
            ["model-b"],
            tiers=[
                {"up_to": "100000", "unit_amount": "0.01"},
                {"up_to": None, "unit_amount": "0.005"},
            ],
        ),
        {
            "key": "surcharge",
            "name": "Surcharge",
            "model": "surcharge",
            "per": str(MILLION),
            "unit_amount": "0.25",
        },
        _charge("images", "volume", ["images"], ["*"], tiers=[{"up_to": None, "unit_amount": "1"}]),
        _charge("audio", "per_unit", ["input_audio"], ["model-a"], unit_amount="0.001"),
    ]
    plan = {"key": PLAN, "name": "Bench", "charges": [charge["key"] for charge in charges]}
    return {"currency": "USD", "charges": charges, "plans": [plan]}


def quantity(tenant: int, row: int) -> int:
    """Return what a row holds; `QUANTITY_SQL` says the same."""
    return 1_000 + (tenant * 7_919 + row * 104_729) % 100_000


QUANTITY_SQL = "1000 + (t::bigint * 7919 + r::bigint * 104729) % 100000"


def usage_of(tenant: int, *, times: int = 1, agents: int = AGENTS) -> list[Usage]:
    """Return a tenant's rows, with quantities `times` as large; more agents are more rows."""
    return [
        Usage(
            provider="bench",
            agent=f"agent-{agent}",
            model=model,
            kind=kind,
            context_band="32k",
            service_tier="",
            batch="false",
            speed="",
            region="",
            purpose="production",
            status="completed",
            usage_day=LAST_DAY - timedelta(days=DAYS - 1 - day),
            quantity=Fraction(quantity(tenant, row) * times),
        )
        for row, kind, model, agent, day in _rows(agents)
    ]


def _rows(agents: int) -> Iterator[tuple[int, str, str, int, int]]:
    row = 0
    for day in range(DAYS):
        for agent in range(agents):
            for model in MODELS:
                for kind in KINDS:
                    yield row, kind, model, agent, day
                    row += 1


def expected_total(tenant: int) -> Fraction:
    """Return what a tenant's month comes to, from sums and the price list alone."""
    sums = dict.fromkeys(((model, kind) for model in MODELS for kind in KINDS), 0)
    for row, kind, model, _, _ in _rows(AGENTS):
        sums[model, kind] += quantity(tenant, row)
    return expected_of(sums)


def expected_of(sums: Mapping[tuple[str, str], int]) -> Fraction:
    """Return what sums by (model, kind) come to in a month, by the price list alone."""
    a = {kind: sums["model-a", kind] for kind in KINDS}
    b = {kind: sums["model-b", kind] for kind in KINDS}
    tokens = sum(part[kind] for part in (a, b) for kind in KINDS[:4])
    per_million = (
        min(a["input_uncached"], MILLION) * 4
        + max(a["input_uncached"] - MILLION, 0) * 3
        + a["input_cache_read"] * Fraction("0.4")
        + (a["output_text"] + a["output_reasoning"]) * 18
        + b["input_uncached"] * Fraction("2.5")
        + b["input_cache_read"] * Fraction("0.25")
        + (b["output_text"] + b["output_reasoning"]) * 15
        + tokens * Fraction("0.25")
    )
    searches = Fraction(ceil(Fraction(a[KINDS[4]], 1_000)) * 10)
    searches += min(b[KINDS[4]], 100_000) * Fraction("0.01")
    searches += max(b[KINDS[4]] - 100_000, 0) * Fraction("0.005")
    return 50 + SEATS * 20 + per_million / MILLION + searches
