"""Kept-alive connections to one URL: through a proxy if there is one, checked by TLS if asked."""

# Everything that sending needs is imported here: the sender's thread never imports.
import encodings.idna
import os
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any
from urllib.request import getproxies, proxy_bypass

from urllib3 import BaseHTTPResponse, PoolManager, ProxyManager, Timeout, make_headers
from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

assert encodings.idna

CONNECT_SECONDS_MAX = 5.0


class Connections:
    """Used by one thread at a time. A forked child opens its own.

    Raises ValueError for a URL, or a proxy, that is none or not http(s). A proxy comes from the
    environment (HTTPS_PROXY, ALL_PROXY, NO_PROXY …), but never for this machine. Certificates are
    those of SSL_CERT_FILE or SSL_CERT_DIR, else certifi's where it is installed, else the system's.
    """

    def __init__(self, url: str, timeout: float) -> None:
        try:
            parts = parse_url(url)
        except LocationParseError as error:
            raise ValueError("the endpoint is no URL") from error
        if parts.scheme not in ("http", "https") or not parts.host:
            raise ValueError("the endpoint must begin with http:// or https:// and name a host")
        self.host = parts.host
        self._url = parts._replace(auth=None).url
        self._timeout = Timeout(connect=min(timeout, CONNECT_SECONDS_MAX), read=timeout)
        self._certificates = _certificates() if parts.scheme == "https" else None
        self._proxy = _proxy_of(parts)
        self._begin()

    def post(self, body: bytes, headers: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers (names in lower case) and body of the answer, whatever it is.

        Raises urllib3's HTTPError if there is none.
        """
        answer = self._ask("POST", headers, body=body)
        return answer.status, _lower(answer), answer.data

    def get(self, headers: Mapping[str, str], bytes_max: int) -> tuple[int, dict[str, str], bytes]:
        """Do the same without a body. ValueError if the answer has more than so many bytes."""
        answer = self._ask("GET", headers, preload_content=False)
        try:
            content = answer.read(bytes_max + 1, decode_content=True)
        finally:
            answer.release_conn()
        if len(content) > bytes_max:
            raise ValueError("the answer is too long")
        return answer.status, _lower(answer), content

    def _ask(self, method: str, headers: Mapping[str, str], **more: Any) -> BaseHTTPResponse:
        if self._process != os.getpid():  # a forked child must not write into its parent's sockets
            self._begin()
        return self._pool.request(
            method,
            self._url,
            headers=headers,
            timeout=self._timeout,
            retries=False,
            redirect=False,
            **more,
        )

    def close(self) -> None:
        """Close the connections; a later request opens new ones."""
        if self._process == os.getpid():
            self._pool.clear()

    def _begin(self) -> None:
        self._process = os.getpid()
        if self._proxy is None:
            self._pool = PoolManager(ca_certs=self._certificates)
            return
        self._pool = ProxyManager(
            self._proxy._replace(auth=None).url,
            proxy_headers=make_headers(proxy_basic_auth=self._proxy.auth),
            ca_certs=self._certificates,
        )


def _lower(answer: BaseHTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.headers.items()}


def _certificates() -> str | None:
    """Return the file of certificate authorities; None for what environment or system say."""
    if os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR"):
        return None
    try:
        from certifi import where  # noqa: PLC0415  not for those who send to a plain address
    except ImportError:
        return None
    return where()


def _proxy_of(url: Url) -> Url | None:
    host = url.hostname or ""
    if _is_local(host) or proxy_bypass(host if url.port is None else f"{host}:{url.port}"):
        return None
    proxies = getproxies()
    found = proxies.get(url.scheme or "", proxies.get("all"))
    if not found:
        return None
    try:
        proxy = parse_url(found if "://" in found else f"http://{found}")
    except LocationParseError as error:
        raise ValueError("the proxy of the environment is no URL") from error
    if proxy.scheme not in ("http", "https"):
        raise ValueError("the proxy of the environment must begin with http:// or https://")
    return proxy


def _is_local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
