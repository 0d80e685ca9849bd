"""Currencies: ISO 4217 exponents and how Stripe's differ, in one table.

Sources: ISO 4217 list one; Stripe, "Supported currencies" (zero-decimal, three-decimal and special
cases). UGX is left out on purpose: Stripe's page contradicts itself about its exponent, so it is
refused until it has been tried.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Currency:
    """A currency. Minor units are 10^-exponent of it.

    `stripe_exponent` is the exponent of integers on Stripe's wire; an amount there must be a
    multiple of `stripe_multiple`.
    """

    code: str
    exponent: int
    stripe_exponent: int
    stripe_multiple: int = 1


_TWO_DECIMALS = (
    "AED AUD BGN BRL CAD CHF CNY CZK DKK EGP EUR GBP HKD HUF IDR ILS INR KES MAD MXN MYR NGN NOK "
    "NZD PEN PHP PLN QAR RON RSD SAR SEK SGD THB TRY TWD UAH USD UYU ZAR"
).split()
_ZERO_DECIMALS = "BIF CLP DJF GNF JPY KMF KRW PYG RWF VND VUV XAF XOF XPF".split()
_THREE_DECIMALS = "BHD JOD KWD OMR TND".split()

CURRENCIES: dict[str, Currency] = {
    **{code: Currency(code, 2, 2) for code in _TWO_DECIMALS},
    **{code: Currency(code, 0, 0) for code in _ZERO_DECIMALS},
    **{code: Currency(code, 3, 3, 10) for code in _THREE_DECIMALS},
    "ISK": Currency("ISK", 0, 2, 100),
    "MGA": Currency("MGA", 2, 0),
}
