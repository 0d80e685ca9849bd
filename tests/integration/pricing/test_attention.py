"""What waits for a person in pricing: unreadable messages, told to whom they name."""

import json

import httpx

from services.pricing.repository import dead_letters
from shared.consuming import Origin
from shared.database import Database

from .billing_api import Headers


async def test_dead_letters_wait_with_whom_they_name(
    client: httpx.AsyncClient, headers: Headers, vendor: str, store: Database
) -> None:
    """Each code has its count and one action; what names another vendor is not told."""
    for offset, named in enumerate((vendor, vendor, "somebody")):
        body = json.dumps({"vendor_id": named, "mode": "test"}, separators=(",", ":"))
        origin = Origin("usage.aggregated", 91, offset)
        async with store.transaction() as connection:
            await dead_letters.store(
                connection, origin, code="invalid_message", payload=body.encode()
            )

    (item,) = (await client.get("/v1/attention", headers=headers)).json()["items"]

    assert ("dead_letters", "invalid_message", 2) == (item["code"], item["subject"], item["count"])
    assert "tallyrollctl pricing dead-letters" == item["action"]["command"]
    assert item["since"]
