"""A change of a subscription in words."""

from datetime import date

from services.pricing.domain.subscription.changes import (
    Cancel,
    ChoosePlan,
    Event,
    Pause,
    Resume,
    SetOverrides,
    SetSeats,
    Withdraw,
)
from services.pricing.domain.subscription.terms import Terms
from services.pricing.handlers.subscription_changes import Planned
from services.pricing.schemas.subscription_change import event_of

NAMES: dict[type[Event], str] = {
    ChoosePlan: "another plan",
    SetOverrides: "prices of the tenant's own",
    SetSeats: "another number of seats",
    Pause: "a pause",
    Resume: "the end of a pause",
    Cancel: "the end of the subscription",
}


def sentences_of(planned: Planned) -> list[str]:
    """Return what happens, how the period is divided, and what is scheduled after it."""
    on, told = planned.effective_on, planned.after
    event = event_of(planned.kind, planned.content)
    texts = [_sentence(event, on, planned.before.on(on).terms)]
    if isinstance(event, Withdraw):
        return texts
    if isinstance(event, Cancel):
        texts = [f"The subscription ends: {told.last_day} is its last day."]
    period = told.period_from(max(told.starts_on, told.cycle.at_or_before(on)))
    if period is not None and period.start < on < period.end:
        days = f"{(period.end - on).days} of the {period.whole_days} days"
        texts.append(f"It holds for {days} of the period from {period.start} on.")
    texts += [
        f"A change of {change.effective_on} follows: {NAMES[type(change.event)]}."
        for change in planned.before.standing
        if change.effective_on > on
    ]
    return texts


def _sentence(event: Event, on: date, before: Terms) -> str:
    if isinstance(event, ChoosePlan):
        version = ""
        if event.price_version:
            stays = "" if event.stays else " until a later one is in force"
            version = f", version {event.price_version}{stays}"
        new, old = f"{event.plan} of {event.price_book}", f"{before.plan} of {before.price_book}"
        return f"From {on} on the plan is {new}{version}, in place of {old}."
    if isinstance(event, SetSeats):
        seats = f"{event.count} seats" + (f" of {event.seat_class}" if event.seat_class else "")
        return f"From {on} on there are {seats}."
    if isinstance(event, SetOverrides):
        return f"From {on} on {len(event.overrides)} prices are the tenant's own."
    if isinstance(event, Pause):
        return f"From {on} on the subscription is paused: no fees; usage is charged if it comes."
    if isinstance(event, Resume):
        return f"From {on} on the subscription runs again."
    return f"The change of {on} does not happen."
