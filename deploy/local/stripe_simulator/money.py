"""Currencies on Stripe's wire: exponents, multiples and how an amount is shown.

Kept apart from the product's own table on purpose: a fault there must not hide here. UGX is left
out, since Stripe's documentation contradicts itself about its exponent.
"""

from dataclasses import dataclass
from decimal import Decimal

from deploy.local.stripe_simulator.errors import StripeError


@dataclass(frozen=True)
class WireCurrency:
    """`exponent` of the integers on the wire.

    `line_multiple` divides every line, `total_multiple` every total that is finalized. Below
    `minimum` nothing is collected; where Stripe publishes none it is 0.
    """

    code: str
    exponent: int
    line_multiple: int = 1
    total_multiple: int = 1
    minimum: int = 0


_ZERO = "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf"
_THREE = "bhd jod kwd omr tnd"
_TWO = (
    "aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd bwp byn bzd cad "
    "cdf chf cny cop crc cve czk dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gtq gyd hkd hnl "
    "htg huf idr ils inr jmd kes kgs khr kyd kzt lak lbp lkr lrd lsl mad mdl mkd mmk mnt mop mur "
    "mvr mwk mxn myr mzn nad ngn nio nok npr nzd pab pen pgk php pkr pln qar ron rsd sar sbd scr "
    "sek sgd shp sle sos srd std szl thb tjs top try ttd twd tzs uah usd uyu uzs wst xcd yer zar "
    "zmw"
)

# The smallest charge in minor units, from Stripe's page on currencies.
_MINIMUM = {
    "aed": 200, "aud": 50, "bgn": 100, "brl": 50, "cad": 50, "chf": 50, "czk": 1500, "dkk": 250,
    "eur": 50, "gbp": 30, "hkd": 400, "huf": 17500, "inr": 50, "jpy": 50, "mxn": 1000, "myr": 200,
    "nok": 300, "nzd": 50, "pln": 200, "ron": 200, "sek": 300, "sgd": 50, "thb": 1000, "usd": 50,
}  # fmt: skip

CURRENCIES = {
    **{code: WireCurrency(code, 0, minimum=_MINIMUM.get(code, 0)) for code in _ZERO.split()},
    **{code: WireCurrency(code, 2, minimum=_MINIMUM.get(code, 0)) for code in _TWO.split()},
    # Lines may be any minor unit; what is paid ends in 0.
    **{code: WireCurrency(code, 3, total_multiple=10) for code in _THREE.split()},
    # Two decimals on the wire, whole units only.
    "isk": WireCurrency("isk", 2, line_multiple=100, total_multiple=100),
}
_SYMBOLS = {"usd": "$", "eur": "€", "gbp": "£", "jpy": "¥", "inr": "₹", "krw": "₩"}


def currency(code: str, *, param: str = "currency") -> WireCurrency:
    """Return the currency of a lower-case ISO code, or refuse it."""
    found = CURRENCIES.get(code)
    if found is None:
        raise StripeError(f"Invalid currency: {code[:20]}.", param=param)
    return found


def check_multiple(amount: int, multiple: int, *, param: str, code: str) -> None:
    if amount % multiple:
        raise StripeError(
            f"Invalid amount: in {code} it must be a multiple of {multiple}.",
            code="invalid_charge_amount_no_decimal_compatible",
            param=param,
        )


def shown(amount: int, code: str) -> str:
    """Write an amount for people: `$1,234.50`, `CHF 1,234.50`, `¥1,235`."""
    exponent = CURRENCIES[code].exponent
    digits = f"{Decimal(abs(amount)).scaleb(-exponent):,.{exponent}f}"
    sign = "−" if amount < 0 else ""  # noqa: RUF001  # a true minus sign, as typeset
    symbol = _SYMBOLS.get(code)
    return f"{sign}{symbol}{digits}" if symbol else f"{sign}{code.upper()} {digits}"
