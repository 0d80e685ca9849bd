"""HTTP models of the accounts API."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.accounts.keys import Scope
from shared.events.message import Mode

NAME_LENGTH_MAX = 256


class Address(BaseModel):
    """A postal address; `country` is ISO 3166-1 alpha-2."""

    model_config = ConfigDict(extra="forbid")

    line1: str = Field(default="", max_length=NAME_LENGTH_MAX)
    line2: str = Field(default="", max_length=NAME_LENGTH_MAX)
    city: str = Field(default="", max_length=NAME_LENGTH_MAX)
    state: str = Field(default="", max_length=NAME_LENGTH_MAX)
    postal_code: str = Field(default="", max_length=32)
    country: str = Field(default="", pattern=r"^([A-Z]{2})?$")


class TenantWrite(BaseModel):
    """What a vendor says of a tenant. Only tenants with `billing: on` receive invoices."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=NAME_LENGTH_MAX)
    legal_name: str | None = Field(default=None, max_length=NAME_LENGTH_MAX)
    billing_email: str | None = Field(default=None, max_length=NAME_LENGTH_MAX)
    address: Address = Address()
    purchase_order: str | None = Field(default=None, max_length=NAME_LENGTH_MAX)
    billing: Literal["on", "hold", "internal"] = "on"


class TenantRead(TenantWrite):
    tenant_id: str
    mode: Mode


class ApiKeyWrite(BaseModel):
    """A key to make. Its scopes are at most the caller's; its mode is the caller's."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=NAME_LENGTH_MAX)
    scopes: set[Scope] = Field(min_length=1)
    tenant_id: str | None = None
    expires_at: datetime | None = None


class ApiKeyRead(BaseModel):
    key_id: str
    name: str
    mode: Mode
    tenant_id: str | None
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class ApiKeyMade(ApiKeyRead):
    """A fresh key: the only answer that ever holds its text."""

    api_key: str
