"""Rejections of the domain, each with a stable code."""

from dataclasses import dataclass


@dataclass
class InvalidStatement(Exception):  # noqa: N818 - it says what the statement is
    """A statement that no invoice can be made of; `code` is stable, `message` says why."""

    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"
