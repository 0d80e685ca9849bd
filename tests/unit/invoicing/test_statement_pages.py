"""The statement as PDF: what stands on its pages, and that all of it adds up."""

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from pypdf import PdfReader

from services.invoicing.documents.breakdown import ROWS_SHOWN
from services.invoicing.documents.layout import STEPS_SHOWN, breakable, lay_out
from services.invoicing.documents.locales import Speech, parse_locale
from services.invoicing.documents.statement import Party, UsageStatement
from services.invoicing.documents.typesetting import typeset
from services.invoicing.domain.invoice_key import NO_SUBSCRIPTION
from services.invoicing.domain.taxing import TaxPlan
from tests.support.invoice_statements import (
    TENANT,
    TWO_RATES,
    Use,
    fee_line,
    usage_line,
    usage_statement,
    usage_statements,
)

ENGLISH = parse_locale("en")


class PlainSpeech(Speech):
    """Writes amounts so that a test can add them up."""

    def money(self, minor: int) -> str:
        return str(minor)


def _content(statement: UsageStatement) -> dict[str, Any]:
    return lay_out(statement, PlainSpeech(ENGLISH, statement.currency))


def _pages(statement: UsageStatement, locale: str = "en") -> list[str]:
    reader = PdfReader(BytesIO(typeset(statement, parse_locale(locale))))
    return [page.extract_text() for page in reader.pages]


def _sum(texts: Iterable[str]) -> int:
    return sum(int(text) for text in texts)


@settings(max_examples=60, deadline=None)
@given(usage_statements())
def test_whatever_is_shown_sums_to_the_invoice(statement: UsageStatement) -> None:
    """Summary, lines and the tables of usage come to the total, to the minor unit."""
    content = _content(statement)
    total = statement.invoice.total_minor

    assert total == _sum(amount for _, amount in content["summary"])
    assert total == _sum(line["amount"] for group in content["groups"] for line in group["lines"])
    for table in content["tables"]:
        assert total == _sum(row["amount"] for row in table["rows"])
    for group in content["groups"]:
        assert int(group["amount"]) == _sum(line["amount"] for line in group["lines"])


@settings(max_examples=30, deadline=None)
@given(usage_statements())
def test_days_sum_to_the_usage(statement: UsageStatement) -> None:
    """The days, with those of earlier periods, come to what the details come to."""
    days = _content(statement)["days"]
    usage = sum(detail.amount_minor for line in statement.lines for detail in line.details)

    assert not days or usage == _sum(row["amount"] for row in days)


def test_page_one_says_who_what_and_how_much() -> None:
    """Vendor, tenant, address, purchase order, period, number and total stand on the first page."""
    line = usage_line("001-input", [Use(Decimal(1000), Fraction("1234.567"))])
    page = _pages(usage_statement([line], tax_minor=10000))[0]

    for words in (
        *("Northwind Agents, Inc.", "Acme Robotics GmbH", "10115 Berlin", "Germany"),
        *("PO-2026-0417", "DEMO-000042", "Oct 1, 2026", "Oct 31, 2026", "$1,234.57", "$1,334.57"),
        *("at its price", "$1,234.567", "research", "gpt-5", "input_uncached"),
    ):
        assert words in page


def test_a_one_off_invoice_names_no_subscription() -> None:
    """There is none, nor a statement of usage behind it; what it charges are no fees of a plan."""
    content = _content(usage_statement([fee_line("001", "5")], subscription_id=NO_SUBSCRIPTION))

    assert {"Subscription", "Statement"}.isdisjoint(label for label, _ in content["facts"])
    assert ("Invoice details", "Items") == (content["title"], content["groups"][0]["title"])


def test_page_one_says_which_taxes_and_why_there_is_none() -> None:
    """Each rate with its name, the total with tax, the words of a reverse charge, tax ids."""
    line = usage_line("001-input", [Use(Decimal(1000), Fraction(100))])
    reverse = TaxPlan("reverse_charge", text="VAT is owed by the recipient")
    tenant = replace(TENANT, tax_ids=("DE123456789",))
    taxed = _pages(usage_statement([line], plan=TWO_RATES))[0]
    reversed_ = _pages(usage_statement([line], plan=reverse, tenant=tenant))[0]

    for words in ("GST Canada 5 %", "$5.00", "QST Québec 9.975 %", "$9.98", "$114.98"):
        assert words in taxed
    for words in ("Reverse charge", "VAT is owed by the recipient", "Tax id DE123456789"):
        assert words in reversed_


def test_a_statement_says_when_its_invoice_was_issued() -> None:
    """Until then it says when it was drafted."""
    fee, issued_at = fee_line("001-fee", "5"), datetime(2026, 11, 3, 23, 59, tzinfo=UTC)
    statements = [usage_statement([fee]), usage_statement([fee], issued_at=issued_at)]

    facts = [dict(_content(one)["facts"]) for one in statements]

    assert ("Nov 1, 2026", None) == (facts[0]["Drafted"], facts[0].get("Issued"))
    assert ("Nov 3, 2026", None) == (facts[1]["Issued"], facts[1].get("Drafted"))


def test_the_same_statement_gives_the_same_bytes() -> None:
    """A document can be compared, and its hash kept."""
    statement = usage_statement([usage_line("001-input", [Use(Decimal(1), Fraction(1, 3))])])

    assert typeset(statement, ENGLISH) == typeset(statement, ENGLISH)


@pytest.mark.parametrize("state", ["draft", "void", "paid"])
def test_a_statement_that_is_not_owed_says_so(state: str) -> None:
    """A draft, a void and a paid invoice are marked, and so is test mode."""
    statement = usage_statement([fee_line("001-fee", "5")], state=state, mode="test")
    page = _pages(statement)[0]

    assert state.capitalize() in page
    assert "Test mode" in page


def test_names_are_text_never_markup() -> None:
    """What would be code or markup to the typesetter stands on the page as it is."""
    hostile = '#read("/etc/hostname") *b* $x$ <l> @r \\u{41} #panic()'
    vendor = Party("demo", hostile)
    line = usage_line("001-input", [Use(Decimal(1), Fraction(5), agent="#panic(1)")])
    page = _pages(usage_statement([line | {"description": hostile}], vendor=vendor))[0]

    assert 2 <= page.count('#read("/etc/hostname") *b* $x$ <l> @r \\u{41} #panic()')
    assert "#panic(1)" in page


def test_twenty_thousand_details_are_a_few_pages() -> None:
    """The pages roll up by what still fits and stay complete; the rest is in the files."""
    uses = [
        Use(
            Decimal(1),
            Fraction(1, 7),
            agent=f"agent-{index % 40}",
            model=f"model-{index % 160 // 40}",
            kind=f"input_{index % 640 // 160}",
            day=index % 31 + 1,
        )
        for index in range(20_000)
    ]
    statement = usage_statement([usage_line("001-input", uses)])
    tables = _content(statement)["tables"]

    assert [["Agent"], ["Model", "Token type or unit"]] == [one["headings"] for one in tables]
    assert [40, 16] == [len(one["rows"]) for one in tables]
    assert len(_pages(statement)) <= 4


def test_more_rows_than_fit_stand_together() -> None:
    """The largest are shown, the others are one row, and the sum is still the invoice."""
    uses = [
        Use(Decimal(1), Fraction(index), agent=f"agent-{index}") for index in range(ROWS_SHOWN + 30)
    ]
    rows = _content(usage_statement([usage_line("001-input", uses)]))["tables"][0]["rows"]

    assert ROWS_SHOWN == len(rows)
    assert ["agent-149"] == rows[0]["names"]
    assert "31 more" == rows[-1]["words"]
    assert sum(range(ROWS_SHOWN + 30)) * 100 == _sum(row["amount"] for row in rows)


def test_two_hundred_and_fifty_lines_are_all_there() -> None:
    """Each line is on a page with its steps, whole; headings are repeated; totals do not part."""
    steps = [{"step": "s", "description": f"part {part}", "amount_exact": "1"} for part in range(4)]
    lines = [fee_line(f"{index:03d}-fee", "4") | {"steps": steps} for index in range(250)]
    pages = _pages(usage_statement(lines))
    text = "\n".join(pages)

    assert [str(index) for index in range(250)] == [
        str(int(found)) for found in re.findall(r"Charge (\d{3})-fee", text)
    ]
    assert 1000 == len(re.findall(r"part \d", text))
    assert all("LINE" in page for page in pages)
    assert "Total before tax" in pages[-1]
    assert "Charge 249-fee" in pages[-1]
    assert f"Page {len(pages)} of {len(pages)}" in pages[-1]


def test_a_total_never_stands_alone_on_a_page() -> None:
    """However many rows there are, the last one goes with the total to the next page."""
    for agents in range(10, 22):  # the first page ends among them
        uses = [Use(Decimal(1), Fraction(index), agent=f"agent-{index}") for index in range(agents)]
        pages = _pages(usage_statement([usage_line("001-input", uses)]))

        assert not [page for page in pages if re.search(r"AMOUNT\s+Total before tax", page)]


def test_many_steps_are_cut_on_the_pages_only() -> None:
    """A line says how many more steps the file has."""
    steps = [
        {"step": "s", "description": f"part {part}", "amount_exact": "0"} for part in range(40)
    ]
    line = fee_line("001-fee", "4") | {"steps": steps}
    shown = _content(usage_statement([line]))["groups"][0]["lines"][0]["steps"]

    assert STEPS_SHOWN + 1 == len(shown)
    assert "and 28 more steps" in shown[-1][0]


@pytest.mark.parametrize(
    ("currency", "total"), [("JPY", "¥3,774"), ("KWD", "KWD 3,774.120"), ("USD", "$3,774.12")]
)
def test_a_total_has_the_places_of_its_currency(currency: str, total: str) -> None:
    """Yen have none, dinars three, rounded to what can be paid."""
    page = _pages(usage_statement([fee_line("001-fee", "3774.1234")], currency=currency))[0]

    assert total in page.replace("\u00a0", " ")


@pytest.mark.parametrize("currency", ["USD", "JPY", "KWD", "ISK", "MGA"])
def test_every_exponent_can_be_set(currency: str) -> None:
    """Below zero, zero and above, in a right-to-left locale."""
    lines = [fee_line(f"{index:03d}-fee", amount) for index, amount in enumerate("105")]
    lines.append(fee_line("003-fee", "-2000.5"))

    assert _pages(usage_statement(lines, currency=currency), "ar-EG")


@pytest.mark.parametrize(
    ("name", "locale", "font"),
    [
        ("株式会社アクメ・ロボティクス", "ja-JP", "NotoSansCJKjp"),
        ("上海智能科技有限公司", "zh-CN", "NotoSansCJKsc"),
        ("주식회사 에이전트", "ko-KR", "NotoSansCJKkr"),
        ("شركة أكمي للروبوتات", "ar-SA", "NotoSansArabic"),
        ("סוכני הצפון", "he-IL", "Heebo"),
        ("Ελληνική Εταιρεία", "el-GR", "Inter"),
        ("Робототехника", "ru-RU", "Inter"),
    ],
)
def test_every_common_script_has_a_font(name: str, locale: str, font: str) -> None:
    """A name is set in the font that we ship for its script, and can be copied."""
    statement = usage_statement([fee_line("001-fee", "5")], tenant=Party("acme", name))
    page = PdfReader(BytesIO(typeset(statement, parse_locale(locale)))).pages[0]
    resources: Any = page["/Resources"]
    fonts = {str(one.get_object()["/BaseFont"]) for one in resources["/Font"].values()}

    assert any(font in one for one in fonts)
    assert {letter for letter in name if letter.isalpha()} <= set(page.extract_text())


def test_long_words_break_and_copy_whole() -> None:
    """A long name fits its column, and what is copied from the page is the name."""
    agent = "crew.planner:v2.production.eu-west-1/" + "z" * 60
    statement = usage_statement(
        [usage_line("001-input", [Use(Decimal(1), Fraction(5), agent=agent)])]
    )
    page = _pages(statement)[0]

    assert agent in page.replace("\n", "")
    assert "\u200b" not in page


def test_words_of_joined_letters_are_never_cut() -> None:
    """Marks go into long Latin words only."""
    assert "\u200b" in breakable("Donaudampfschifffahrtsgesellschaft")
    assert "\u200b" in breakable("elektrizitätenhauptbetriebswerk")
    assert "\u200b" not in breakable("والاستراتيجيةللروبوتاتالذكيةالمتقدمة")
    assert "short words only" == breakable("short words only")


def test_a_line_from_before_steps_were_kept_is_shown_whole() -> None:
    """Its description tells them; nothing is lost or shown twice."""
    statement = usage_statement([fee_line("001-fee", "5")])
    [line] = statement.lines
    old = replace(line, line=replace(line.line, steps=()))

    assert ("Charge 001-fee", "Charge 001-fee: at its price") == (line.title, old.title)
