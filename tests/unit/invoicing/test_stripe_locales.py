"""The language of what Stripe shows, and the period of an invoice as its reader writes it."""

from datetime import date

import pytest

from services.invoicing.documents.locales import period_text
from services.invoicing.domain.stripe_locales import stripe_locale


@pytest.mark.parametrize(
    ("tag", "theirs"),
    [("de", "de"), ("de-CH", "de"), ("pt-BR", "pt-BR"), ("zh-TW", "zh-TW"), ("eo", None)],
)
def test_a_region_that_stripe_lacks_gets_its_language(tag: str, theirs: str | None) -> None:
    """A tag that Stripe would refuse is never sent."""
    assert theirs == stripe_locale(tag)


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("en", "Feb 1\u2009\u2013\u200928, 2026"),
        ("de", "1.\u201328. Feb. 2026"),
        ("ja", "2026年2月1日\uff5e28日"),
    ],
)
def test_a_period_is_a_range_of_days(tag: str, text: str) -> None:
    """Written by CLDR's pattern of the locale, both days included."""
    assert text == period_text(tag, date(2026, 2, 1), date(2026, 2, 28))
