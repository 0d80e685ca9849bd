"""Documents over HTTP: with a key, by a signed link without one, in the reader's locale."""

import asyncio
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import text

from services.invoicing.handlers import Change, change_state
from services.invoicing.repository.documents import read_issued_at
from shared.accounts.keys import Scope
from shared.events.statement_rated import RatingStep, StatementDetail


def _detail(agent: str, day: int, quantity: str, amount: str) -> StatementDetail:
    return StatementDetail(
        agent=agent,
        model="gpt-5",
        kind="output_text",
        usage_day=date(2026, 1, day),
        quantity=quantity,
        amount_exact=amount,
    )


@pytest.fixture(name="sent")
async def _sent(world: Any, statement: Any) -> Any:
    """Return a sent invoice over 5.34 USD: a line of usage with a step, and a fee."""
    rated = statement(("a", "5.004"), ("b", "1/3"), total="16012/3000")
    details = [_detail("writer", 5, "400", "2.004"), _detail("editor", 6, "600", "3")]
    step = RatingStep(step="price", description="1,000 tokens at 5.004 USD", amount_exact="5.004")
    first = rated.lines[0].model_copy(update={"details": details, "steps": [step]})
    invoice = await world.draft(rated.model_copy(update={"lines": [first, rated.lines[1]]}))
    await world.sync().sync_due()
    return await world.read(invoice)


async def _link(api: Any, sent: Any, **body: Any) -> str:
    headers = await api.key(Scope.BILLING_READ)
    path = f"/v1/invoices/{sent.invoice_id}/links"
    answer = await api.http.post(path, json=body, headers=headers)
    assert 200 == answer.status_code, answer.text
    url = urlsplit(answer.json()["url"])
    return f"{url.path}?{url.query}"


@pytest.mark.parametrize(
    ("form", "media_type", "start"),
    [
        ("pdf", "application/pdf", b"%PDF-"),
        ("csv", "text/csv; charset=utf-8", b"invoice_id,number,"),
        ("parquet", "application/vnd.apache.parquet", b"PAR1"),
    ],
)
async def test_a_statement_is_handed_out_in_every_format(
    api: Any, sent: Any, form: str, media_type: str, start: bytes
) -> None:
    """The file has its type and a name with the invoice's number, and no cache keeps it."""
    headers = await api.key(Scope.BILLING_READ)
    path = f"/v1/invoices/{sent.invoice_id}/statement?format={form}"

    answer = await api.http.get(path, headers=headers)

    assert (200, media_type) == (answer.status_code, answer.headers["content-type"])
    assert answer.content.startswith(start)
    assert f'usage-statement-{sent.number}.{form}"' in answer.headers["content-disposition"]
    assert "no-store" in answer.headers["cache-control"]


async def test_the_file_tells_the_steps_of_each_line(api: Any, sent: Any) -> None:
    """Steps are kept with the invoice, so that its documents can say them for ever."""
    headers = await api.key(Scope.BILLING_READ)
    path = f"/v1/invoices/{sent.invoice_id}/statement?format=csv"

    written = (await api.http.get(path, headers=headers)).text

    assert '"1,000 tokens at 5.004 USD = 5.004"' in written
    assert ",writer,gpt-5,output_text,2026-01-05,400,tokens,2.004,2.01,201,USD" in written


async def test_a_statement_knows_when_it_was_issued(api: Any, sent: Any, statement: Any) -> None:
    """The day that the invoice was first owed, however it went on; a draft has none."""
    draft = await api.world.draft(statement(("a", "9"), total="9", sequence=2))
    issued_at = api.world.clock.now()
    api.world.clock.instant += timedelta(days=3)
    async with api.world.database.transaction() as connection:
        paid = await change_state(connection, sent, Change("paid"), api.world.clock)
        found = [await read_issued_at(connection, one) for one in (paid, draft)]

    assert [issued_at, None] == found


async def test_a_link_opens_without_a_key(api: Any, sent: Any) -> None:
    """Whoever holds the link gets what it is for, until it expires."""
    path = await _link(api, sent, format="csv", expires_in_days=1)

    opened = await api.http.get(path)
    api.world.clock.instant += timedelta(days=1)
    expired = await api.http.get(path)

    assert (200, "text/csv; charset=utf-8") == (opened.status_code, opened.headers["content-type"])
    assert (410, "link_expired") == (expired.status_code, expired.json()["code"])


async def test_a_person_reads_a_page_when_a_link_is_no_good(api: Any, sent: Any) -> None:
    """A browser is answered with a page that says what to do, under the same status."""
    path = await _link(api, sent)

    answer = await api.http.get(f"{path}0", headers={"Accept": "text/html,*/*"})

    assert (403, "text/html; charset=utf-8") == (
        answer.status_code,
        answer.headers["content-type"],
    )
    assert "This link does not work" in answer.text


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.replace(".pdf?", ".csv?"),
        lambda path: path.replace("locale=de", "locale=en"),
        lambda path: path.replace("expires=", "expires=9"),
        lambda path: path.partition("?")[0],
        lambda path: path.partition("&signature")[0],
        lambda path: path.replace("key=main", "key=other"),
        lambda path: path.replace("expires=", "expires=x"),
        lambda path: path.replace("statement.", "statement.exe."),
    ],
)
async def test_a_changed_link_is_refused(api: Any, sent: Any, change: Any) -> None:
    """Format, locale, expiry, key and signature: 403 with one code, whatever was changed."""
    path = await _link(api, sent, format="pdf", locale="de")

    answer = await api.http.get(change(path))

    assert (403, "invalid_link") == (answer.status_code, answer.json()["code"])


async def test_a_link_of_another_invoice_is_refused(api: Any, sent: Any, statement: Any) -> None:
    """A signature is good for its invoice only."""
    other = await api.world.draft(statement(("a", "9"), total="9", sequence=2))
    path = await _link(api, sent)

    answer = await api.http.get(path.replace(sent.invoice_id, other.invoice_id))

    assert 403 == answer.status_code


async def test_links_and_statements_are_the_tenants_own(api: Any, sent: Any) -> None:
    """A key of another tenant finds no invoice; one of this tenant makes its own link."""
    await api.world.add_tenant("globex")
    stranger = await api.key(Scope.BILLING_READ, tenant_id="globex")
    owner = await api.key(Scope.BILLING_READ, tenant_id="acme")
    path = f"/v1/invoices/{sent.invoice_id}"

    answers = [
        (await api.http.post(f"{path}/links", json={}, headers=headers)).status_code
        for headers in (stranger, owner)
    ] + [
        (await api.http.get(f"{path}/{end}", headers=stranger)).status_code
        for end in ("statement", "lines/a/usage")
    ]

    assert [404, 200, 404, 404] == answers


async def test_a_statement_is_written_in_the_tenants_locale(api: Any, sent: Any) -> None:
    """What is named goes before the tenant's locale, that before the vendor's, that before en."""
    headers = await api.key()

    async def locale_of(tenant: str) -> tuple[str, str]:
        answer = await api.http.get(f"/v1/document-locale?tenant={tenant}", headers=headers)
        return answer.json()["locale"], answer.json()["source"]

    async def put(**body: Any) -> None:
        answer = await api.http.put("/v1/document-locale", json=body, headers=headers)
        assert 200 == answer.status_code, answer.text

    path = f"/v1/invoices/{sent.invoice_id}/statement"
    english = (await api.http.get(path, headers=headers)).content
    before = await locale_of("acme")
    await put(locale="fr-FR")
    vendors = await locale_of("acme")
    await put(tenant="acme", locale="de_de")
    german = (await api.http.get(path, headers=headers)).content
    named = (await api.http.get(f"{path}?locale=en", headers=headers)).content

    assert [("en", "default"), ("fr-FR", "vendor"), ("de-DE", "tenant")] == [
        before,
        vendors,
        await locale_of("acme"),
    ]
    assert english == named
    assert english != german


@pytest.mark.parametrize("locale", ["xx-XX", "a b", "../etc"])
async def test_an_unknown_locale_is_refused(api: Any, sent: Any, locale: str) -> None:
    """By name, when a document is asked for and when a locale is set."""
    headers = await api.key()
    path = f"/v1/invoices/{sent.invoice_id}/statement"

    answers = [
        await api.http.get(path, params={"locale": locale}, headers=headers),
        await api.http.put("/v1/document-locale", json={"locale": locale}, headers=headers),
    ]

    assert [400, 400] == [answer.status_code for answer in answers]
    assert {answer.json()["code"] for answer in answers} <= {"unknown_locale", "invalid_request"}


async def test_a_tenants_key_sets_no_other_locale(api: Any) -> None:
    """A tenant's key sets its own tenant's locale, never the vendor's."""
    headers = await api.key(Scope.BILLING_WRITE, tenant_id="acme")

    own = await api.http.put("/v1/document-locale", json={"locale": "de"}, headers=headers)
    other = await api.http.put(
        "/v1/document-locale", json={"locale": "de", "tenant": "globex"}, headers=headers
    )

    assert ("tenant", 403) == (own.json()["source"], other.status_code)


async def test_a_tenant_that_there_is_not_has_no_locale(api: Any) -> None:
    """A mistyped tenant is told, not stored."""
    headers = await api.key(Scope.BILLING_WRITE)

    answer = await api.http.put(
        "/v1/document-locale", json={"locale": "de", "tenant": "nobody"}, headers=headers
    )

    assert (404, "unknown_tenant") == (answer.status_code, answer.json()["code"])


async def test_many_readers_wait_for_no_connection(api: Any, sent: Any) -> None:
    """More documents at once than there are connections: all are handed out, none fails."""
    headers = await api.key(Scope.BILLING_READ)
    path = f"/v1/invoices/{sent.invoice_id}/statement"

    answers = await asyncio.gather(*(api.http.get(path, headers=headers) for _ in range(30)))

    assert {200} == {answer.status_code for answer in answers}
    assert 1 == len({answer.content for answer in answers})


async def test_steps_of_a_line_never_change(api: Any, sent: Any) -> None:
    """The database refuses it, as it does for amounts."""
    with pytest.raises(Exception, match="lines never change"):
        async with api.world.database.transaction() as connection:
            await connection.execute(text("update invoicing.invoice_line set steps = '[]'"))


async def test_a_line_leads_to_its_usage(api: Any, sent: Any) -> None:
    """The answer says what to ask of metering, and its details sum to the line's quantity."""
    headers = await api.key(Scope.BILLING_READ)
    path = f"/v1/invoices/{sent.invoice_id}/lines/a/usage"

    first = (await api.http.get(f"{path}?limit=1", headers=headers)).json()
    second = (await api.http.get(f"{path}?after={first['next_after']}", headers=headers)).json()
    details = first["details"] + second["details"]

    assert "1000" == first["quantity"] == str(sum(Decimal(one["quantity"]) for one in details))
    assert (None, "2026-02-01", None) == (
        first["booked_from"],
        first["booked_to"],
        second["next_after"],
    )
    assert (
        "/v1/usage?tenant=acme&from=2026-01-05&to=2026-01-06"
        "&group_by=agent%2Cmodel%2Ckind%2Cusage_day%2Cbooked_day"
        "&agent=writer&model=gpt-5&kind=output_text"
    ) == first["usage_path"]
    assert (
        "/v1/events?tenant=acme&from=2026-01-06&to=2026-01-07"
        "&agent=editor&model=gpt-5&kind=output_text"
    ) == details[1]["events_path"]


async def test_a_line_without_usage_says_so(api: Any, sent: Any) -> None:
    """A fee has nothing behind it; a line that there is not is a 404."""
    headers = await api.key(Scope.BILLING_READ)
    path = f"/v1/invoices/{sent.invoice_id}/lines"

    fee = (await api.http.get(f"{path}/b/usage", headers=headers)).json()
    unknown = await api.http.get(f"{path}/~adjustment/x/y/usage", headers=headers)

    assert (None, []) == (fee["usage_path"], fee["details"])
    assert (404, "unknown_line") == (unknown.status_code, unknown.json()["code"])


async def test_an_adjustment_leads_to_what_was_booked_late(api: Any, statement: Any) -> None:
    """Usage of the earlier period that was booked in the invoice's own."""
    key = "~adjustment/2025-12-01/sub-1/001-a"
    rated = statement((key, "2"), ("a", "1"), total="3")
    detail = _detail("writer", 5, "1000", "2").model_copy(update={"usage_day": date(2025, 12, 9)})
    line = rated.lines[0].model_copy(update={"details": [detail]})
    invoice = await api.world.draft(rated.model_copy(update={"lines": [line, rated.lines[1]]}))
    headers = await api.key(Scope.BILLING_READ)

    path = f"/v1/invoices/{invoice.invoice_id}/lines/{key}/usage"
    found = (await api.http.get(path, headers=headers)).json()

    assert ("2026-01-01", "2026-02-01") == (found["booked_from"], found["booked_to"])
    assert "from=2025-12-09&to=2025-12-10" in found["usage_path"]
