"""What the consumer hands over becomes records: JSON is told apart, and its tenants looked up."""

from collections.abc import Iterable
from datetime import UTC, datetime

from aiokafka import ConsumerRecord

from services.metering.repository.tenants import KnownTenants
from services.metering.worker.json_records import JSON_CONTENT_TYPE, read_head
from services.metering.worker.reading import Record
from shared.accounts.repository import Account


def record_of(fetched: ConsumerRecord, tenants: frozenset[str] | None = None) -> Record:
    """Return a fetched record; `tenants` None says that its events were judged before."""
    return Record(
        fetched.partition,
        fetched.offset,
        fetched.value or b"",
        is_json=_is_json(fetched),
        taken_at=datetime.fromtimestamp(fetched.timestamp / 1000, UTC),
        tenants=tenants,
    )


def _is_json(fetched: ConsumerRecord) -> bool:
    kinds = [value for name, value in fetched.headers if name.lower() == "content-type"]
    return bool(kinds) and (kinds[-1] or b"").partition(b";")[0].strip() == JSON_CONTENT_TYPE


async def records_of(fetched: Iterable[ConsumerRecord], known: KnownTenants) -> list[Record]:
    """Return fetched records, those of JSON with the tenants that their account has now."""
    return [
        record_of(one, await _tenants(one, known) if _is_json(one) else frozenset())
        for one in fetched
    ]


async def _tenants(fetched: ConsumerRecord, known: KnownTenants) -> frozenset[str]:
    head = read_head(fetched.value or b"")
    if head is None:
        return frozenset()
    return await known.of(Account(head.vendor_id, head.mode), missing=True)
