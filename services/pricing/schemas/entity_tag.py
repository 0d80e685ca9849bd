"""Entity tags as HTTP carries them."""

import re
from typing import Annotated

from fastapi import Header
from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

TAG = re.compile(r'(\*|"[\x21\x23-\x7e]{1,100}")\Z')


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
