"""Which language Stripe's pages and e-mails about an invoice are in."""

SUPPORTED = frozenset({
    "bg", "cs", "da", "de", "el", "en", "en-GB", "es", "es-419", "et", "fi", "fil", "fr", "fr-CA",
    "hr", "hu", "id", "it", "ja", "ko", "lt", "lv", "ms", "mt", "nb", "nl", "pl", "pt", "pt-BR",
    "ro", "ru", "sk", "sl", "sv", "th", "tr", "vi", "zh", "zh-HK", "zh-TW",
})  # fmt: skip
"""Source: https://docs.stripe.com/js/appendix/supported_locales."""


def stripe_locale(tag: str) -> str | None:
    """Return Stripe's locale for a language tag, of its language if not of its region; or None."""
    language = tag.partition("-")[0]
    return next((one for one in (tag, language) if one in SUPPORTED), None)
