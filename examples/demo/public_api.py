"""The public HTTP API as a vendor's engineer would call it."""

from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

TIMEOUT_SECONDS = 30.0


class RefusedError(Exception):
    """An answer that the demo did not expect."""


@dataclass(frozen=True)
class Addresses:
    """Base URLs of the three services."""

    metering: str
    pricing: str
    invoicing: str


class PublicAPI:
    """One vendor's key over the three services."""

    def __init__(self, addresses: Addresses, api_key: str) -> None:
        self.addresses = addresses
        self._client = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {api_key}"}, timeout=TIMEOUT_SECONDS
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    async def get(self, base: str, path: str, **query: str) -> Any:
        """Return the JSON answer of a GET."""
        return self._answer(await self._client.get(f"{base}{path}", params=query))

    async def put(self, base: str, path: str, body: dict[str, Any]) -> Any:
        """Create or replace; the same call twice is the same as once."""
        return self._answer(await self._client.put(f"{base}{path}", json=body))

    async def post(self, base: str, path: str, body: dict[str, Any]) -> Any:
        """Ask for something to happen."""
        return self._answer(await self._client.post(f"{base}{path}", json=body))

    async def post_raw(self, base: str, path: str, body: bytes) -> Any:
        """Send bytes that our own encoders would never produce."""
        headers = {"Content-Type": "application/json"}
        return self._answer(await self._client.post(f"{base}{path}", content=body, headers=headers))

    @staticmethod
    def _answer(response: httpx.Response) -> Any:
        if response.is_error:
            place = f"{response.request.method} {response.request.url.path}"
            raise RefusedError(f"{place} answered {response.status_code}: {response.text}")
        return response.json() if response.content else None
