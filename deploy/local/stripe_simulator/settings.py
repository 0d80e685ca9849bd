"""What an operator of the simulator may set while it runs, under `/_sim/settings`."""

from typing import Any, Literal

import msgspec

from deploy.local.stripe_simulator.errors import StripeError
from deploy.local.stripe_simulator.state import State

SETTINGS_NAME = "settings"


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of it has a default that suits a deployment without a person beside it.

    `rate_limits` switches Stripe's documented limits on (`limiter.py`). `strict_version` refuses
    requests with another `Stripe-Version` than the pinned one. `numbering` counts invoice numbers
    by customer or by account. `retries` is how deliveries come again: `quick` within a minute of
    real time, `stripe` over three days of the simulator's clock. `registrations` are the places
    (`DE`, `US-CA`) where automatic tax collects, None for every place of the table. `search_lag_s`
    hides customers from the search for so many seconds.
    """

    rate_limits: bool = False
    rate_per_endpoint: int = 25
    rate_global: int = 100
    strict_version: bool = True
    numbering: Literal["customer", "account"] = "customer"
    retries: Literal["quick", "stripe"] = "quick"
    registrations: tuple[str, ...] | None = None
    search_lag_s: int = 0


def load_settings(state: State, defaults: Settings) -> Settings:
    stored = state.setting(SETTINGS_NAME, "")
    return msgspec.json.decode(stored, type=Settings) if stored else defaults


def changed_settings(settings: Settings, change: dict[str, Any]) -> Settings:
    """Return the settings with some replaced, or refuse what they cannot be."""
    try:
        return msgspec.convert(msgspec.to_builtins(settings) | change, Settings)
    except msgspec.ValidationError as error:
        raise StripeError(f"Invalid settings: {error}.", param="settings") from None
