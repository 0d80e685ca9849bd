"""From arguments and environment to what a meter works with; what cannot work raises here."""

import os
from typing import TYPE_CHECKING

import msgspec

from tallyroll.budgets.decision import ENFORCE, Enforce, OnAdvice
from tallyroll.buffer import BatchLimits
from tallyroll.spool import Spool
from tallyroll.transport import HTTPTransport, NamesAccount, Transport

if TYPE_CHECKING:
    from pathlib import Path

    from tallyroll.budgets.enforcing import Enforcer
    from tallyroll.budgets.source import HintSource
    from tallyroll.spool.about import Owner

QUEUE_EVENTS_MAX = 100_000
BATCH_EVENTS = 500
BATCH_EVENTS_MAX = 1_000
"""The server takes no more in one request, inclusive."""
BATCH_BYTES_MAX = 1_572_864
BATCH_AGE_SECONDS = 0.2
EXIT_SECONDS_MAX = 5.0


def check_settings(queue_events: int, when_full: str, batch_events: int) -> None:
    """Raise ValueError for a setting that cannot work."""
    if queue_events < 1:
        raise ValueError("queue_events must be at least 1")
    if when_full not in ("drop_new", "block", "raise"):
        raise ValueError("when_full must be 'drop_new', 'block' or 'raise'")
    if not 1 <= batch_events <= BATCH_EVENTS_MAX:
        raise ValueError(f"batch_events must be from 1 to {BATCH_EVENTS_MAX}")


def limits(batch_events: int, batch_age: float) -> BatchLimits:
    """Return when a batch is ready."""
    return BatchLimits(batch_events, BATCH_BYTES_MAX, batch_age)


def transport_from(endpoint: str | None, api_key: str | None) -> HTTPTransport:
    """Return the way to the server. ValueError without endpoint or key."""
    endpoint = endpoint or os.environ.get("TALLYROLL_ENDPOINT")
    api_key = api_key or os.environ.get("TALLYROLL_API_KEY")
    if not endpoint:
        raise ValueError("no endpoint: pass endpoint= or set TALLYROLL_ENDPOINT")
    if not api_key:
        raise ValueError("no API key: pass api_key= or set TALLYROLL_API_KEY")
    return HTTPTransport(endpoint, api_key)


def is_spool_off() -> bool:
    """Tell whether the environment says TALLYROLL_SPOOL=off."""
    return os.environ.get("TALLYROLL_SPOOL", "").lower() in ("off", "0", "false", "no")


def destination_of(
    spool: Spool | bool | None,
    endpoint: str | None,
    api_key: str | None,
    *,
    own: Transport | None,
) -> "tuple[Path, Owner] | None":
    """Return the spool's folder and whose it is, None for memory. `own`: the caller's transport.

    ValueError if nothing says for whom the events of such a transport are.
    """
    if spool is False or (spool is None and (own is not None or is_spool_off())):
        return None
    try:
        from tallyroll.spool.about import owner_of  # noqa: PLC0415  as in delivery.py
        from tallyroll.spool.place import destination_folder  # noqa: PLC0415
    except ImportError:  # Windows has no `fcntl`, and so no locks that end with their process
        return None
    settings = spool if isinstance(spool, Spool) else Spool()
    account = settings.account or os.environ.get("TALLYROLL_SPOOL_ACCOUNT")
    if isinstance(own, NamesAccount):
        account = f"{own.account}/{account}" if account else own.account
        settings = msgspec.structs.replace(settings, account=account)
        endpoint, api_key = own.destination, ""
    else:
        endpoint = endpoint or os.environ.get("TALLYROLL_ENDPOINT") or ""
        api_key = api_key or os.environ.get("TALLYROLL_API_KEY") or ""
    if own is not None and not (account or api_key):
        raise ValueError("a transport with a spool needs Spool(account=…) or the api_key it uses")
    try:
        folder = destination_folder(settings, endpoint, api_key)
    except (OSError, RuntimeError):  # nowhere to write: the buffer is in memory
        return None
    return folder, owner_of(endpoint, account)


def enforcer_of(
    enforce: Enforce | None,
    budgets: "str | HintSource | None",
    endpoint: str | None,
    api_key: str | None,
    *,
    on_advice: OnAdvice | None,
) -> "Enforcer | None":
    """Return what knows of budgets, None if nobody asks. ValueError if nobody can tell."""
    if enforce is None:
        return None
    if enforce not in ENFORCE:
        raise ValueError("enforce must be None, 'advise', 'degrade' or 'block'")
    from tallyroll.budgets.enforcing import Enforcer  # noqa: PLC0415  for those who ask
    from tallyroll.budgets.http import HTTPHintSource  # noqa: PLC0415

    if budgets is None or isinstance(budgets, str):
        named = budgets or os.environ.get("TALLYROLL_BUDGETS_ENDPOINT")
        named = named or endpoint or os.environ.get("TALLYROLL_ENDPOINT")
        api_key = api_key or os.environ.get("TALLYROLL_API_KEY")
        if not named or not api_key:
            raise ValueError("enforce needs an API key, and budgets= or an endpoint")
        budgets = HTTPHintSource(named, api_key)
    return Enforcer(budgets, enforce, on_advice)
