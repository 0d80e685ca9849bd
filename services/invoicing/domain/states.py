"""The states of an invoice and what Stripe's status makes of them.

draft -> approved (gate passed, number taken) -> issued -> sent -> paid | uncollectible | void;
draft and approved may be parked, and go back when a person retries.
"""

from typing import Literal

State = Literal["draft", "approved", "issued", "sent", "paid", "uncollectible", "void", "parked"]

SYNCED_STATES: tuple[State, ...] = ("draft", "approved", "issued")
"""States from which the Stripe sync goes on by itself."""

_ISSUED: frozenset[State] = frozenset({"issued", "sent", "uncollectible"})
_FINAL: dict[str, State] = {"paid": "paid", "void": "void", "uncollectible": "uncollectible"}


def state_from_stripe(state: State, stripe_status: str, *, sent: bool) -> State:
    """Return the state that follows from Stripe's present status of the invoice.

    `sent` tells that Stripe reported the sending. Invoices that are not issued, or at their end,
    keep their state: the sync takes the former on, nothing leaves paid and void.
    """
    if state not in _ISSUED:
        return state
    if stripe_status in _FINAL:
        return _FINAL[stripe_status]
    return "sent" if sent and state == "issued" else state
