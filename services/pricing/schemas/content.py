"""What every part of a price book's content has in common."""

from pydantic import BaseModel, ConfigDict


class Content(BaseModel):
    """A part of a price book: never changed, nothing in it that is not known.

    Fields that were added to the language later are left out of what is stored while they hold
    their default, so that older content keeps its hash.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
