"""Corrections of events that were recorded before."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import datetime
from typing import Literal, Unpack
from uuid import UUID

from tallyroll.capture import encode_event, encode_void
from tallyroll.event import CorrectedFields, EventFields


class Corrects(ABC):
    """The part of `Meter` that says what earlier events should have said."""

    _now: Callable[[], datetime]

    @abstractmethod
    def _capture(self, event_id: str | UUID | None, encode: Callable[[str], bytes]) -> str:
        """Keep an event for delivery and return its id."""

    def correct(
        self,
        corrects: str | UUID,
        *,
        action: Literal["replace", "void"] = "replace",
        revision: int,
        reason: str = "",
        event_id: str | UUID | None = None,
        **fields: Unpack[CorrectedFields],
    ) -> str:
        """Correct an event by its id: as `replace()` does, or with `action="void"` as `void()`.

        Nothing comes from the scope around: a correction is made elsewhere than what it corrects.
        """
        correction = _correction(corrects, action, revision, reason)
        if action == "void":
            return self._capture(
                event_id, lambda identity: encode_void(identity, correction, fields)
            )
        return self._capture(
            event_id,
            lambda identity: encode_event(identity, fields, self._now, correction=correction),
        )

    def replace(
        self,
        corrects: str | UUID,
        *,
        revision: int,
        reason: str = "",
        event_id: str | UUID | None = None,
        **fields: Unpack[EventFields],
    ) -> str:
        """Correct an event: `fields` count in place of what it said. Return the correction's id.

        `corrects` is the id of the first event, `revision` at least 1: of several corrections the
        highest wins, whatever order they arrive in. Needs a key with `events:correct`. Otherwise
        like `record()`.
        """
        correction = _correction(corrects, "replace", revision, reason)
        return self._capture(
            event_id,
            lambda identity: encode_event(identity, fields, self._now, correction=correction),
        )

    def void(
        self,
        corrects: str | UUID,
        *,
        revision: int,
        reason: str = "",
        tenant: str | None = None,
        event_id: str | UUID | None = None,
    ) -> str:
        """Take an event back: it counts nothing from now on. Otherwise like `replace()`."""
        correction, fields = _correction(corrects, "void", revision, reason), {"tenant": tenant}
        return self._capture(event_id, lambda identity: encode_void(identity, correction, fields))


def _correction(corrects: str | UUID, action: str, revision: int, reason: str) -> dict[str, object]:
    target = corrects if isinstance(corrects, str) else str(corrects)
    return {
        "corrects": target,
        "action": action,
        "revision": revision,
        "reason": reason or None,
    }
