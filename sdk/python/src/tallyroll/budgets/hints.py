"""The hints of this process: replaced as a whole, looked up without a lock."""

from collections.abc import Mapping
from datetime import datetime
from time import monotonic
from typing import NamedTuple

import msgspec

from tallyroll.budgets.decision import BEYOND, Hint
from tallyroll.budgets.source import Confirmed, Fetched

STALE_SECONDS = 60.0
"""How old a hint may be (rule 10.2 of the project)."""
_RANKS = {"open": 0, "near": 1, "over": 2, "closed": 3}
_STOP_RANK = 4
_FIELDS = {"run": "run_id"}
"""Names in a scope that are called otherwise in an event."""


class Found(NamedTuple):
    """The worst hint that applies, and whether one would apply that is too old."""

    hint: Hint | None
    is_stale: bool


class _Entry(NamedTuple):
    hint: Hint
    ledger: str | None
    rank: int
    until: float


class _Index(NamedTuple):
    """Never changed, only replaced. By the fields of a scope, then by their values."""

    shapes: tuple[tuple[tuple[str, ...], dict[tuple[object, ...], list[_Entry]]], ...]
    tenant: str | None


_NOTHING = _Index((), None)


class Hints:
    """What is known of budgets. One thread replaces it, any thread looks things up."""

    def __init__(self) -> None:
        self._index = _NOTHING
        self._known: Fetched | None = None

    @property
    def etag(self) -> str | None:
        """Of what is known."""
        return None if self._known is None else self._known.etag

    def replace(self, fetched: Fetched, *, asked: float) -> None:
        """Know these from now on; `asked` is the monotonic time of the question."""
        self._known = fetched
        self._index = _indexed(fetched, asked)

    def confirm(self, confirmed: Confirmed, *, asked: float) -> bool:
        """Know the same as of a later time; False if nothing is known."""
        if self._known is None:
            return False
        hints = [
            msgspec.structs.replace(hint, as_of=max(hint.as_of, confirmed.as_of))
            for hint in self._known.hints
        ]
        self.replace(
            msgspec.structs.replace(self._known, hints=hints, at=confirmed.at), asked=asked
        )
        return True

    def find(self, about: Mapping[str, object]) -> Found:
        """Return what applies to a call with these fields of an event."""
        shapes, tenant = self._index
        if tenant is not None and not about.get("tenant"):
            about = {**about, "tenant": tenant}
        ledger = "explore" if about.get("purpose") == "explore" else "run"
        now = monotonic()
        worst, is_stale = None, False
        for names, by_values in shapes:
            for entry in by_values.get(tuple([about.get(name) for name in names]), ()):
                if entry.ledger is not None and entry.ledger != ledger:
                    continue
                if entry.until < now:
                    is_stale = True
                    continue
                if worst is None or entry.rank > worst.rank:
                    worst = entry
                break  # the others of these values are no worse
        return Found(None if worst is None else worst.hint, is_stale)


def _indexed(fetched: Fetched, asked: float) -> _Index:
    shapes: dict[tuple[str, ...], dict[tuple[object, ...], list[_Entry]]] = {}
    for hint in fetched.hints:
        scope = sorted((_FIELDS.get(name, name), value) for name, value in hint.scope.items())
        names, values = tuple(name for name, _ in scope), tuple(value for _, value in scope)
        rank = _STOP_RANK if hint.stop and hint.state in BEYOND else _RANKS[hint.state]
        entry = _Entry(hint, hint.ledger, rank, asked + _seconds_left(hint, fetched.at))
        shapes.setdefault(names, {}).setdefault(values, []).append(entry)
    for by_values in shapes.values():
        for entries in by_values.values():
            entries.sort(key=lambda entry: -entry.rank)
    return _Index(tuple(shapes.items()), fetched.tenant)


def _seconds_left(hint: Hint, at: datetime) -> float:
    """Return how long a hint holds, counted by the clock that wrote its times."""
    age = max(0.0, (at - hint.as_of).total_seconds())
    return min(STALE_SECONDS - age, (hint.expires_at - at).total_seconds())
