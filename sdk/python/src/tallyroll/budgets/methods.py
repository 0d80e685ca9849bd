"""What a meter offers to ask about budgets."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Unpack

from tallyroll.budgets.decision import Decision
from tallyroll.context.attribution import Attribution, narrowed
from tallyroll.context.scope import Scopes

if TYPE_CHECKING:
    from tallyroll.budgets.enforcing import Enforcer


class InBudget:
    """The part of `Meter` that knows of budgets, if it was made with `enforce`."""

    _scopes: Scopes
    _enforcer: "Enforcer | None"

    def decide(self, *, model: str, **attribution: Unpack[Attribution]) -> Decision:
        """Return what budgets mean for a call of the model here; never raises, never waits.

        What `attribution` leaves out comes from the scope around. Nothing known, or nothing fresh:
        `allow`. The first question starts the thread that reads hints, so the first answers allow.
        """
        if self._enforcer is None:
            return Decision("allow", model, None, "off")
        about = self._scopes.attribution()
        return self._enforcer.decide(model, narrowed(about, attribution) if attribution else about)

    def admit(self, model: str, attribution: Mapping[str, object] | None = None) -> str:
        """Return the model to call, before each call; `attribution` is by default the scope around.

        It is another one than asked for only with `enforce="degrade"`. Raises BudgetExceededError
        with `enforce="block"` for a call that is not to be made, and nothing else. A run that was
        admitted goes on, over its budget too, with the models it began with.
        """
        if self._enforcer is None:
            return model
        about = self._scopes.attribution() if attribution is None else attribution
        return self._enforcer.admit(model, about)
