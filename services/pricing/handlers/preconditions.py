"""Entity tags: a write that names what it has seen is refused when that is no longer there."""

from http import HTTPStatus

from shared.errors import TallyrollError

ANYTHING = "*"


def entity_tag(state: str, content_hash: str) -> str:
    """Return the tag of a version: another one when its content or its state is another."""
    return f'"{state}-{content_hash}"'


def refuse_stale(if_match: str | None, tag: str | None, *, subject: str) -> None:
    """Raise `stale_version` (412) unless the tag is the one that the caller has seen.

    `tag` None: there is nothing. Without `if_match` nothing is asked.
    """
    if if_match is None or (if_match == ANYTHING and tag is not None) or if_match == tag:
        return
    message = "This was changed since you read it: read it again."
    raise TallyrollError("stale_version", message, HTTPStatus.PRECONDITION_FAILED, subject)
