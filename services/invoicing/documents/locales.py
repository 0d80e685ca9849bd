"""Numbers, dates and money as a reader's locale writes them (CLDR, by babel)."""

import re
import unicodedata
from copy import copy
from datetime import date
from decimal import Decimal
from functools import cache

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_interval, format_skeleton
from babel.numbers import NumberPattern, format_decimal, get_currency_symbol

from shared.currencies import Currency
from shared.errors import TallyrollError

DEFAULT_LOCALE = "en"
LOCALE_PATTERN = r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8}){0,3}$"
EXACT_PLACES_SHOWN = 8
"""Decimal places of an exact amount on a page; the files have all of them."""

NO_BREAK_SPACE = "\u00a0"
FIRST_STRONG_ISOLATE, RIGHT_TO_LEFT_ISOLATE, POP_ISOLATE = "\u2068", "\u2067", "\u2069"

_HAN = {"ko": "KR", "zh": "SC"}
_HAN_TRADITIONAL = {"TW": "TC", "HK": "HK", "MO": "HK"}

_LOCALE = re.compile(LOCALE_PATTERN)


def parse_locale(text: str) -> Locale:
    """Return the locale that a tag like `de-CH` names; raises `unknown_locale`."""
    known = _LOCALE.fullmatch(text) is not None
    try:
        return Locale.parse(text.replace("-", "_") if known else "")
    except (UnknownLocaleError, ValueError) as error:
        message = "A locale is a language tag such as de, pt-BR or ja-JP."
        raise TallyrollError("unknown_locale", message, subject=text[:40]) from error


def tag_of(locale: Locale) -> str:
    """Return a locale's language tag."""
    return str(locale).replace("_", "-")


@cache
def known_locale(tag: str) -> Locale:
    """Return the locale of a tag that was stored, so it is one; the same tag is parsed once."""
    return parse_locale(tag)


def period_text(tag: str, first: date, last: date) -> str:
    """Return a range of days, both included, as a locale's readers write it."""
    return str(format_interval(first, last, "yMMMd", locale=known_locale(tag)))


def isolated(text: str) -> str:
    """Keep the order of right-to-left text apart from that of the text around it (UAX #9)."""
    if any(unicodedata.bidirectional(character) in ("R", "AL") for character in text):
        return f"{FIRST_STRONG_ISOLATE}{text}{POP_ISOLATE}"
    return text


class Speech:
    """Writes for one locale and one currency; digits are 0 to 9 in every locale."""

    def __init__(self, locale: Locale, currency: Currency) -> None:
        self.locale = locale
        self._currency = currency
        # CLDR's exponents are those of cash registers; an invoice has ISO 4217's.
        self._money = _with_places(locale, currency, currency.exponent)
        self._exact = _with_places(locale, currency, EXACT_PLACES_SHOWN)

    @property
    def han(self) -> str:
        """The shapes of Chinese characters that its readers expect: JP, KR, SC, TC or HK."""
        if self.locale.script == "Hant":
            return _HAN_TRADITIONAL.get(self.locale.territory or "", "TC")
        return _HAN.get(self.locale.language, "JP")

    def money(self, minor: int) -> str:
        """Return an amount of minor units with the currency's sign."""
        return self._apply(self._money, Decimal(minor).scaleb(-self._currency.exponent))

    def exact_money(self, amount: Decimal) -> str:
        """Return an exact amount; what has more than 8 places ends in an ellipsis."""
        written = self._apply(self._exact, amount)
        scaled = amount.scaleb(EXACT_PLACES_SHOWN)
        return written if scaled == scaled.to_integral_value() else f"{written} …"

    def _apply(self, pattern: NumberPattern, amount: Decimal) -> str:
        text = pattern.apply(
            amount, self.locale, currency=self._currency.code, currency_digits=False
        )
        return self._directed(text)

    def number(self, value: Decimal) -> str:
        return format_decimal(value, "#,##0.#########", locale=self.locale)

    def day(self, day: date) -> str:
        return self._directed(format_date(day, "medium", locale=self.locale))

    def short_day(self, day: date) -> str:
        return self._directed(format_skeleton("MMMd", day, locale=self.locale))

    def country(self, code: str) -> str:
        """Return the name of a country (ISO 3166-1 alpha-2), the code itself if it has none."""
        return isolated(str(self.locale.territories.get(code, code)))

    def _directed(self, text: str) -> str:
        if self.locale.text_direction == "ltr":
            return text
        return f"{RIGHT_TO_LEFT_ISOLATE}{text}{POP_ISOLATE}"


def _with_places(locale: Locale, currency: Currency, most: int) -> NumberPattern:
    pattern: NumberPattern = copy(locale.currency_formats["standard"])
    pattern.frac_prec = (currency.exponent, most)
    symbol = get_currency_symbol(currency.code, locale)
    # CLDR's currency spacing: a code of letters never touches the digits.
    if symbol[-1].isalpha():
        above, below = pattern.prefix
        pattern.prefix = (_apart(above), _apart(below))
    return pattern


def _apart(prefix: str) -> str:
    return f"{prefix}{NO_BREAK_SPACE}" if prefix.endswith("¤") else prefix
