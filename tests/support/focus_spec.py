"""FOCUS 1.2's cost and usage data set as a table, and what its text demands of a row.

From the published specification (https://focus.finops.org/focus-specification/v1-2/), chapter
"Columns". The public validator knows no version beyond 1.0 and needs packages that are older than
ours, so this table stands in for it.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal

Row = Mapping[str, str]
"""A row as CSV holds it: text, empty for null."""

NOT_NULL = "not null"
MAY_BE_NULL = "may be null"

COLUMNS: dict[str, tuple[str, str]] = {
    "AvailabilityZone": ("String", MAY_BE_NULL),
    "BilledCost": ("Decimal", NOT_NULL),
    "BillingAccountId": ("String", NOT_NULL),
    "BillingAccountName": ("String", MAY_BE_NULL),
    "BillingAccountType": ("String", MAY_BE_NULL),
    "BillingCurrency": ("Currency", NOT_NULL),
    "BillingPeriodEnd": ("DateTime", NOT_NULL),
    "BillingPeriodStart": ("DateTime", NOT_NULL),
    "CapacityReservationId": ("String", MAY_BE_NULL),
    "CapacityReservationStatus": ("String", MAY_BE_NULL),
    "ChargeCategory": ("String", NOT_NULL),
    "ChargeClass": ("String", MAY_BE_NULL),
    "ChargeDescription": ("String", MAY_BE_NULL),
    "ChargeFrequency": ("String", NOT_NULL),
    "ChargePeriodEnd": ("DateTime", NOT_NULL),
    "ChargePeriodStart": ("DateTime", NOT_NULL),
    "CommitmentDiscountCategory": ("String", MAY_BE_NULL),
    "CommitmentDiscountId": ("String", MAY_BE_NULL),
    "CommitmentDiscountName": ("String", MAY_BE_NULL),
    "CommitmentDiscountQuantity": ("Decimal", MAY_BE_NULL),
    "CommitmentDiscountStatus": ("String", MAY_BE_NULL),
    "CommitmentDiscountType": ("String", MAY_BE_NULL),
    "CommitmentDiscountUnit": ("String", MAY_BE_NULL),
    "ConsumedQuantity": ("Decimal", MAY_BE_NULL),
    "ConsumedUnit": ("String", MAY_BE_NULL),
    "ContractedCost": ("Decimal", NOT_NULL),
    "ContractedUnitPrice": ("Decimal", MAY_BE_NULL),
    "EffectiveCost": ("Decimal", NOT_NULL),
    "InvoiceId": ("String", MAY_BE_NULL),
    "InvoiceIssuerName": ("String", NOT_NULL),
    "ListCost": ("Decimal", NOT_NULL),
    "ListUnitPrice": ("Decimal", MAY_BE_NULL),
    "PricingCategory": ("String", MAY_BE_NULL),
    "PricingCurrency": ("Currency", MAY_BE_NULL),
    "PricingCurrencyContractedUnitPrice": ("Decimal", MAY_BE_NULL),
    "PricingCurrencyEffectiveCost": ("Decimal", MAY_BE_NULL),
    "PricingCurrencyListUnitPrice": ("Decimal", MAY_BE_NULL),
    "PricingQuantity": ("Decimal", MAY_BE_NULL),
    "PricingUnit": ("String", MAY_BE_NULL),
    "ProviderName": ("String", NOT_NULL),
    "PublisherName": ("String", NOT_NULL),
    "RegionId": ("String", MAY_BE_NULL),
    "RegionName": ("String", MAY_BE_NULL),
    "ResourceId": ("String", MAY_BE_NULL),
    "ResourceName": ("String", MAY_BE_NULL),
    "ResourceType": ("String", MAY_BE_NULL),
    "ServiceCategory": ("String", NOT_NULL),
    "ServiceName": ("String", NOT_NULL),
    "ServiceSubcategory": ("String", NOT_NULL),
    "SkuId": ("String", MAY_BE_NULL),
    "SkuMeter": ("String", MAY_BE_NULL),
    "SkuPriceDetails": ("JSON", MAY_BE_NULL),
    "SkuPriceId": ("String", MAY_BE_NULL),
    "SubAccountId": ("String", MAY_BE_NULL),
    "SubAccountName": ("String", MAY_BE_NULL),
    "SubAccountType": ("String", MAY_BE_NULL),
    "Tags": ("JSON", MAY_BE_NULL),
}

ALLOWED: dict[str, set[str]] = {
    "ChargeCategory": {"Usage", "Purchase", "Tax", "Credit", "Adjustment"},
    "ChargeClass": {"", "Correction"},
    "ChargeFrequency": {"One-Time", "Recurring", "Usage-Based"},
    "PricingCategory": {"", "Standard", "Dynamic", "Committed", "Other"},
    "ServiceCategory": {"AI and Machine Learning"},
    "ServiceSubcategory": {"Generative AI"},
}
PRICING = ("PricingCategory", "PricingQuantity", "PricingUnit")
SKU = ("SkuId", "SkuPriceId")
UNIT_PRICES = ("ListUnitPrice", "ContractedUnitPrice")
TOLERANCE = Decimal("1e-6")
"""Of quantity x unit price: the price has 20 places, quantities up to 15 digits."""

_DECIMAL = re.compile(r"-?\d+(\.\d+)?")
_DATETIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_CURRENCY = re.compile(r"[A-Z]{3}")
_OWN = re.compile(r"x_[A-Za-z]+")
_PATTERNS = {"Decimal": _DECIMAL, "DateTime": _DATETIME, "Currency": _CURRENCY}


def faults_of_names(names: list[str]) -> list[str]:
    """Return what is wrong with the columns of a file."""
    missing = [f"{name} is missing" for name in COLUMNS if name not in names]
    foreign = [name for name in names if name not in COLUMNS and not _OWN.fullmatch(name)]
    return missing + [
        f"{name} is no column of FOCUS and does not begin with x_" for name in foreign
    ]


def faults_of(row: Row) -> list[str]:
    """Return what a row breaks."""
    return [*_by_column(row), *_by_category(row), *_by_sums(row)]


def _by_column(row: Row) -> Iterator[str]:
    for name, (kind, null) in COLUMNS.items():
        value = row[name]
        if not value and null == NOT_NULL:
            yield f"{name} is null"
        if value and kind in _PATTERNS and not _PATTERNS[kind].fullmatch(value):
            yield f"{name} is no {kind}: {value}"
        if name in ALLOWED and value not in ALLOWED[name]:
            yield f"{name} is {value}"


def _by_category(row: Row) -> Iterator[str]:
    category, corrects = row["ChargeCategory"], row["ChargeClass"] == "Correction"
    bought = category in ("Usage", "Purchase")
    if category == "Purchase" and row["ChargeFrequency"] == "Usage-Based":
        yield "a purchase is not usage-based"
    for name in (*PRICING, *SKU):
        if bought and not corrects and not row[name]:
            yield f"{name} is null in {category}"
        if category == "Tax" and row[name]:
            yield f"{name} is set in Tax"
    if category != "Usage" and row["ConsumedQuantity"]:
        yield f"ConsumedQuantity is set in {category}"
    if category == "Usage" and not corrects and not row["ConsumedQuantity"]:
        yield "ConsumedQuantity is null in Usage"
    # A unit price of nothing is nobody's price: the only rows that lack one.
    priced = bought and not corrects and Decimal(row["PricingQuantity"] or 0) != 0
    for name in UNIT_PRICES:
        if (priced and not row[name]) or (category == "Tax" and row[name]):
            yield f"{name} of {category} is {row[name] or 'null'}"


def _by_sums(row: Row) -> Iterator[str]:
    for cost, price in (("ListCost", "ListUnitPrice"), ("ContractedCost", "ContractedUnitPrice")):
        if row[price]:
            product = Decimal(row[price]) * Decimal(row["PricingQuantity"])
            if abs(product - Decimal(row[cost])) > TOLERANCE:
                yield f"{cost} is not {price} x PricingQuantity"
    for start, end in (
        ("ChargePeriodStart", "ChargePeriodEnd"),
        ("BillingPeriodStart", "BillingPeriodEnd"),
    ):
        if datetime.fromisoformat(row[start]) >= datetime.fromisoformat(row[end]):
            yield f"{end} is not after {start}"
    for identity, named in (("ResourceId", "ResourceName"), ("SubAccountId", "SubAccountName")):
        if bool(row[identity]) != bool(row[named]):
            yield f"{identity} and {named} go together"
    if bool(row["ConsumedQuantity"]) != bool(row["ConsumedUnit"]):
        yield "ConsumedQuantity and ConsumedUnit go together"
    if row["SkuPriceId"] and not row["SkuId"]:
        yield "SkuPriceId without SkuId"
