"""What the routes have in common: what they work with, and who calls."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path

from services.invoicing.settings import InvoicingSettings
from services.invoicing.stripe_accounts import StripeAccounts
from shared.accounts.access import Caller, requires
from shared.accounts.keys import Scope
from shared.accounts.repository import Account
from shared.clock import Clock
from shared.database import Database

AccountsWriter = Annotated[Caller, Depends(requires(Scope.ACCOUNTS_WRITE))]
BillingReader = Annotated[Caller, Depends(requires(Scope.BILLING_READ))]
BillingWriter = Annotated[Caller, Depends(requires(Scope.BILLING_WRITE))]
InvoiceId = Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$")]


@dataclass(frozen=True)
class Services:
    """What the routes work with."""

    database: Database
    accounts: StripeAccounts
    settings: InvoicingSettings
    clock: Clock


def account_of(caller: Caller) -> Account:
    return Account(caller.vendor_id, caller.mode)
