"""`tallyrollctl pricebook` against the API: the same file twice is once, others' work is kept."""

from copy import deepcopy
from datetime import date
from pathlib import Path

import httpx
import pytest
import yaml
from rich.console import Console

from examples.demo.catalog import price_book
from services.pricing.book_client import apply_file, diff_file, draft_faults, publish_file
from services.pricing.book_files import BookFile, read_book_file
from services.pricing.book_words import show_diff
from services.pricing.handlers.usage import store_usage
from shared.database import Database
from shared.errors import TallyrollError
from tests.support.pricing_service import Metering
from tests.support.pricing_usage import usage_row

from .billing_api import BOOK, TERMS, Headers

DAY = date(2023, 11, 1)


def file_of(folder: Path, amount: str = "500.00", name: str = "Demo") -> BookFile:
    """Return the demo's book as a file, with another fee."""
    content = deepcopy(price_book())
    content["charges"][4]["amount"] = amount
    path = folder / f"{amount}.yaml"
    path.write_text(yaml.safe_dump({"book": "demo", "name": name, **content}), encoding="utf-8")
    return read_book_file(path)


@pytest.fixture(name="signed")
def _signed(client: httpx.AsyncClient, headers: Headers) -> httpx.AsyncClient:
    """Return the client with the vendor's key, as the command has it."""
    return httpx.AsyncClient(transport=client._transport, base_url=client.base_url, headers=headers)


async def test_a_file_becomes_a_draft_and_then_a_version(
    signed: httpx.AsyncClient, tmp_path: Path
) -> None:
    """Apply and publish do what they say once, and say that nothing is left to do after that."""
    file = file_of(tmp_path)

    done = [
        await apply_file(signed, file),
        await apply_file(signed, file),
        await publish_file(signed, file, DAY),
        await publish_file(signed, file, DAY),
        await apply_file(signed, file),
    ]

    assert ["created", "unchanged", "published", "unchanged", "unchanged"] == [
        one.action for one in done
    ]
    assert {1} == {one.version for one in done}


async def test_a_change_is_the_next_version(signed: httpx.AsyncClient, tmp_path: Path) -> None:
    """A draft is written again in its place; what is published gets a successor."""
    first = [await apply_file(signed, file_of(tmp_path, amount)) for amount in ("1", "2")]
    await publish_file(signed, file_of(tmp_path, "2"), DAY)

    third = await apply_file(signed, file_of(tmp_path, "3"))

    assert [("created", 1), ("updated", 1)] == [(one.action, one.version) for one in first]
    assert ("created", 2) == (third.action, third.version)


async def test_a_name_is_kept_up_to_date(signed: httpx.AsyncClient, tmp_path: Path) -> None:
    """The book has the name that the file gives it."""
    await apply_file(signed, file_of(tmp_path, name="Another"))

    assert "Another" == (await signed.get(BOOK)).json()["name"]


async def test_what_was_not_applied_is_not_published(
    signed: httpx.AsyncClient, tmp_path: Path
) -> None:
    """A file is published as it was applied, or not at all."""
    await apply_file(signed, file_of(tmp_path, "1"))

    with pytest.raises(TallyrollError, match="not_applied"):
        await publish_file(signed, file_of(tmp_path, "2"), DAY)


async def test_another_effective_day_is_told(signed: httpx.AsyncClient, tmp_path: Path) -> None:
    """A published version keeps its day: the refusal of the API comes through."""
    file = file_of(tmp_path)
    await apply_file(signed, file)
    await publish_file(signed, file, DAY)

    with pytest.raises(TallyrollError, match="version_published"):
        await publish_file(signed, file, date(2024, 1, 1))


async def test_faults_of_a_publication_come_with_their_places(
    signed: httpx.AsyncClient, tmp_path: Path
) -> None:
    """What the server finds is told with the places of the file, before and when it is sold."""
    content = deepcopy(price_book())
    content["charges"][0]["usage"]["kinds"].append("meter:none@1")
    path = tmp_path / "book.yaml"
    path.write_text(yaml.safe_dump({"book": "demo", "name": "Demo", **content}), encoding="utf-8")
    file = read_book_file(path)
    applied = await draft_faults(signed, file, await apply_file(signed, file))
    console = Console(record=True, width=120)

    with pytest.raises(TallyrollError, match="not_publishable") as caught:
        await publish_file(signed, file, DAY)
    show_diff(console, await diff_file(signed, file))

    places = [fault.path for fault in caught.value.faults]
    assert ["charges[0].usage.kinds[1]"] == places
    assert set(places) <= file.lines.keys()
    assert caught.value.faults == applied
    assert "! charges[0].usage.kinds[1]: Metering has not told of" in console.export_text()


async def test_a_draft_of_somebody_else_is_not_overwritten(
    signed: httpx.AsyncClient, tmp_path: Path
) -> None:
    """Between look and write another writer comes: the file is refused, the other's draft stays."""
    await apply_file(signed, file_of(tmp_path, "1"))
    other = file_of(tmp_path, "2")

    class Interrupted(httpx.AsyncBaseTransport):
        """Lets another writer in right before our write."""

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.method == "PUT" and "/versions/" in request.url.path:
                await signed.put(request.url.path, json=dict(other.raw))
            return await signed._transport.handle_async_request(request)

    late = httpx.AsyncClient(
        transport=Interrupted(), base_url=signed.base_url, headers=signed.headers
    )
    with pytest.raises(TallyrollError, match="stale_version"):
        await apply_file(late, file_of(tmp_path, "3"))

    kept = (await signed.get(f"{BOOK}/versions/1")).json()
    assert other.content_hash == kept["content_hash"]


async def test_the_difference_is_shown_in_words_and_money(
    signed: httpx.AsyncClient, tmp_path: Path, store: Database, vendor: str
) -> None:
    """Before anything is applied, a file says what it would cost the subscribers."""
    await apply_file(signed, file_of(tmp_path))
    await publish_file(signed, file_of(tmp_path), DAY)
    await signed.put("/v1/subscriptions/main", json=TERMS)
    rows = [usage_row(date(2023, 11, 9), "input_uncached", 22_361_870)]
    async with store.transaction() as connection:
        await store_usage(connection, Metering("", vendor).usage("globex", rows))
    console = Console(record=True, width=120)

    show_diff(console, await diff_file(signed, file_of(tmp_path, "550")))
    show_diff(console, await diff_file(signed, file_of(tmp_path)))

    text = console.export_text()
    assert "amount was 500, is 550 (+10 %)." in text
    assert "Usage of 2023-11-01 to 2023-12-01" in text
    assert [["main", "582.08561", "632.08561", "50"]] == [
        line.replace("│", " ").split() for line in text.splitlines() if "main" in line
    ]
    assert "The same as version 1." in text


async def test_an_answer_of_something_else_is_told(tmp_path: Path) -> None:
    """A proxy's page is no traceback."""
    transport = httpx.MockTransport(lambda _: httpx.Response(502, text="<html>"))
    client = httpx.AsyncClient(transport=transport, base_url="http://proxy")

    with pytest.raises(TallyrollError, match="unexpected_answer"):
        await apply_file(client, file_of(tmp_path))
