"""Whether work may begin, or go on: all envelopes that it falls into are asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from services.pricing.domain.envelopes.balance import Balance
from services.pricing.domain.envelopes.ladder import Step


@dataclass(frozen=True)
class Request:
    """Work that asks for money.

    estimate    US dollars, 0 or more
    is_new      whether its run begins with it; a run under way is not cut
    background  whether it can wait
    approved    names of the envelopes in which it is approved, with a reason and an end
    is_held     whether all of it is held already: asked again, it is granted again
    """

    estimate: Fraction
    is_new: bool
    background: bool = False
    approved: frozenset[str] = frozenset()
    is_held: bool = False


@dataclass(frozen=True)
class Decision:
    """What becomes of a request; `by` is the balance that decided, None if nothing is in the way.

    `granted` says whether the estimate is held. `step` is what the client does: `route` starts on
    the cheaper model, `slow` waits, `ask` and `block` do not start.
    """

    granted: bool
    step: Step
    by: Balance | None
    stale: bool

    @property
    def reason(self) -> str:
        """A sentence for the person who waits."""
        if self.by is None:
            return "No envelope is in the way."
        ledger, name = self.by.ledger.value, self.by.envelope.name
        used = round(self.by.share * 100)
        return f"The {ledger} ledger of {name} is {used} % used: {self.step.value}."


def decide(request: Request, balances: Sequence[Balance]) -> Decision:
    """Return what becomes of a request, by the hardest step of all its envelopes.

    A new run is granted below `ask`, or below `block` if each envelope that asks has approved it,
    and its estimate fits under the ceiling. A run under way is granted as long as its estimate fits
    under the ceiling: it ends inside the overdraft. Figures that are old grant inside the overdraft
    as well (rule 10.2).
    """
    stale = any(balance.stale for balance in balances)
    hardest: Balance | None = None
    step = Step.OPEN
    for balance in balances:
        found = step_of(request, balance)
        if hardest is None or found.rank > step.rank:
            hardest, step = balance, found
    if step is Step.OPEN:
        return Decision(granted=True, step=step, by=None, stale=stale)
    return Decision(_grants(request, step, balances), step, hardest, stale)


def step_of(request: Request, balance: Balance) -> Step:
    """Return what one ledger makes of a request."""
    if request.is_held:
        return min(balance.step, Step.ADVISE, key=lambda step: step.rank)
    if balance.used + request.estimate > balance.ceiling:
        return Step.BLOCK
    if not request.is_new:
        return min(balance.step, Step.ADVISE, key=lambda step: step.rank)
    if balance.stale:
        return min(balance.step, Step.ROUTE, key=lambda step: step.rank)
    return balance.step


def _grants(request: Request, step: Step, balances: Sequence[Balance]) -> bool:
    if step is Step.BLOCK:
        return False
    if step is Step.ASK:
        asking = {one.envelope.name for one in balances if step_of(request, one) is Step.ASK}
        return asking <= request.approved
    return step is not Step.SLOW or not request.background
