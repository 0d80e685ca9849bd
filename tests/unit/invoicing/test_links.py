"""Signed links: only what we signed, only until it ends, under any key that is still listed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from services.invoicing.documents.links import Link, LinkSigner, link_keys
from shared.clock import FrozenClock
from shared.errors import TallyrollError

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
LINK = Link("0199d3c0-8f1e-7c3a-9f1d-2b1f5f0c7a11", "pdf", "de-DE", int(NOW.timestamp()) + 60)
OLD, NEW = b"o" * 32, b"n" * 32


def _signed(signer: LinkSigner, link: Link = LINK) -> dict[str, str]:
    query = parse_qs(urlsplit(signer.path(link)).query)
    return {"key_id": query["key"][0], "signature": query["signature"][0]}


def test_a_link_is_good_until_it_expires() -> None:
    """A second before its end it opens, at its end it does not."""
    clock = FrozenClock(NOW)
    signer = LinkSigner({"a": NEW}, clock)
    signed = _signed(signer)

    clock.instant = NOW + timedelta(seconds=59)
    signer.verify(LINK, **signed)
    clock.instant = NOW + timedelta(seconds=60)

    with pytest.raises(TallyrollError, match="link_expired"):
        signer.verify(LINK, **signed)


@pytest.mark.parametrize(
    "changed",
    [
        replace(LINK, invoice_id="0199d3c0-8f1e-7c3a-9f1d-2b1f5f0c7a12"),
        replace(LINK, format="csv"),
        replace(LINK, locale=""),
        replace(LINK, expires=LINK.expires + 1),
    ],
)
def test_nothing_of_a_link_can_be_changed(changed: Link) -> None:
    """Invoice, format, locale and expiry are under the signature."""
    signer = LinkSigner({"a": NEW}, FrozenClock(NOW))

    with pytest.raises(TallyrollError, match="invalid_link"):
        signer.verify(changed, **_signed(signer))


@pytest.mark.parametrize(
    ("key_id", "signature"),
    [("a", ""), ("a", "0" * 64), ("b", "0" * 64), ("", ""), ("a", "ü"), ("a", "0" * 10_000)],
)
def test_a_forged_signature_is_refused(key_id: str, signature: str) -> None:
    """Wrong, empty, long and unicode signatures and unknown keys are one refusal."""
    signer = LinkSigner({"a": NEW}, FrozenClock(NOW))

    with pytest.raises(TallyrollError, match="invalid_link"):
        signer.verify(LINK, key_id=key_id, signature=signature)


def test_an_expired_link_that_was_forged_is_called_forged() -> None:
    """Whoever has no signature learns nothing of expiry."""
    signer = LinkSigner({"a": NEW}, FrozenClock(NOW))

    with pytest.raises(TallyrollError, match="invalid_link"):
        signer.verify(replace(LINK, expires=1), key_id="a", signature="0" * 64)


def test_keys_rotate() -> None:
    """A link of the old key opens while that is listed, and no more once it is not."""
    clock = FrozenClock(NOW)
    signed = _signed(LinkSigner({"old": OLD}, clock))
    both, only_new = LinkSigner({"new": NEW, "old": OLD}, clock), LinkSigner({"new": NEW}, clock)

    both.verify(LINK, **signed)
    assert "new" == _signed(both)["key_id"]
    with pytest.raises(TallyrollError, match="invalid_link"):
        only_new.verify(LINK, **signed)


def test_a_key_signs_under_its_own_id_only() -> None:
    """The same secret under another id is another key."""
    clock = FrozenClock(NOW)
    signed = _signed(LinkSigner({"a": NEW}, clock))

    with pytest.raises(TallyrollError, match="invalid_link"):
        LinkSigner({"a": NEW, "b": NEW}, clock).verify(
            LINK, key_id="b", signature=signed["signature"]
        )


def test_keys_are_listed_or_derived() -> None:
    """Without a list there is one key, another one for every secret key."""
    listed = link_keys(f"b:{'n' * 32},a:{'o' * 32}", b"s" * 32)
    derived = [link_keys(None, secret * 32) for secret in (b"s", b"t")]

    assert ["b", "a"] == list(listed)
    assert derived[0].keys() == derived[1].keys()
    assert derived[0] != derived[1]


@pytest.mark.parametrize(
    "listed", ["a", "a:short", f":{'n' * 32}", f"a:{'n' * 32},a:{'o' * 32}", f"a b:{'n' * 32}"]
)
def test_a_list_of_keys_that_is_wrong_stops_the_start(listed: str) -> None:
    """Short secrets, missing and repeated ids are refused."""
    with pytest.raises(ValueError, match="link keys are"):
        link_keys(listed, b"s" * 32)
