"""Tables of the schema `metering`."""

from services.metering.tables.archive import archive_file, archive_offset
from services.metering.tables.base import metadata
from services.metering.tables.identities import (
    correction,
    identity_segment,
    natural_duplicate,
    natural_key,
    overlay,
    plain_identity,
    tenant_number,
)
from services.metering.tables.log import (
    consumer_offset,
    live_worker,
    partition_lease,
    rejection_halt,
)
from services.metering.tables.meters import meter, meter_backfill, meter_request, meter_value
from services.metering.tables.publishing import (
    changed_day,
    day_verification,
    pending_seal,
    publisher_bucket,
    seal,
    vendor_seal,
)
from services.metering.tables.rejections import dead_letter_action, rejected
from services.metering.tables.rollups import (
    counting_statistic,
    rollup,
    user_rollup,
)
from services.metering.tables.runs import changed_run, run_outcome, run_rollup, run_usage
from shared.outbox import outbox_table

outbox = outbox_table(metadata)

__all__ = [
    "archive_file",
    "archive_offset",
    "changed_day",
    "changed_run",
    "consumer_offset",
    "correction",
    "counting_statistic",
    "day_verification",
    "dead_letter_action",
    "identity_segment",
    "live_worker",
    "metadata",
    "meter",
    "meter_backfill",
    "meter_request",
    "meter_value",
    "natural_duplicate",
    "natural_key",
    "outbox",
    "overlay",
    "partition_lease",
    "pending_seal",
    "plain_identity",
    "publisher_bucket",
    "rejected",
    "rejection_halt",
    "rollup",
    "run_outcome",
    "run_rollup",
    "run_usage",
    "seal",
    "tenant_number",
    "user_rollup",
    "vendor_seal",
]
