"""What a writer says about itself to people who look at the spool."""

from urllib.parse import urlsplit, urlunsplit

import msgspec

from tallyroll.stats import Stats


class Owner(msgspec.Struct, frozen=True):
    """For whom a writer's events are. Never holds a key."""

    endpoint: str
    """Without a password; empty if the transport is the caller's own."""
    account: str | None
    """None: the key itself says whose the events are."""


class About(msgspec.Struct, frozen=True):
    """The file `about`: as of the last request or answer of the writer."""

    owner: Owner
    stats: Stats


def owner_of(endpoint: str, account: str | None) -> Owner:
    """Return the owner, without what a URL may say of user and password."""
    try:
        parts = urlsplit(endpoint.strip())
        shown = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    except ValueError:  # no URL: the transport refuses it
        shown = ""
    return Owner(shown, account)
