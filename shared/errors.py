"""Errors that people and programs can act on: a stable code, a sentence, the offending place."""

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with an input.

    `path` is the place in the input ("charges[2].tiers[0].up_to"), or the offending id.
    """

    code: str
    path: str
    message: str


@dataclass
class TallyrollError(Exception):
    """A refusal with a stable snake_case code; `faults` lists every fault of the input at once.

    `headers` go with the answer, such as Retry-After.
    """

    code: str
    message: str
    status: HTTPStatus = HTTPStatus.BAD_REQUEST
    subject: str | None = None
    faults: list[Fault] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

    def body(self) -> dict[str, Any]:
        """Return the problem document (RFC 9457 names) that a client receives."""
        document: dict[str, Any] = {
            "type": f"https://tallyroll.dev/errors/{self.code}",
            "title": self.code.replace("_", " "),
            "status": int(self.status),
            "code": self.code,
            "message": self.message,
        }
        if self.subject is not None:
            document["subject"] = self.subject
        if self.faults:
            document["faults"] = [
                {"code": f.code, "path": f.path, "message": f.message} for f in self.faults
            ]
        return document


def not_found(kind: str, identity: str) -> TallyrollError:
    """Return the refusal for something that does not exist, or not for this caller."""
    return TallyrollError(
        code=f"unknown_{kind}",
        message=f"There is no {kind.replace('_', ' ')} {identity!r}.",
        status=HTTPStatus.NOT_FOUND,
        subject=identity,
    )


def conflict(code: str, message: str, *, subject: str | None = None) -> TallyrollError:
    """Return the refusal for a write that contradicts what is already there."""
    return TallyrollError(code=code, message=message, status=HTTPStatus.CONFLICT, subject=subject)
