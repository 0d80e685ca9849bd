"""HTTP models of the accounts API."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_serializer,
)

from shared.accounts.keys import Scope
from shared.events.message import Mode
from shared.ids import Slug

NAME_LENGTH_MAX = 256

Line = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
"""Text on one line. Postgres takes no NUL, and other control characters forge logs and pages."""
Text = Annotated[Line, Field(max_length=NAME_LENGTH_MAX)]


def _in_utc(instant: datetime) -> datetime:
    try:
        return instant.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("there is no such time in UTC") from error


class Address(BaseModel):
    """A postal address; `country` is ISO 3166-1 alpha-2."""

    model_config = ConfigDict(extra="forbid")

    line1: Text = ""
    line2: Text = ""
    city: Text = ""
    state: Text = ""
    postal_code: Line = Field(default="", max_length=32)
    country: str = Field(default="", pattern=r"^([A-Z]{2})?$")


class TenantWrite(BaseModel):
    """What a vendor says of a tenant. Only tenants with `billing: on` receive invoices."""

    model_config = ConfigDict(extra="forbid")

    name: Text = Field(min_length=1)
    legal_name: Text | None = None
    billing_email: Text | None = None
    address: Address = Address()
    purchase_order: Text | None = None
    billing: Literal["on", "hold", "internal"] = "on"


class TenantRead(TenantWrite):
    tenant_id: str
    mode: Mode


class TenantList(BaseModel):
    """In the order of their ids; `next_after` is the `after` of the next page, null on the last."""

    tenants: list[TenantRead]
    next_after: str | None


class ApiKeyWrite(BaseModel):
    """A key to make. Its scopes are at most the caller's; its mode is the caller's."""

    model_config = ConfigDict(extra="forbid")

    name: Text = Field(min_length=1)
    scopes: set[Scope] = Field(min_length=1)
    tenant_id: Slug | None = None
    expires_at: Annotated[AwareDatetime, AfterValidator(_in_utc)] | None = None

    @field_serializer("scopes")
    def _in_one_order(self, scopes: set[Scope]) -> list[Scope]:
        # The order of a set differs between processes, and the hash of a request must not.
        return sorted(scopes)


class ApiKeyRead(BaseModel):
    key_id: str
    name: str
    mode: Mode
    tenant_id: str | None
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class ApiKeyList(BaseModel):
    """The newest first; `next_after` is the `after` of the next page, null on the last one."""

    api_keys: list[ApiKeyRead]
    next_after: str | None


class ApiKeyMade(ApiKeyRead):
    """A fresh key: the only answer that ever holds its text."""

    api_key: str | None = Field(
        description="the key; null in the answer to a repeated request: it was shown once. If "
        "that answer was lost, revoke this key and make another"
    )


class Revocation(BaseModel):
    """The revocation of a key says nothing more, and is answered with nothing."""
