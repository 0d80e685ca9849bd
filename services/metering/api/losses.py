"""What an SDK says of events that it lost, which nobody else can know."""

import re

import structlog

from shared.accounts.access import Caller

LOSS_HEADER = b"tallyroll-events-lost"
_REPORT = re.compile(rb"(\d{1,15}); process=([0-9a-f]{32})")

logger = structlog.get_logger()


def note_loss(report: bytes, caller: Caller) -> None:
    """Log `<events>; process=<32 hex digits>`; anything else in the header is ignored.

    The number counts from the beginning of that process: of several lines the highest is right.
    """
    found = _REPORT.fullmatch(report)
    if found is None:
        return
    logger.warning(
        "sdk_events_lost",
        events=int(found[1]),
        process=found[2].decode(),
        vendor_id=caller.vendor_id,
        tenant_id=caller.tenant_id,
        key_id=caller.key_id,
    )
