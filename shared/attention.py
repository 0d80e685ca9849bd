"""What waits for a person, as every service answers it: `GET /v1/attention` (rule 11)."""

from datetime import UTC, date, datetime, time
from typing import Literal, Self

from pydantic import BaseModel, Field, model_validator

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


class AttentionAction(BaseModel):
    """The one thing to do: in words, and either a command or an HTTP call."""

    description: str
    command: str | None = Field(default=None, description="to run on the deployment")
    method: Method | None = Field(default=None, description="of the call")
    path: str | None = Field(default=None, description="may belong to another service's API")

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        calls = self.method is not None and self.path is not None
        if (self.command is not None) == calls or (self.method is None) != (self.path is None):
            raise ValueError("an action is a command or a call, not both")
        return self

    @property
    def words(self) -> str:
        """The command or the call on one line."""
        return self.command or f"{self.method} {self.path}"


class AttentionItem(BaseModel):
    """Something that waits for a person."""

    code: str = Field(description="what it is; stable")
    subject: str = Field(description="what it is about, in short")
    ids: dict[str, str] = Field(default_factory=dict, description="the ids behind the subject")
    message: str
    since: datetime | None = Field(
        default=None, description="since when, at the earliest; null where that is not recorded"
    )
    newest: datetime | None = Field(default=None, description="when the newest of several came")
    count: int = Field(default=1, ge=0, description="how many of this kind wait")
    action: AttentionAction


class Attention(BaseModel):
    items: list[AttentionItem]


def command(words: str, description: str) -> AttentionAction:
    """Return an action that is a command."""
    return AttentionAction(description=description, command=words)


def call(method: Method, path: str, description: str) -> AttentionAction:
    """Return an action that is an HTTP call."""
    return AttentionAction(description=description, method=method, path=path)


def day_begins(day: date) -> datetime:
    """Return when a day begins, UTC."""
    return datetime.combine(day, time(), UTC)
