"""Everything that a price book can say, and every way of saying it wrong."""

from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.pricing.domain.rating import RatingTerms, rate_period
from services.pricing.domain.seats import Seats
from services.pricing.schemas.price_book import CHARGE_MODELS, PriceBookContent
from services.pricing.schemas.validation import read_price_book
from shared.currencies import CURRENCIES
from shared.errors import TallyrollError
from tests.support.pricing_values import NOVEMBER, fractions, usage

FILE = Path(__file__).parent / "books" / "everything.yaml"
BOOK: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
AT = {charge["key"]: place for place, charge in enumerate(BOOK["charges"])}
POOL_AT = {pool["key"]: place for place, pool in enumerate(BOOK["pools"])}


def faults_of(content: Any) -> set[tuple[str, str]]:
    try:
        read_price_book(content)
    except TallyrollError as error:
        return {(fault.code, fault.path) for fault in error.faults}
    return set()


def changed(*path: str | int, value: Any) -> dict[str, Any]:
    """Return the book with one value replaced or added; a charge is named by its key."""
    content: Any = deepcopy(BOOK)
    place = content
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    return dict(content)


def charge(key: str, *path: str | int, value: Any) -> dict[str, Any]:
    return changed("charges", AT[key], *path, value=value)


MANY = [str(number) for number in range(100)]
HUGE_CELL = {"models": MANY, "kinds": MANY, "service_tiers": MANY, "unit_amount": "1"}


def test_every_model_can_be_sold_and_rated() -> None:
    """The book says everything, has no fault, and its plan rates usage of it."""
    content = read_price_book(BOOK)
    plan = content.plan("everything")
    assert plan is not None
    terms = RatingTerms("h", plan, CURRENCIES["USD"], Seats({"premium": 2}), NOVEMBER)

    rated = rate_period(terms, [usage("input_uncached", 1_000_000, model="claude-x")])

    assert set(CHARGE_MODELS) == {one["model"] for one in BOOK["charges"]}
    lines = {line.charge: line.amount for line in rated.lines}
    assert fractions(450, 80, 5, 0) == tuple(
        lines[key] for key in ("fee", "seats", "input", "models")
    )
    assert () == rated.unrated


def test_stored_content_reads_back_the_same() -> None:
    """What is stored holds everything that was said, and nothing that was not."""
    content = read_price_book(BOOK)
    stored = content.model_dump(mode="json")

    assert content == PriceBookContent.model_validate(stored)
    assert "pools" not in stored["charges"][AT["fee"]]
    assert date(2026, 8, 31).isoformat() == stored["pools"][POOL_AT["promotion"]]["ends_on"]


BAD_NUMBERS = [3, 3.5, True, None, "NaN", "Infinity", "-Infinity", "1e3", "1,5", "0x1", " 1", ""]


@pytest.mark.parametrize("number", BAD_NUMBERS, ids=repr)
@pytest.mark.parametrize(
    ("path", "place"),
    [
        (("charges", AT["models"], "cells", 0, "unit_amount"), "cells[0].unit_amount"),
        (("charges", AT["resold"], "multiplier"), "multiplier"),
        (("charges", AT["long-context"], "tiers", 0, "unit_amounts", "output_text"), ""),
        (("charges", AT["credit-usage"], "conversion", "rates", 0, "units"), ""),
        (("charges", AT["searches"], "package_size"), "package_size"),
        (("pools", 0, "included"), "included"),
        (("plans", 0, "commitment", "amount"), "commitment.amount"),
    ],
)
def test_a_number_is_a_plain_decimal_string(
    number: Any, path: tuple[str | int, ...], place: str
) -> None:
    """No float, no NaN, no infinity, no exponent is a price or a quantity, wherever it stands."""
    found = faults_of(changed(*path, value=number))

    assert ["not_a_decimal_string"] == [code for code, where in found if where.endswith(place)]


@pytest.mark.parametrize(
    ("content", "code", "path"),
    [
        (
            charge("models", "cells", 0, "unit_amount", value="0.0000000000001"),
            "too_many_decimals",
            "models.cells[0].unit_amount",
        ),
        (
            charge("models", "cells", 1, value=BOOK["charges"][AT["models"]]["cells"][0]),
            "duplicate_cell",
            "models.cells[1]",
        ),
        (
            charge("models", "cells", 0, "context_bands", value=["300k"]),
            "unknown_context_band",
            "models.cells[0].context_bands[0]",
        ),
        (
            charge("models", "cells", 0, "models", value=["a*b*c*d*e"]),
            "too_many_wildcards",
            "models.cells[0].models[0]",
        ),
        (
            charge("models", "cells", 0, "models", value=[f"{n}*" for n in range(21)]),
            "too_many_wildcards",
            "models.cells[0].models",
        ),
        (
            charge("models", "cells", 0, value=HUGE_CELL),
            "too_many_combinations",
            "models.cells",
        ),
        (
            charge("models", "multipliers", 0, "dimension", value="mood"),
            "unknown_choice",
            "models.multipliers[0].dimension",
        ),
        (charge("models", "pools", value=["credits"]), "pool_needs_one_price", "models.pools[0]"),
        (charge("models", "free_units", value="1"), "unknown_field", "models.free_units"),
        (charge("fee", "pools", value=["credits"]), "unknown_field", "fee.pools"),
        (
            charge("long-context", "tiers", 0, "up_to", value="250000"),
            "not_a_context_bound",
            "long-context.tiers[0].up_to",
        ),
        (
            charge("long-context", "tiers", 1, "unit_amounts", value={"output_text": "1"}),
            "tier_kinds_differ",
            "long-context.tiers[1].unit_amounts",
        ),
        (
            charge("long-context", "tiers", 1, "up_to", value="1000000"),
            "missing_open_last_tier",
            "long-context.tiers[1].up_to",
        ),
        (
            charge("payouts", "tiers", 0, "up_to", value=None),
            "open_tier_not_last",
            "payouts.tiers[0].up_to",
        ),
        (
            charge("payments", "min_per_event", value="13"),
            "minimum_above_maximum",
            "payments.min_per_event",
        ),
        (
            charge("payments", "usage", "kinds", value=["a", "b"]),
            "events_need_one_kind",
            "payments.usage",
        ),
        (
            charge("actions", "usage", "models", value=["m"]),
            "events_need_one_kind",
            "actions.usage",
        ),
        (
            charge("input", "minimum_amount", value="501"),
            "minimum_above_maximum",
            "input.minimum_amount",
        ),
        (
            charge("input", "commitment", "amount", value="1"),
            "commitment_amount_or_quantity",
            "input.commitment",
        ),
        (
            charge("models", "commitment", value={"quantity": "1"}),
            "commitment_needs_one_price",
            "models.commitment.quantity",
        ),
        (
            charge("fee", "discount_percent", value="101"),
            "above_100_percent",
            "fee.discount_percent",
        ),
        (charge("images", "pools", value=["own", "own"]), "duplicate_key", "images.pools[1]"),
        (charge("images", "pools", value=["none"]), "unknown_pool", "images.pools[0]"),
        (
            charge("images", "usage", "regions", value=["eu"]),
            "per_seat_pool_dimensions",
            "images.pools[0]",
        ),
        (
            charge(
                "credit-usage",
                "conversion",
                "rates",
                1,
                value=BOOK["charges"][AT["credit-usage"]]["conversion"]["rates"][0],
            ),
            "duplicate_rate",
            "credit-usage.conversion.rates[1]",
        ),
        (charge("searches", "rounding", value="half"), "unknown_choice", "searches.rounding"),
        (
            charge("payments", "free_events", value="3"),
            "not_a_whole_number",
            "payments.free_events",
        ),
    ],
)
def test_a_fault_of_a_charge_has_a_code_and_a_place(content: Any, code: str, path: str) -> None:
    """Each thing that can be wrong is told with its stable code, where it is."""
    key, _, rest = path.partition(".")

    assert {(code, f"charges[{AT[key]}].{rest}")} == faults_of(content)


@pytest.mark.parametrize(
    ("content", "code", "path"),
    [
        (changed("pools", 1, "key", value="credits"), "duplicate_key", "pools[1].key"),
        (changed("pools", 1, "ends_on", value="soon"), "not_a_day", ""),
        (changed("pools", 0, "included_per_seat", value="x"), "not_a_decimal_string", "pools[0]"),
        (changed("pools", 0, "included_per_seat", value=1.5), "not_an_object", "pools[0]"),
        (changed("pools", POOL_AT["own"], "measure", value="amount"), "pool_of_each_seat", ""),
        (changed("pools", POOL_AT["own"], "included", value="1"), "pool_of_each_seat", ""),
        (changed("strict", value="yes"), "not_true_or_false", "strict"),
        (changed("plans", 0, "minimum_amount", value="-1"), "negative_price", ""),
        (changed("plans", 0, "maximum_amount", value="0"), "minimum_above_maximum", "plans[0].min"),
    ],
)
def test_a_fault_of_the_book_has_a_code_and_a_place(content: Any, code: str, path: str) -> None:
    """Pools, plans and the book itself are told about as well."""
    assert (code, True) in {(found, where.startswith(path)) for found, where in faults_of(content)}


@pytest.mark.parametrize("bound", ["min_per_event", "max_per_event"])
def test_a_bound_of_an_event_alone_needs_single_events(bound: str) -> None:
    """A price with one bound and nothing else is one of single events, and names one kind."""
    content = deepcopy(BOOK)
    payments = content["charges"][AT["payments"]]
    extras = ("fixed_amount", "free_events", "free_amount", "min_per_event", "max_per_event")
    bare = {name: value for name, value in payments.items() if name not in extras}
    content["charges"][AT["payments"]] = {**bare, bound: "5", "usage": {"kinds": ["a", "b"]}}

    assert {("events_need_one_kind", f"charges[{AT['payments']}].usage")} == faults_of(content)


def test_a_pool_of_seats_is_burned_by_one_charge() -> None:
    """What is left to a seat is known for one charge of a plan only."""
    content = charge("searches", "pools", value=["own"])

    place = BOOK["plans"][0]["charges"].index("searches")
    assert {("per_seat_pool_shared", f"plans[0].charges[{place}]")} == faults_of(content)


def test_every_fault_is_told_at_once() -> None:
    """Faults of pools, charges, currency and plans do not hide one another."""
    content = charge("models", "cells", 0, "unit_amount", value=3.5)
    content["currency"] = "ZZZ"
    content["pools"][0]["included"] = "-1"
    content["charges"][AT["input"]]["tiers"][1]["up_to"] = "5"
    content["charges"][AT["payments"]]["min_per_event"] = "13"
    content["plans"][0]["charges"].append("none")

    assert {
        ("not_a_decimal_string", f"charges[{AT['models']}].cells[0].unit_amount"),
        ("unknown_currency", "currency"),
        ("negative_quantity", "pools[0].included"),
        ("tiers_not_sorted", f"charges[{AT['input']}].tiers[1].up_to"),
        ("missing_open_last_tier", f"charges[{AT['input']}].tiers[1].up_to"),
        ("minimum_above_maximum", f"charges[{AT['payments']}].min_per_event"),
        ("unknown_charge", "plans[0].charges[18]"),
    } == faults_of(content)
