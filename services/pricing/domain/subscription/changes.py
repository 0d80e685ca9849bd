"""What can happen to a subscription. A change is a row of its own; no earlier one is touched."""

from dataclasses import dataclass
from datetime import date

from services.pricing.domain.seats import ANY_CLASS
from services.pricing.domain.subscription.terms import Override


@dataclass(frozen=True)
class ChoosePlan:
    """Another plan, or another version of it: an upgrade, a downgrade, a phase, a migration."""

    price_book: str
    plan: str
    price_version: int | None = None
    stays: bool = True


@dataclass(frozen=True)
class SetOverrides:
    """The overrides that hold from now on, in place of all earlier ones."""

    overrides: tuple[Override, ...]


@dataclass(frozen=True)
class SetSeats:
    """So many seats of a class, in all (not: more); 0 or more."""

    count: int
    seat_class: str = ANY_CLASS

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError("seats are counted from 0")


@dataclass(frozen=True)
class Pause:
    """No fees and nothing else that is due by days; usage that comes anyway is charged."""


@dataclass(frozen=True)
class Resume:
    """The end of a pause."""


@dataclass(frozen=True)
class Cancel:
    """The end of the subscription: its day of effect is the first that it no longer holds."""


@dataclass(frozen=True)
class Withdraw:
    """An earlier change does not happen."""

    change_id: str


Event = ChoosePlan | SetOverrides | SetSeats | Pause | Resume | Cancel | Withdraw


@dataclass(frozen=True)
class Change:
    """`event` holds from `effective_on` on, 00:00 UTC. `position` counts the changes from 1."""

    change_id: str
    position: int
    effective_on: date
    event: Event


def standing(changes: tuple[Change, ...]) -> tuple[Change, ...]:
    """Return the changes that were not withdrawn, by the day of effect, then as they were made.

    A withdrawal reaches back to changes that were made before it. One that is itself withdrawn
    never happened, so the latest are looked at first.
    """
    withdrawn: set[str] = set()
    left = []
    for change in sorted(changes, key=lambda one: -one.position):
        if change.change_id in withdrawn:
            continue
        if isinstance(change.event, Withdraw):
            withdrawn.add(change.event.change_id)
        else:
            left.append(change)
    return tuple(sorted(left, key=lambda one: (one.effective_on, one.position)))
