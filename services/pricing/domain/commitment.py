"""Commitment: paid whether used or not, and a factor on what is used above it."""

from dataclasses import dataclass
from fractions import Fraction

from services.pricing.domain.step import COMMITMENT, TRUE_UP, Step
from services.pricing.domain.words import Words


@dataclass(frozen=True)
class Commitment:
    """An amount for a whole period, or a quantity whose price is the amount; exactly one of both.

    Usage above it costs `overage_factor` times as much. What is missing is due with `true_up`.
    """

    amount: Fraction | None = None
    quantity: Fraction | None = None
    overage_factor: Fraction = Fraction(1)
    true_up: bool = True

    def __post_init__(self) -> None:
        if (self.amount is None) is (self.quantity is None):
            raise ValueError("a commitment is an amount or a quantity")


def commit(
    commitment: Commitment,
    used: Fraction,
    *,
    committed: Fraction,
    words: Words,
    trued_up: Fraction = Fraction(0),
) -> list[Step]:
    """Return the step that a commitment of `committed` adds to a used amount, if any.

    `trued_up` is what a minimum added to `used`: it counts towards the commitment, and is no usage
    that could cost more.
    """
    if used > committed:
        overage = max(used - trued_up - committed, Fraction(0))
        added = overage * (commitment.overage_factor - 1)
        factor = words.number(commitment.overage_factor)
        text = f"{words.money(overage)} above the commitment of {words.money(committed)} x {factor}"
        return [Step(COMMITMENT, text, added)] if added else []
    if used < committed and commitment.true_up:
        text = f"{TRUE_UP} commitment of {words.money(committed)}"
        return [Step(COMMITMENT, text, committed - used)]
    return []
