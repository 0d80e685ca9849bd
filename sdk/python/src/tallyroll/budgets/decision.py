"""What the server says about a budget, and what follows for one call. Pure: no clock."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Literal, NamedTuple

import msgspec

Action = Literal["allow", "advise", "degrade", "block"]
Enforce = Literal["advise", "degrade", "block"]
ENFORCE: tuple[Enforce, ...] = ("advise", "degrade", "block")
Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class Hint(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one budget, for the calls that it applies to."""

    id: str
    """Of the budget; it stays the same from hint to hint."""
    scope: dict[Literal["tenant", "team", "user", "agent", "run"], str]
    """A call has all of these; empty: every call."""
    state: Literal["open", "near", "over", "closed"]
    """`over`: a run that begins takes the cheaper model; `closed`: none begins."""
    as_of: Instant
    """What the server knew then; 60 s later the hint says nothing any more."""
    expires_at: Instant
    ledger: Literal["run", "explore"] | None = None
    """`explore`: calls of purpose `explore`; `run`: all others; None: both."""
    suggested: dict[str, str] = {}  # msgspec copies an empty default
    """By model: the one to take in its place while the budget is over."""
    stop: bool = False
    """A hard stop, for a loop: with `enforce="block"` not even a running run goes on."""
    reason: str = ""
    """For people."""


class Decision(NamedTuple):
    """What to do about a call."""

    action: Action
    model: str
    """The one to call: another than was asked for only if `action` is `degrade`."""
    hint: Hint | None
    """What it stands on; None if nothing is known."""
    reason: str
    """A stable word: `off`, `no_hint`, `stale`, `within_budget`, `near`, `over`, `run_goes_on`,
    `closed`, `no_suggestion`, `stop`, `internal`."""


_WITHIN: dict[str, tuple[Action, str]] = {
    "open": ("allow", "within_budget"),
    "near": ("advise", "near"),
}
OnAdvice = Callable[[Decision], object]


BEYOND = ("over", "closed")
"""States in which a run that begins is treated otherwise."""


class BudgetExceededError(RuntimeError):
    """A call that its budget does not allow, with `enforce="block"`. It was not made."""

    code = "budget_exceeded"

    def __init__(self, hint: Hint) -> None:
        super().__init__(hint.reason or "The budget is used up.")
        self.hint = hint

    def __reduce__(self) -> tuple[type["BudgetExceededError"], tuple[Hint]]:
        return type(self), (self.hint,)


def judge(
    hint: Hint, model: str, *, enforce: Enforce, under_way: bool, keeps_models: bool
) -> Decision:
    """Return what a hint means for a call of the model.

    A run that is `under_way` is not refused, unless the hint says `stop`; one that began within its
    budget `keeps_models`.
    """
    if hint.state in _WITHIN:
        action, reason = _WITHIN[hint.state]
        return Decision(action, model, hint, reason)
    closes = hint.state == "closed" and not under_way
    if enforce == "block" and (hint.stop or closes):
        return Decision("block", model, hint, "stop" if hint.stop else "closed")
    if keeps_models:
        return Decision("advise", model, hint, "run_goes_on")
    if enforce == "advise":
        return Decision("advise", model, hint, hint.state)
    other = hint.suggested.get(model, model)
    if other != model:
        return Decision("degrade", other, hint, hint.state)
    return Decision("advise", model, hint, "no_suggestion")
