"""Price books over the HTTP API, as `tallyrollctl pricebook` uses it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import httpx

from services.pricing.api_client import faults_of, refuse, send
from services.pricing.book_files import BookFile
from shared.errors import Fault, TallyrollError
from shared.money import format_exact, format_shown, parse_exact

PAGES_MAX = 10_000
ATTEMPTS_MAX = 60
ATTEMPT_SECONDS = 0.25


@dataclass(frozen=True)
class Done:
    """What became of a file: which version has its content, and whether something was written."""

    action: Literal["unchanged", "created", "updated", "published"]
    book: str
    version: int
    state: str
    effective_on: str | None


async def apply_file(client: httpx.AsyncClient, file: BookFile) -> Done:
    """Make a file's content the newest version of its book: a draft, unless it is there already.

    Twice is once. A draft that somebody else writes meanwhile is not overwritten (`stale_version`).
    """
    known = await _read_book(client, file.book)
    if known is None or known["name"] != file.name:
        known = await send(client, "PUT", _place(file), {"name": file.name})
    newest = known["versions"][-1] if known["versions"] else None
    if newest is not None and newest["content_hash"] == file.content_hash:
        return _done("unchanged", file, newest)
    headers: dict[str, str] = {}
    number = 1
    if newest is not None:
        is_draft = newest["state"] == "draft"
        number = newest["version"] + (0 if is_draft else 1)
        if is_draft:
            headers["If-Match"] = await _tag(client, file, number)
    path = f"{_place(file)}/versions/{number}"
    written = await send(client, "PUT", path, file.raw, headers)
    return _done("updated" if headers else "created", file, written)


async def publish_file(client: httpx.AsyncClient, file: BookFile, effective_on: date) -> Done:
    """Publish the draft that has a file's content; twice is once.

    Raises `not_applied` where the newest version has another content.
    """
    known = await _read_book(client, file.book)
    newest = known["versions"][-1] if known and known["versions"] else None
    if newest is None or newest["content_hash"] != file.content_hash:
        message = "The newest version of the book has another content: apply the file first."
        raise TallyrollError("not_applied", message, subject=file.book)
    if newest["state"] != "draft" and newest["effective_on"] == effective_on.isoformat():
        return _done("unchanged", file, newest)
    headers = {"If-Match": await _tag(client, file, newest["version"])}
    path = f"{_place(file)}/versions/{newest['version']}/publish"
    body = {"effective_on": effective_on.isoformat()}
    return _done("published", file, await send(client, "POST", path, body, headers))


async def draft_faults(client: httpx.AsyncClient, file: BookFile, done: Done) -> list[Fault]:
    """Return what would keep the version that a file became from being published."""
    path = f"{_place(file)}/versions/{done.version}/faults"
    return faults_of(await send(client, "GET", path, query=_day_query(file)))


def _day_query(file: BookFile) -> dict[str, Any]:
    return {} if file.effective_on is None else {"effective_on": file.effective_on.isoformat()}


async def define_meters(client: httpx.AsyncClient, file: BookFile) -> list[str]:
    """Make the meters of a file at metering; return the kinds of what there is now.

    The same definition again is the same version.
    """
    kinds = []
    for meter in file.meters:
        made = await send(client, "POST", "/v1/meters", meter.model_dump())
        kinds.append(f"meter:{made['name']}@{made['version']}")
    return kinds


async def publish_when_told(client: httpx.AsyncClient, file: BookFile, effective_on: date) -> Done:
    """Publish a file whose meters were just made: pricing hears of them a moment later."""
    for attempt in range(ATTEMPTS_MAX):
        try:
            return await publish_file(client, file, effective_on)
        except TallyrollError as error:
            codes = {fault.code for fault in error.faults}
            if codes != {"unknown_meter"} or attempt == ATTEMPTS_MAX - 1:
                raise
        await asyncio.sleep(ATTEMPT_SECONDS)
    raise AssertionError("the last attempt returns or raises")


async def diff_file(
    client: httpx.AsyncClient, file: BookFile, against: int | None = None
) -> dict[str, Any]:
    """Return what a file changes, the money of all pages added up.

    Raises `unknown_price_book` where the book is not there yet: then all of the file is new.
    """
    query: dict[str, Any] = _day_query(file) | ({} if against is None else {"against": against})
    whole: dict[str, Any] | None = None
    for _ in range(PAGES_MAX):
        page = await send(client, "POST", f"{_place(file)}/diff", file.raw, query=query)
        whole = page if whole is None else _added(whole, page)
        money = page["money"]
        if money is None or money["next_after"] is None:
            return whole
        query["after"] = money["next_after"]
    raise AssertionError("the pages have no end")


def _added(whole: dict[str, Any], page: dict[str, Any]) -> dict[str, Any]:
    """Return a comparison with the money of another page."""
    one, other = whole["money"], page["money"]
    charges = {charge["charge"]: charge for charge in one["charges"]}
    for charge in other["charges"]:
        known = charges.get(charge["charge"])
        charges[charge["charge"]] = charge if known is None else known | _sum(known, charge)
    money = {
        **one,
        "total": _sum(one["total"], other["total"]),
        "charges": [charges[key] for key in sorted(charges)],
        "subscriptions": one["subscriptions"] + other["subscriptions"],
        "next_after": other["next_after"],
    }
    return {**whole, "money": money}


def _sum(one: Mapping[str, str], other: Mapping[str, str]) -> dict[str, str]:
    sums: dict[str, str] = {}
    for name in ("before", "after", "difference"):
        total = parse_exact(one[f"{name}_exact"]) + parse_exact(other[f"{name}_exact"])
        sums |= {f"{name}_exact": format_exact(total), f"{name}_shown": format_shown(total)}
    return sums


def _place(file: BookFile) -> str:
    return f"/v1/price-books/{file.book}"


def _done(
    action: Literal["unchanged", "created", "updated", "published"],
    file: BookFile,
    version: Mapping[str, Any],
) -> Done:
    return Done(action, file.book, version["version"], version["state"], version["effective_on"])


async def _read_book(client: httpx.AsyncClient, book: str) -> dict[str, Any] | None:
    try:
        return await send(client, "GET", f"/v1/price-books/{book}")
    except TallyrollError as error:
        if error.code == "unknown_price_book":
            return None
        raise


async def _tag(client: httpx.AsyncClient, file: BookFile, version: int) -> str:
    """Return the tag of the version whose content was compared with the file's."""
    answer = await client.get(f"{_place(file)}/versions/{version}")
    refuse(answer)
    return answer.headers["etag"]
