"""Where a webhook may go: public addresses, over https, spelt in one way."""

from ipaddress import ip_address

import pytest

from services.invoicing.domain.webhook_address import (
    RefusedUrl,
    Target,
    is_public,
    may_connect,
    read_target,
)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.255.255.254", "0.0.0.0"),  # noqa: S104 - refused
        *("10.0.0.5", "172.16.0.1", "172.31.255.255"),
        *("192.168.1.1", "169.254.169.254", "100.64.0.1", "100.100.100.200", "192.0.0.192"),
        *("198.18.0.1", "224.0.0.1", "239.255.255.250", "255.255.255.255", "168.63.129.16"),
        *("::", "::1", "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1"),
        *("::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1"),
        *("2002:7f00:1::", "2001:0:4136:e378::", "2001:db8::1", "3fff::1", "100::1", "5f00::1"),
    ],
)
def test_no_special_address_is_public(address: str) -> None:
    """Private, loopback, link-local, CGNAT, multicast, metadata, and what carries such an IPv4."""
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "93.184.215.14", "172.32.0.1", "100.128.0.1", "2606:4700::1111"]
)
def test_a_public_address_is_public(address: str) -> None:
    """The neighbours of the refused ranges are not refused with them."""
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://hooks.example.com/", "url_not_https"),
        ("ftp://hooks.example.com/", "url_not_https"),
        ("file:///etc/passwd", "url_not_https"),
        ("https://hooks.example.com:22/", "url_port_refused"),
        ("https://hooks.example.com:0/", "url_port_refused"),
        ("https://hooks.example.com:99999/", "invalid_url"),
        ("https://user:secret@hooks.example.com/", "invalid_url"),
        ("https://hooks.example.com/#part", "invalid_url"),
        ("https://hooks.example.com/\n", "invalid_url"),
        ("https://hooks.example.com/a b", "invalid_url"),
        ("https://example.com\\@10.0.0.1/", "invalid_url"),
        ("https://höoks.example.com/", "invalid_url"),
        ("https://[::1", "invalid_url"),
        ("https://[v1.x]/", "invalid_url"),
        ("https://" + "a" * 2_000 + ".example.com/", "invalid_url"),
        ("https:///path", "url_host_refused"),
        ("https://localhost/", "url_host_refused"),
        ("https://postgres/", "url_host_refused"),
        ("https://db.internal/", "url_host_refused"),
        ("https://metadata.google.internal/", "url_host_refused"),
        ("https://127.0.0.1/", "url_host_refused"),
        ("https://127.1/", "url_host_refused"),
        ("https://2130706433/", "url_host_refused"),
        ("https://0x7f000001/", "url_host_refused"),
        ("https://0x7f.0.0.0x1/", "url_host_refused"),
        ("https://0177.0.0.01/", "url_host_refused"),
        ("https://[::ffff:10.0.0.1]/", "url_host_refused"),
        ("https://[fe80::1%25eth0]/", "url_host_refused"),
        ("https://hooks.example.com./", "url_host_refused"),
    ],
)
def test_what_no_webhook_is_sent_to(url: str, code: str) -> None:
    """A URL that is not plainly https to a public host has no second reading."""
    with pytest.raises(RefusedUrl) as refusal:
        read_target(url, allow_loopback=False)

    assert code == refusal.value.code


@pytest.mark.parametrize(
    ("url", "target"),
    [
        (
            "https://Hooks.Example.com",
            Target("https", "hooks.example.com", 443, "/"),
        ),
        (
            "https://hooks.example.com:8443/a?b=c",
            Target("https", "hooks.example.com", 8443, "/a?b=c"),
        ),
        ("https://8.8.8.8/x", Target("https", "8.8.8.8", 443, "/x")),
        ("https://xn--hks-5qa.example/", Target("https", "xn--hks-5qa.example", 443, "/")),
    ],
)
def test_a_url_is_taken_apart(url: str, target: Target) -> None:
    """What is connected to is made of the parts that were checked."""
    assert target == read_target(url, allow_loopback=False)


def test_loopback_is_only_for_hosts_that_say_so() -> None:
    """With the setting, this machine is good by its own names, and nothing else is."""
    assert Target("http", "127.0.0.1", 9, "/h") == read_target(
        "http://127.0.0.1:9/h", allow_loopback=True
    )
    with pytest.raises(RefusedUrl, match="url_not_https"):
        read_target("http://hooks.example.com/", allow_loopback=True)
    with pytest.raises(RefusedUrl, match="url_host_refused"):
        read_target("https://10.0.0.1/", allow_loopback=True)


def test_a_name_that_leads_to_loopback_is_refused_even_with_the_setting() -> None:
    """Whether an address is good depends on the host that led to it."""
    loopback, private = ip_address("127.0.0.1"), ip_address("10.0.0.1")

    assert may_connect("localhost", loopback, allow_loopback=True)
    assert not may_connect("localhost", loopback, allow_loopback=False)
    assert not may_connect("localhost", private, allow_loopback=True)
    assert not may_connect("hooks.example.com", loopback, allow_loopback=True)
