"""The totals of a draft, worked out again whenever lines, discounts or taxes change."""

from deploy.local.stripe_simulator.arithmetic import Discount, Rate, Totals, settle
from deploy.local.stripe_simulator.errors import StripeError
from deploy.local.stripe_simulator.operations import Call
from deploy.local.stripe_simulator.resources.coupons import arithmetic_discount
from deploy.local.stripe_simulator.resources.invoice_object import all_lines
from deploy.local.stripe_simulator.resources.tax_amounts import check_tax_amounts
from deploy.local.stripe_simulator.resources.tax_ids import tax_ids_of
from deploy.local.stripe_simulator.resources.tax_rates import arithmetic_rate, automatic_rate
from deploy.local.stripe_simulator.state import Body

LINES_MAX = 250


def add_to_totals(call: Call, record: Body, lines: list[Body]) -> None:
    """Store new lines of a draft and add them up; without tax and discounts nothing is redone."""
    if record["_line_count"] + len(lines) > LINES_MAX:
        raise StripeError(f"An invoice holds at most {LINES_MAX} lines.", param="lines")
    for line in lines:
        check_line(record, line, "lines")
    record["_line_count"] += len(lines)
    call.state.put_all(call.account, "line_item", lines)
    if any(line["discounts"] or line["_tax_rates"] or line["_tax_amounts"] for line in lines):
        record["_simple"] = False
    if is_simple(record):
        net = record["subtotal"] + sum(line["amount"] for line in lines)
        record.update(subtotal=net, subtotal_excluding_tax=net, total=net, total_excluding_tax=net)
    else:
        recompute(call, record)


def is_simple(record: Body) -> bool:
    """Whether nothing but its lines' amounts makes up the total."""
    plain = not record["discounts"] and not record["default_tax_rates"]
    return bool(record["_simple"] and plain and not record["automatic_tax"]["enabled"])


def recompute(call: Call, record: Body) -> None:
    """Work out every line's discounts and taxes, and the sums on the invoice."""
    lines = all_lines(call.state, call.account, record["id"])
    check_tax_amounts(record, lines, "tax_amounts")
    record["_line_count"] = len(lines)
    discounts = {
        identifier: arithmetic_discount(call, identifier)
        for identifier in {*record["discounts"], *(d for line in lines for d in line["discounts"])}
    }
    rates = _Rates(call, record)
    totals = settle(
        lines,
        discounts=[discounts[identifier] for identifier in record["discounts"]],
        own_discounts=lambda line: _own(line, discounts),
        rates=rates.of,
        given=lambda line: line["_tax_amounts"],
    )
    call.state.put_all(call.account, "line_item", lines)
    _write(record, totals, lines)
    if record["automatic_tax"]["enabled"]:
        status = "complete" if rates.located else "requires_location_inputs"
        record["automatic_tax"]["status"] = status


def _own(line: Body, discounts: dict[str, Discount]) -> list[Discount]:
    return [discounts[identifier] for identifier in line["discounts"]]


def _write(record: Body, totals: Totals, lines: list[Body]) -> None:
    by_discount: dict[str, int] = {}
    for line in lines:
        for one in line["discount_amounts"]:
            by_discount[one["discount"]] = by_discount.get(one["discount"], 0) + one["amount"]
    record.update(
        subtotal=totals.subtotal,
        subtotal_excluding_tax=totals.subtotal_excluding_tax,
        total=totals.total,
        total_excluding_tax=totals.total_excluding_tax,
        total_discount_amounts=[
            {"amount": amount, "discount": discount} for discount, amount in by_discount.items()
        ],
        total_taxes=totals.taxes,
    )


class _Rates:
    """Which rates a line of the invoice is taxed by."""

    def __init__(self, call: Call, record: Body) -> None:
        self.call = call
        self.record = record
        self.known: dict[str, Rate] = {}
        self.automatic: dict[bool, Rate | None] = {}
        self.located = True
        if record["automatic_tax"]["enabled"]:
            self.located = self._automatic(inclusive=False) is not None

    def of(self, line: Body) -> list[Rate]:
        if self.record["automatic_tax"]["enabled"]:
            rate = self._automatic(inclusive=line["_tax_behavior"] == "inclusive")
            return [] if rate is None else [rate]
        return [self._rate(one) for one in line["_tax_rates"] or self.record["default_tax_rates"]]

    def _rate(self, identifier: str) -> Rate:
        if identifier not in self.known:
            self.known[identifier] = arithmetic_rate(self.call, identifier)
        return self.known[identifier]

    def _automatic(self, *, inclusive: bool) -> Rate | None:
        if inclusive not in self.automatic:
            customer = self.call.find("customer", self.record["customer"])
            address = (customer["shipping"] or {}).get("address") or customer["address"]
            vat = any(one["type"] == "eu_vat" for one in tax_ids_of(self.call, customer["id"]))
            self.automatic[inclusive] = automatic_rate(
                self.call,
                address,
                exempt=customer["tax_exempt"],
                has_vat_id=vat,
                inclusive=inclusive,
            )
        return self.automatic[inclusive]


def check_line(record: Body, line: Body, name: str) -> None:
    """Refuse a line that does not go with automatic tax."""
    if not record["automatic_tax"]["enabled"]:
        return
    refusals = {
        "Negative lines cannot be added to an invoice with automatic tax.": line["amount"] < 0,
        "Tax rates cannot be used together with automatic tax.": bool(line["_tax_rates"]),
        "Automatic tax needs a tax behavior other than unspecified.": line["_tax_behavior"]
        == "unspecified",
    }
    for message, refused in refusals.items():
        if refused:
            raise StripeError(message, param=name)


def check_automatic_tax(call: Call, record: Body) -> None:
    """Refuse automatic tax for what the draft holds already."""
    if not record["automatic_tax"]["enabled"]:
        return
    if record["default_tax_rates"]:
        raise StripeError(
            "Tax rates cannot be used together with automatic tax.", param="default_tax_rates"
        )
    for line in all_lines(call.state, call.account, record["id"]):
        check_line(record, line, "automatic_tax[enabled]")
