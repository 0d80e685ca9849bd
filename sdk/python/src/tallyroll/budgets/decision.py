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
    state: Literal["open", "near", "over"]
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
    `no_suggestion`, `stop`, `internal`."""


_WITHIN: dict[str, tuple[Action, str]] = {
    "open": ("allow", "within_budget"),
    "near": ("advise", "near"),
}
OnAdvice = Callable[[Decision], object]


class BudgetExceededError(RuntimeError):
    """A call that its budget does not allow, with `enforce="block"`. It was not made."""

    code = "budget_exceeded"

    def __init__(self, hint: Hint) -> None:
        super().__init__(hint.reason or "The budget is used up.")
        self.hint = hint

    def __reduce__(self) -> tuple[type["BudgetExceededError"], tuple[Hint]]:
        return type(self), (self.hint,)


def judge(hint: Hint, model: str, *, enforce: Enforce, goes_on: bool) -> Decision:
    """Return what a hint means for a call of the model.

    `goes_on`: its run began within the budget. Such a run keeps its models, and is not refused
    unless the hint says `stop`.
    """
    if hint.state != "over":
        action, reason = _WITHIN[hint.state]
        return Decision(action, model, hint, reason)
    if enforce == "block" and (hint.stop or not goes_on):
        return Decision("block", model, hint, "stop" if hint.stop else "over")
    other = hint.suggested.get(model) if enforce == "degrade" and not goes_on else None
    if other is not None and other != model:
        return Decision("degrade", other, hint, "over")
    if goes_on:
        return Decision("advise", model, hint, "run_goes_on")
    return Decision("advise", model, hint, "no_suggestion" if enforce == "degrade" else "over")
