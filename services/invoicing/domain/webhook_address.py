"""Where a webhook may go: URLs as they are written, and addresses as they are connected to.

A vendor chooses the URL, we connect from inside our network: without these rules an endpoint could
be our own database's neighbour. Ranges: IANA's special-purpose registries for IPv4 and IPv6
(RFC 6890 and its updates), listed here, so that no version of Python decides.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, urlsplit

URL_LENGTH_MAX = 2_000
PORTS = (443, 8443)
"""Ports of HTTPS: with any port, an endpoint would be a way to look for open ones."""

LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")
Address = IPv4Address | IPv6Address

_REFUSED_V4 = [
    IPv4Network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24"),
        *("192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15"),
        *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        "168.63.129.16/32",  # a cloud's metadata behind a public address
    )
]
_GLOBAL_V6 = IPv6Network("2000::/3")
"""All that is routed. What carries an IPv4 address (mapped, NAT64) lies outside."""

_REFUSED_V6 = [
    IPv6Network(text)
    for text in (
        *("2001::/23", "2001:db8::/32", "3fff::/20"),
        "2002::/16",  # 6to4: carries an IPv4 address
        "2620:4f:8000::/48",
    )
]
_NAME = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*\Z")
"""At least two labels. The last begins with a letter, so that no spelling of an IPv4 address
(`127.1`, `0x7f.0.0.1`, `2130706433`) passes as a name."""

_INSIDE = ("localhost", "local", "internal", "localdomain", "home.arpa", "lan", "intranet")


@dataclass
class RefusedUrl(ValueError):  # noqa: N818 - it says what the URL is
    """A URL that no webhook is sent to; `code` is stable, `message` says why."""

    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


@dataclass(frozen=True)
class Target:
    """A URL in its parts. `path` has the query; `host` has no brackets."""

    scheme: str
    host: str
    port: int
    path: str


def read_target(url: str, *, allow_loopback: bool) -> Target:
    """Take a URL apart; raises `RefusedUrl`.

    With `allow_loopback`, http, any port and this machine are good, too, but only for a host that
    is written as loopback.
    """
    parts, port = _split(url)
    host = parts.hostname or ""
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if allow_loopback and host in LOOPBACK_HOSTS and parts.scheme in ("http", "https"):
        return Target(
            parts.scheme, host, port or (80 if parts.scheme == "http" else PORTS[0]), path
        )
    if parts.scheme != "https":
        raise RefusedUrl("url_not_https", "A webhook goes to an https URL.")
    if port not in (None, *PORTS):
        raise RefusedUrl("url_port_refused", f"The port is one of {', '.join(map(str, PORTS))}.")
    _check_host(host)
    return Target("https", host, port or PORTS[0], path)


def _split(url: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise RefusedUrl("invalid_url", "This is no URL.") from error
    # Parsers differ about spaces and backslashes; none is asked.
    if not re.fullmatch(r"[!-\[\]-~]+", url) or len(url) > URL_LENGTH_MAX:
        message = f"A URL is at most {URL_LENGTH_MAX} printable ASCII characters."
        raise RefusedUrl("invalid_url", message)
    if "[" in parts.netloc and ":" not in (parts.hostname or ""):
        raise RefusedUrl("invalid_url", "Only an IPv6 address stands in brackets.")
    if "@" in parts.netloc or parts.fragment:
        raise RefusedUrl("invalid_url", "A URL has no user, password or fragment here.")
    return parts, port


def _check_host(host: str) -> None:
    try:
        address = ip_address(host)
    except ValueError:
        inside = any(host == name or host.endswith(f".{name}") for name in _INSIDE)
        if inside or not _NAME.match(host):
            message = "The host is a full public name, non-ASCII letters as punycode."
            raise RefusedUrl("url_host_refused", message) from None
        return
    if not is_public(address):
        raise RefusedUrl("url_host_refused", "The address is not a public one.")


def is_public(address: Address) -> bool:
    """Tell whether an address is one of the public Internet, where a stranger's URL may lead."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _REFUSED_V4)
    return address in _GLOBAL_V6 and not any(address in network for network in _REFUSED_V6)


def may_connect(host: str, address: Address, *, allow_loopback: bool) -> bool:
    """Tell whether `host`, which was found at `address`, may be connected to there."""
    if allow_loopback and host in LOOPBACK_HOSTS:
        return address.is_loopback
    return is_public(address)
