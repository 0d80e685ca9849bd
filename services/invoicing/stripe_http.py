"""HTTP to one Stripe account, each request of which waits for its token first.

aiohttp costs a third of what httpx does, which is the SDK's own choice. Nothing is resent here: a
connection that breaks is an error, and the SDK decides, under the same idempotency key.
"""

import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

import aiohttp

from services.invoicing.stripe_throttle import Throttle


class ConnectionFailed(Exception):  # noqa: N818 - it says what happened
    """No complete answer came; the request may have been executed."""


class ThrottledHttp:
    """Connections that stay open; closed at shutdown."""

    def __init__(
        self, throttle: Throttle | None, *, timeout_seconds: float, authorities: str | None = None
    ) -> None:
        self._throttle = throttle
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._authorities = authorities
        self._session: aiohttp.ClientSession | None = None

    async def request(
        self, method: str, url: str, headers: Mapping[str, str], content: str | bytes | None = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Return body, status and headers; raises `ConnectionFailed`."""
        if self._throttle is not None:
            await self._throttle.admit(method, urlsplit(url).path)
        request = self._opened().request(
            method, url, headers=headers, data=content, allow_redirects=False
        )
        try:
            async with request as answer:
                return await answer.read(), answer.status, answer.headers
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            # Also in the midst of a body.
            raise ConnectionFailed(type(error).__name__) from error

    def _opened(self) -> aiohttp.ClientSession:
        """Open the session with the first request: it belongs to the loop that makes it."""
        if self._session is None:
            tls = ssl.create_default_context(cafile=self._authorities)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=tls), timeout=self._timeout, trust_env=True
            )
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
