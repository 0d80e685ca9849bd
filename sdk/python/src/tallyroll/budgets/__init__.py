"""Budgets, as far as a program knows them: hints of the server, read from memory, fail open."""

from tallyroll.budgets.decision import BudgetExceededError, Decision, Hint
from tallyroll.budgets.source import Confirmed, Fetched, HintSource, HintsUnavailableError

__all__ = [
    "BudgetExceededError",
    "Confirmed",
    "Decision",
    "Fetched",
    "Hint",
    "HintSource",
    "HintsUnavailableError",
]
