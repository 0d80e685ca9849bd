"""Money, numbers and dates as a reader's locale writes them."""

import unicodedata
from datetime import date
from decimal import Decimal

import pytest

from services.invoicing.documents.locales import Speech, isolated, parse_locale, tag_of
from shared.currencies import CURRENCIES
from shared.errors import TallyrollError

LOCALES = ("en", "de-DE", "de-CH", "fr-FR", "ja-JP", "ar-EG", "he-IL", "hi-IN", "pt-BR", "sv")


def _plain(text: str) -> str:
    """Return text without marks of direction; spaces and apostrophes differ between CLDRs."""
    kept = (c for c in text if unicodedata.category(c) != "Cf")
    return "".join(" " if c.isspace() else c for c in kept).replace("\u2019", "'")


@pytest.mark.parametrize(
    ("locale", "currency", "minor", "written"),
    [
        ("en", "USD", 123456, "$1,234.56"),
        ("en", "USD", -5, "-$0.05"),
        ("de-DE", "EUR", 123456, "1.234,56 €"),
        ("de-CH", "CHF", 123456, "CHF 1'234.56"),
        ("fr-FR", "EUR", 123456, "1 234,56 €"),
        ("ja-JP", "JPY", 1234, "￥1,234"),
        ("en", "KWD", 1234, "KWD 1.234"),
        ("ar-EG", "KWD", 1234, "1.234 د.ك."),
        ("en", "ISK", 1234, "ISK 1,234"),
        ("en", "MGA", 1234, "MGA 12.34"),
    ],
)
def test_money_is_written_as_the_locale_does(
    locale: str, currency: str, minor: int, written: str
) -> None:
    """Separators and the place of the sign are the locale's, decimal places ISO 4217's."""
    speech = Speech(parse_locale(locale), CURRENCIES[currency])

    assert written == _plain(speech.money(minor))


@pytest.mark.parametrize("locale", LOCALES)
def test_no_locale_loses_a_minor_unit(locale: str) -> None:
    """The digits of an amount are those of its minor units, in every locale and currency."""
    for currency in CURRENCIES.values():
        speech = Speech(parse_locale(locale), currency)
        for minor in (0, 7, 10**15 + 1):
            digits = "".join(c for c in speech.money(minor) if c in "0123456789")

            assert digits.lstrip("0") == str(minor).lstrip("0")
            assert len(digits) > currency.exponent


def test_an_exact_amount_that_goes_on_says_so() -> None:
    """Eight places are shown; a third is followed by an ellipsis, a finite amount is not."""
    speech = Speech(parse_locale("en"), CURRENCIES["USD"])

    assert "$0.33333333 …" == speech.exact_money(Decimal("0.33333333333333333333"))
    assert "$199.5299064" == speech.exact_money(Decimal("199.5299064"))


@pytest.mark.parametrize(
    ("locale", "day", "short"),
    [
        ("en", "Oct 1, 2026", "Oct 1"),
        ("de-DE", "01.10.2026", "1. Okt."),
        ("ja-JP", "2026/10/01", "10月1日"),
    ],
)
def test_days_are_written_as_the_locale_does(locale: str, day: str, short: str) -> None:
    """Order and words of a date are the locale's."""
    speech = Speech(parse_locale(locale), CURRENCIES["USD"])

    assert (day, short) == (speech.day(date(2026, 10, 1)), speech.short_day(date(2026, 10, 1)))


@pytest.mark.parametrize(
    ("locale", "han"),
    [("ja", "JP"), ("ko", "KR"), ("zh-CN", "SC"), ("zh-Hant-TW", "TC"), ("zh-Hant-HK", "HK")],
)
def test_chinese_characters_have_the_shapes_of_the_reader(locale: str, han: str) -> None:
    """The same code point looks different to readers of Japanese, Korean and Chinese."""
    assert han == Speech(parse_locale(locale), CURRENCIES["USD"]).han


def test_right_to_left_text_keeps_its_order() -> None:
    """A name in Arabic does not move the text around it; other names are left alone."""
    assert "\u2068شركة (Acme)\u2069" == isolated("شركة (Acme)")
    assert "Acme (Ltd.)" == isolated("Acme (Ltd.)")


@pytest.mark.parametrize("tag", ["xx", "english", "", "de_", "../en", "en\n", "a" * 300, "de--DE"])
def test_what_is_no_locale_is_refused(tag: str) -> None:
    """An unknown or hostile tag has a code, and reads no file of its name."""
    with pytest.raises(TallyrollError, match="unknown_locale"):
        parse_locale(tag)


def test_a_tag_has_one_spelling() -> None:
    """Underscores and lower case name the same locale."""
    assert "de-CH" == tag_of(parse_locale("de_ch"))
