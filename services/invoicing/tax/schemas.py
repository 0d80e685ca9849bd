"""HTTP models of tax rates and of how tenants are taxed."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from services.invoicing.domain.taxing import PERCENT_PLACES, RATES_MAX, Tax, Treatment
from shared.ids import Slug
from shared.money import format_decimal, format_exact, parse_decimal

PERCENT_MAX = 100
TAX_IDS_MAX = 5
"""Stripe keeps so many of a customer."""

_LINE = r"^[^\x00-\x1f\x7f-\x9f]+$"
Label = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=50, pattern=_LINE)
]
Jurisdiction = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=50, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$"),
]
InvoiceText = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=_LINE)
]


def _percentage(text: str) -> str:
    value = parse_decimal(text)
    if not 0 <= value <= PERCENT_MAX:
        raise ValueError("is from 0 to 100")
    plain = format_decimal(value)
    if -Decimal(plain).as_tuple().exponent > PERCENT_PLACES:  # type: ignore[operator]
        raise ValueError(f"has at most {PERCENT_PLACES} decimals")
    return plain


class TaxRateWrite(BaseModel):
    """A version of a tax rate, on top of net amounts."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "label": "VAT",
                    "jurisdiction": "Germany",
                    "country": "DE",
                    "percent": "19",
                    "valid_from": "2026-01-01",
                }
            ]
        },
    )

    label: Label = Field(description="as it stands on the invoice")
    jurisdiction: Jurisdiction = ""
    country: Annotated[str, StringConstraints(pattern=r"^([A-Z]{2})?$")] = Field(
        default="", description="ISO 3166-1 alpha-2"
    )
    percent: Annotated[str, AfterValidator(_percentage)] = Field(
        description="exact, 0 to 100, at most four decimals"
    )
    valid_from: date = Field(
        description="UTC day; for invoices whose service ends on it or later, until the next "
        "version. Earlier invoices do not have this rate"
    )
    inclusive: Literal[False] = Field(default=False, description="prices are always net")


class TaxRateRead(BaseModel):
    """A version of a tax rate."""

    rate_id: str
    label: str
    jurisdiction: str
    country: str
    percent: str
    valid_from: date
    inclusive: Literal[False] = False


class TaxRateList(BaseModel):
    """Every version, by id and day."""

    tax_rates: list[TaxRateRead]


class TaxIdWrite(BaseModel):
    """A tax id of the tenant: on its invoices, and at Stripe on its customer."""

    model_config = ConfigDict(extra="forbid")

    type: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}_[a-z0-9_]{1,20}$")] = Field(
        description="in Stripe's words", examples=["eu_vat"]
    )
    value: Annotated[str, StringConstraints(pattern=r"^[ -~]{1,100}$")] = Field(
        examples=["DE123456789"]
    )


class TaxDefaultWrite(BaseModel):
    """How the vendor's invoices are taxed, where a tenant has nothing of its own."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"treatment": "rates", "rate_ids": ["de-vat"]}]},
    )

    treatment: Treatment = Field(
        description="none; rates: our own; exempt, reverse_charge: none, and `text` says why; "
        "automatic: Stripe works it out"
    )
    rate_ids: list[Slug] = Field(default=[], max_length=RATES_MAX, description="of `rates`")
    text: InvoiceText | None = Field(default=None, description="stands on the invoice")

    @field_validator("rate_ids")
    @classmethod
    def _once(cls, rate_ids: list[str]) -> list[str]:
        if len(set(rate_ids)) != len(rate_ids):
            raise ValueError("names a rate twice")
        return rate_ids

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        treatment = getattr(self, "treatment", None)
        if (treatment == "rates") != bool(self.rate_ids):
            raise ValueError("rate_ids go with the treatment rates, and with no other")
        if treatment in ("exempt", "reverse_charge") and self.text is None:
            raise ValueError(f"text says on the invoice why it is {treatment}")
        return self


class TenantTaxWrite(TaxDefaultWrite):
    """How one tenant's invoices are taxed, and its tax ids."""

    treatment: Treatment | None = Field(  # type: ignore[assignment]
        default=None, description="as the vendor's; null: the vendor's default"
    )
    tax_ids: list[TaxIdWrite] = Field(default=[], max_length=TAX_IDS_MAX)

    @field_validator("tax_ids")
    @classmethod
    def _no_id_twice(cls, tax_ids: list[TaxIdWrite]) -> list[TaxIdWrite]:
        if len({(one.type, one.value) for one in tax_ids}) != len(tax_ids):
            raise ValueError("names a tax id twice")
        return tax_ids


class TaxDefaultRead(BaseModel):
    """The vendor's default; `none` where it has set nothing."""

    treatment: Treatment
    rate_ids: list[str]
    text: str | None


class TenantTaxRead(BaseModel):
    """A tenant's own setting (null: as the vendor's), and what is in force."""

    tenant_id: str
    treatment: Treatment | None
    rate_ids: list[str]
    text: str | None
    tax_ids: list[TaxIdWrite]
    in_force: TaxDefaultRead


class InvoiceTaxRead(BaseModel):
    """One tax of an invoice. `tax_minor` of all sum to the invoice's."""

    rate_id: str | None = Field(description="null: nothing is taxed, the label says why")
    label: str
    jurisdiction: str
    country: str
    percent: str
    taxable_exact: str = Field(description="plain decimal, or numerator/denominator")
    taxable_minor: int
    tax_exact: str
    tax_minor: int


def tax_read(tax: Tax) -> InvoiceTaxRead:
    """Return a tax as it is shown."""
    return InvoiceTaxRead(
        rate_id=tax.rate_id,
        label=tax.label,
        jurisdiction=tax.jurisdiction,
        country=tax.country,
        percent=format_exact(tax.percent),
        taxable_exact=format_exact(tax.taxable),
        taxable_minor=tax.taxable_minor,
        tax_exact=format_exact(tax.exact),
        tax_minor=tax.tax_minor,
    )
