"""Entity tags: a write that names what it has seen is refused when that is no longer there."""

import re
from http import HTTPStatus
from typing import Annotated

from fastapi import Header
from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from shared.errors import TallyrollError

TAG = re.compile(r'(\*|"[\x21\x23-\x7e]{1,100}")\Z')
ANYTHING = "*"


def _read_tag(value: str) -> str:
    if not TAG.match(value):
        message = "An ETag as it was answered, in its quotes, or *: one, and no weak one (W/)."
        raise PydanticCustomError("invalid_entity_tag", message)
    return value


IfMatch = Annotated[
    Annotated[str, AfterValidator(_read_tag)] | None,
    Header(
        alias="If-Match",
        description="the ETag that was read; 412 when it is another one by now",
    ),
]

ENTITY_TAG = {"headers": {"ETag": {"schema": {"type": "string"}}}}
"""How an answer with a tag is described."""


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
