"""What goes wrong with webhooks on their way: again, out of order, late, badly signed, lost."""

import asyncio
import random
from typing import Any, Literal, TypeVar

import msgspec

from deploy.local.stripe_simulator.errors import StripeError

DELAY_MS_MAX = 60_000
_Item = TypeVar("_Item")


class DeliveryPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`duplicate` is the probability of a second delivery; `shuffle` the events mixed at a time.

    `drop_first` loses that many attempts of each delivery. `secrets` replaces the secrets of an
    endpoint (`fixed_0`, `we_…`), as after a rotation that a receiver has not heard of.
    """

    seed: int = 0
    duplicate: float = 0
    shuffle: int = 0
    delay_ms: int = 0
    drop_first: int = 0
    signature: Literal["right", "wrong", "missing"] = "right"
    timestamp_offset_s: int = 0
    secrets: dict[str, tuple[str, ...]] = {}


class DeliveryFaults:
    def __init__(self) -> None:
        self.load({})

    def load(self, plan: dict[str, Any]) -> None:
        """Replace the plan, or refuse it whole."""
        try:
            self.plan = msgspec.convert(plan, DeliveryPlan)
        except msgspec.ValidationError as error:
            raise StripeError(f"Invalid plan: {error}.", param="webhooks") from None
        if not 0 <= self.plan.delay_ms <= DELAY_MS_MAX:
            raise StripeError(f"A delay is at most {DELAY_MS_MAX} ms.", param="delay_ms")
        self.dice = random.Random(self.plan.seed)  # noqa: S311  # reproducible, no secret

    def shuffled(self, items: list[_Item]) -> list[_Item]:
        if self.plan.shuffle > 1:
            self.dice.shuffle(items)
        return items

    def copies(self) -> int:
        return 2 if self.plan.duplicate and self.dice.random() < self.plan.duplicate else 1

    def drops(self, attempts: int) -> bool:
        return attempts < self.plan.drop_first

    def signing(self, secrets: tuple[str, ...]) -> tuple[str, ...]:
        """Return the secrets that sign: the right ones, none, or some that nobody knows."""
        if self.plan.signature == "missing":
            return ()
        return ("whsec_nobody_knows",) if self.plan.signature == "wrong" else secrets

    async def delay(self) -> None:
        if self.plan.delay_ms:
            await asyncio.sleep(self.plan.delay_ms / 1000)
