"""`usage.recorded`: envelopes of token events, as Arrow IPC streams of one record batch each.

Guarantees: every event of an envelope belongs to the envelope's partition (CRC-32 of the
length-prefixed vendor, tenant and canonical event id, of a correction the id that it corrects);
events passed the checks of the ingest API. The header `content-type` is
`application/vnd.apache.arrow.stream`.
"""

from typing import Any

import pyarrow as pa

CONTENT_TYPE = "application/vnd.apache.arrow.stream"

_FIELDS: "list[pa.Field[Any]]" = [
    pa.field("vendor_id", pa.string(), nullable=False),
    pa.field("mode", pa.string(), nullable=False),
    pa.field("tenant_id", pa.string(), nullable=False),
    pa.field("event_id", pa.string(), nullable=False),
    pa.field("fingerprint", pa.binary(16), nullable=False),
    pa.field("occurred_at", pa.timestamp("us", tz="UTC")),
    pa.field("agent", pa.string(), nullable=False),
    pa.field("model", pa.string(), nullable=False),
    pa.field("provider", pa.string(), nullable=False),
    pa.field("token_types", pa.list_(pa.string()), nullable=False),
    pa.field("token_counts", pa.list_(pa.int64()), nullable=False),
    pa.field("unit_names", pa.list_(pa.string()), nullable=False),
    pa.field("unit_quantities", pa.list_(pa.string()), nullable=False),
    pa.field("context_band", pa.string(), nullable=False),
    pa.field("context_input_tokens", pa.int64()),
    pa.field("service_tier", pa.string(), nullable=False),
    pa.field("batch", pa.bool_(), nullable=False),
    pa.field("speed", pa.string(), nullable=False),
    pa.field("region", pa.string(), nullable=False),
    pa.field("user", pa.string(), nullable=False),
    pa.field("team", pa.string(), nullable=False),
    pa.field("run_id", pa.string(), nullable=False),
    pa.field("parent_run_id", pa.string(), nullable=False),
    pa.field("purpose", pa.string(), nullable=False),
    pa.field("status", pa.string(), nullable=False),
    pa.field("response_id", pa.string(), nullable=False),
    pa.field("line", pa.int32(), nullable=False),
    pa.field("instrument", pa.string(), nullable=False),
    pa.field("tags", pa.string(), nullable=False),
    pa.field("revision", pa.int32(), nullable=False),
    pa.field("corrects", pa.string(), nullable=False),
    pa.field("action", pa.string(), nullable=False),
    pa.field("reason", pa.string(), nullable=False),
    pa.field("actor", pa.string(), nullable=False),
    pa.field("outcome", pa.string(), nullable=False),
    pa.field("reservation_id", pa.string(), nullable=False),
]

SCHEMA = pa.schema(_FIELDS)
"""One row per event. Absent optional text is the empty string. `token_types[i]` has
`token_counts[i]` (0 to 10^15), `unit_names[i]` has `unit_quantities[i]` (plain decimal string).
`fingerprint` is 16 bytes of BLAKE2b over the normalised event. `tags` is a JSON object, `outcome`
one with `name`, `value` (plain decimal string) and `source`, or empty.

A correction has `corrects` (the canonical id of the first event), `action` (`void` or `replace`),
`revision` >= 1, `reason` and `actor` (the id of the key that sent it); for other events the four
texts are empty. Only a void has no `occurred_at`, and no agent, model, provider, tokens or units.
"""
