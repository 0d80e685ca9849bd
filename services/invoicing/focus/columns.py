"""The columns of the export: all of FOCUS 1.2's cost and usage data set, then our own (`x_`).

Those of commitments, capacity and regions are always null: a model's tokens have none.
"""

from services.invoicing.sheets import Column

COLUMNS = (
    Column("AvailabilityZone"),
    Column("BilledCost", "money"),
    *map(Column, ("BillingAccountId", "BillingAccountName", "BillingAccountType")),
    Column("BillingCurrency"),
    Column("BillingPeriodEnd", "instant"),
    Column("BillingPeriodStart", "instant"),
    *map(Column, ("CapacityReservationId", "CapacityReservationStatus")),
    *map(Column, ("ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency")),
    Column("ChargePeriodEnd", "instant"),
    Column("ChargePeriodStart", "instant"),
    *map(Column, ("CommitmentDiscountCategory", "CommitmentDiscountId", "CommitmentDiscountName")),
    Column("CommitmentDiscountQuantity", "quantity"),
    *map(Column, ("CommitmentDiscountStatus", "CommitmentDiscountType", "CommitmentDiscountUnit")),
    Column("ConsumedQuantity", "quantity"),
    Column("ConsumedUnit"),
    Column("ContractedCost", "price"),
    Column("ContractedUnitPrice", "price"),
    Column("EffectiveCost", "money"),
    *map(Column, ("InvoiceId", "InvoiceIssuerName")),
    Column("ListCost", "price"),
    Column("ListUnitPrice", "price"),
    *map(Column, ("PricingCategory", "PricingCurrency")),
    Column("PricingCurrencyContractedUnitPrice", "price"),
    Column("PricingCurrencyEffectiveCost", "price"),
    Column("PricingCurrencyListUnitPrice", "price"),
    Column("PricingQuantity", "quantity"),
    *map(Column, ("PricingUnit", "ProviderName", "PublisherName", "RegionId", "RegionName")),
    *map(Column, ("ResourceId", "ResourceName", "ResourceType")),
    *map(Column, ("ServiceCategory", "ServiceName", "ServiceSubcategory")),
    *map(Column, ("SkuId", "SkuMeter", "SkuPriceDetails", "SkuPriceId")),
    *map(Column, ("SubAccountId", "SubAccountName", "SubAccountType", "Tags")),
    *map(Column, ("x_Model", "x_TokenType", "x_LineKey", "x_StripeInvoiceId")),
)
