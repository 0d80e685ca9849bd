"""The gate before finalizing: what Stripe holds is what we sent, to the last minor unit.

There is no tolerance, since we send integers. Tax is compared where it is ours.
"""

from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True)
class ExpectedDraft:
    """What we sent. `lines` are (line key, amount); amounts in Stripe's integers, `total` net.

    `tax` None: not ours. `automatic_tax`: whether Stripe works it out; None: either is good.
    """

    invoice_key: str
    currency: str
    total: int
    lines: tuple[tuple[str, int], ...]
    lines_sha256: str
    tax: int | None = None
    automatic_tax: bool | None = None

    def tax_differs(self, net: int | None, total: int) -> bool:
        """Tell whether Stripe's tax, or its total with tax, is another than ours."""
        ours = (self.tax, self.total + (self.tax or 0))
        return self.tax is not None and (net is None or (total - net, total) != ours)


@dataclass(frozen=True)
class ObservedDraft:
    """What Stripe holds; `total` is with tax. A line without our metadata has the key None.

    `starting_balance` is what of the customer's balance our own credit notes did not put there.
    """

    status: str
    invoice_key: str | None
    currency: str
    total_excluding_tax: int | None
    starting_balance: int
    lines: tuple[tuple[str | None, int], ...]
    lines_sha256: str | None
    total: int = 0
    automatic_tax: bool = False


def differences(expected: ExpectedDraft, observed: ObservedDraft) -> list[str]:
    """Return the code of each difference, in a fixed order; empty means that the gate is passed."""
    # A list of pairs, as one code may have one check only, and all of them are told at once.
    checks = [
        ("not_a_draft", observed.status != "draft"),
        ("invoice_key_differs", observed.invoice_key != expected.invoice_key),
        ("currency_differs", observed.currency.upper() != expected.currency),
        ("line_count_differs", len(observed.lines) != len(expected.lines)),
        ("lines_differ", Counter(observed.lines) != Counter(expected.lines)),
        ("total_differs", observed.total_excluding_tax != expected.total),
        ("tax_differs", expected.tax_differs(observed.total_excluding_tax, observed.total)),
        ("automatic_tax_differs", expected.automatic_tax not in (None, observed.automatic_tax)),
        ("lines_hash_differs", observed.lines_sha256 != expected.lines_sha256),
        ("customer_balance", observed.starting_balance != 0),
    ]
    return [code for code, differs in checks if differs]
