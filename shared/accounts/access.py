"""Who is calling: API keys checked against a short-lived cache of the table.

A key's row is cached for 5 s at most, so that a revocation is effective in seconds. While Postgres
is away a key that was known stays good for 60 s; anything else is answered 503, never 401: a client
that reads 401 as "wrong key" must not throw usage away because our database restarts.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated

import structlog
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from shared.accounts.keys import ParsedKey, Scope, parse_key, secret_matches
from shared.accounts.tables import api_key
from shared.clock import Clock
from shared.database import Database
from shared.errors import TallyrollError
from shared.events.message import Mode

logger = structlog.get_logger()

CACHE_LIFE = timedelta(seconds=5)
OUTAGE_LIFE = timedelta(seconds=60)
CACHED_KEYS_MAX = 10_000

BEARER = HTTPBearer(
    scheme_name="API key", description="`tr_test_…` or `tr_live_…`", auto_error=False
)


@dataclass(frozen=True)
class Caller:
    """An authenticated key. `tenant_id` is set when the key is bound to one tenant."""

    key_id: str
    vendor_id: str
    mode: Mode
    tenant_id: str | None
    scopes: frozenset[str]

    def tenant(self, named: str | None) -> str:
        """Return the tenant that a request is about, or refuse one that is not the caller's."""
        if self.tenant_id is None:
            if named is None:
                message = "Name the tenant: this key belongs to a vendor."
                raise TallyrollError("tenant_required", message, subject="tenant")
            return named
        if named not in (None, self.tenant_id):
            message = "This key is bound to another tenant."
            raise TallyrollError("wrong_tenant", message, HTTPStatus.FORBIDDEN, named)
        return self.tenant_id

    def require_vendor_key(self) -> None:
        """Refuse keys that are bound to a tenant."""
        if self.tenant_id is not None:
            message = "This needs a key of the vendor, not of one tenant."
            raise TallyrollError("vendor_key_required", message, HTTPStatus.FORBIDDEN)


@dataclass(frozen=True)
class _Known:
    caller: Caller
    secret_hash: bytes
    expires_at: datetime | None
    read_at: datetime


class Access:
    """Looks keys up, with the cache described above."""

    def __init__(self, database: Database, pepper: bytes, clock: Clock) -> None:
        self._database = database
        self._pepper = pepper
        self._clock = clock
        self._known: dict[str, _Known] = {}

    async def authenticate(self, text: str) -> Caller:
        """Return a key's caller; raises `invalid_api_key` (401), `accounts_unavailable` (503)."""
        parsed = parse_key(text)
        known = await self._find(parsed) if parsed else None
        now = self._clock.now()
        if (
            parsed is None
            or known is None
            or not secret_matches(self._pepper, parsed.secret, known.secret_hash)
            or known.caller.mode != parsed.mode
            or (known.expires_at is not None and known.expires_at <= now)
        ):
            message = "The API key is missing, unknown, expired or revoked."
            raise TallyrollError("invalid_api_key", message, HTTPStatus.UNAUTHORIZED)
        return known.caller

    async def authorise(self, text: str, scopes: Sequence[Scope]) -> Caller:
        """Return a key's caller who has all the scopes; also raises `missing_scope` (403)."""
        caller = await self.authenticate(text)
        missing = [scope.value for scope in scopes if scope.value not in caller.scopes]
        if missing:
            message = f"This key lacks the scope {', '.join(missing)}."
            raise TallyrollError("missing_scope", message, HTTPStatus.FORBIDDEN, ",".join(missing))
        return caller

    async def _find(self, parsed: ParsedKey) -> _Known | None:
        known = self._known.get(parsed.key_id)
        now = self._clock.now()
        if known is not None and now - known.read_at < CACHE_LIFE:
            return known
        try:
            return await self._read(parsed.key_id, now)
        except (SQLAlchemyError, OSError) as error:
            if known is not None and now - known.read_at < OUTAGE_LIFE:
                return known
            logger.warning("accounts_unavailable", error=type(error).__name__)
            message = "Keys cannot be checked at the moment; the request can be sent again."
            raise TallyrollError(
                "accounts_unavailable", message, HTTPStatus.SERVICE_UNAVAILABLE
            ) from error

    async def _read(self, key_id: str, now: datetime) -> _Known | None:
        async with self._database.transaction() as connection:
            query = select(api_key).where(
                api_key.c.key_id == key_id, api_key.c.revoked_at.is_(None)
            )
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            self._known.pop(key_id, None)
            return None
        if len(self._known) >= CACHED_KEYS_MAX:
            self._known.clear()
        caller = Caller(key_id, row.vendor_id, row.mode, row.tenant_id, frozenset(row.scopes))
        self._known[key_id] = _Known(caller, row.secret_hash, row.expires_at, now)
        return self._known[key_id]


def bearer_token(authorization: str) -> str:
    """Return the key of an `Authorization` header; empty when it holds none."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def requires(*scopes: Scope) -> Callable[..., Awaitable[Caller]]:
    """Return the FastAPI dependency that authenticates a request and asks for scopes.

    Used as `caller: Annotated[Caller, Depends(requires(Scope.USAGE_READ))]`. The app keeps its
    `Access` in `app.state.access`.
    """

    async def authenticated_caller(
        request: Request,
        bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)],
    ) -> Caller:
        access: Access = request.app.state.access
        return await access.authorise(bearer.credentials if bearer else "", scopes)

    authenticated_caller.required_scopes = scopes  # type: ignore[attr-defined]
    return authenticated_caller
