"""What becomes of a statement before Stripe hears of it."""

from datetime import date
from fractions import Fraction
from typing import Any

import pytest

from services.invoicing.domain.carrying import CarriedIn
from services.invoicing.domain.coupons import Coupon, NamedCoupon
from services.invoicing.domain.errors import InvalidStatement
from services.invoicing.drafting import compose_draft
from shared.events.statement_rated import StatementRated


def _line(key: str, amount: str) -> dict[str, Any]:
    return {
        "line_key": key,
        "charge": key,
        "model": "flat",
        "description": key,
        "quantity": "1",
        "unit": "periods",
        "amount_exact": amount,
        "steps": [],
        "details": [],
    }


def _statement(*lines: dict[str, Any], total: str, **values: Any) -> StatementRated:
    fields: dict[str, Any] = {
        "vendor_id": "demo",
        "mode": "test",
        "tenant_id": "acme",
        "statement_id": "st-1",
        "subscription_id": "sub-1",
        "kind": "period",
        "sequence": 1,
        "period_start": date(2026, 1, 1),
        "period_end": date(2026, 2, 1),
        "currency": "USD",
        "price_book": "standard",
        "price_version": 1,
        "price_hash": "p",
        "plan": "pro",
        "input_hash": "i",
        "rating_hash": "r",
        "total_exact": total,
        "lines": lines,
        "unrated": [],
    }
    return StatementRated.model_validate(fields | values)


@pytest.mark.parametrize(
    ("amounts", "total", "state", "reason"),
    [
        (["1"], "1", "draft", None),
        ([], "0", "paid", "zero_total"),
        (["0.004"], "0.004", "paid", "zero_total"),
        (["0.49"], "0.49", "paid", "carried_over"),
        (["0.495"], "0.495", "draft", None),
        (["-0.01"], "-0.01", "paid", "carried_over"),
        (["1"], "2", "parked", "statement_total_differs"),
        (["-1"], "-2", "parked", "statement_total_differs"),
        (["1"] * 251, "251", "draft", None),
        (["1"] * 250, "250", "draft", None),
    ],
)
def test_where_an_invoice_begins(
    amounts: list[str], total: str, state: str, reason: str | None
) -> None:
    """Only a total of at least the minimum charge, which its statement agrees on, is sent."""
    lines = [_line(f"{index:03d}", amount) for index, amount in enumerate(amounts)]

    draft = compose_draft(_statement(*lines, total=total))

    assert (state, reason) == (draft.values["state"], draft.values["reason"])


def test_lines_are_in_the_order_of_their_keys() -> None:
    """Ties of the allocation go to the smaller key, however the statement orders its lines."""
    lines = [_line("b", "1.005"), _line("a", "1.005")]

    draft = compose_draft(_statement(*lines, total="2.01"))

    assert [("a", 101), ("b", 100)] == [(line.line_key, line.amount_minor) for line in draft.lines]


def test_the_rounding_line_has_a_name() -> None:
    """What makes a total payable stands on the invoice as a line of its own."""
    draft = compose_draft(_statement(_line("a", "1.234"), total="1.234", currency="KWD"))

    last = draft.lines[-1]
    assert ("rounding", "-0.004", -4) == (last.charge, last.amount_exact, last.amount_minor)
    assert 1230 == draft.values["total_minor"]


def _paid(amount: str, **values: str) -> dict[str, str]:
    fixed = {"grant_id": "g", "line_key": "a", "amount_exact": amount, "tax": "at_use"}
    return fixed | values


def test_credits_lower_what_is_due() -> None:
    """Credits stand at the end, taxed ones apart; money is rounded once, after them."""
    draws = [_paid("0.5"), _paid("1/3", line_key="b"), _paid("0.25", tax="at_purchase")]

    draft = compose_draft(
        _statement(_line("a", "9"), _line("b", "1/3"), total="28/3", credits=draws)
    )

    assert [("a", "9", 900), ("b", "1/3", 33)] == [
        (line.line_key, line.amount_exact, line.amount_minor) for line in draft.lines[:2]
    ]
    assert [("~credits", "-5/6", -83), ("~credits-taxed", "-0.25", -25)] == [
        (line.line_key, line.amount_exact, line.amount_minor) for line in draft.lines[2:]
    ]
    assert ("draft", 825) == (draft.values["state"], draft.values["total_minor"])


def test_what_goes_back_to_credits_is_not_paid_out_too() -> None:
    """A correction of what credit had paid is credit again; it lowers nothing that is due."""
    returns = [{"statement_id": "st-0", "amount_exact": "4"}]
    lines = [_line("a", "10"), _line("~adjustment", "-4")]

    draft = compose_draft(_statement(*lines, total="6", returns=returns))

    last = draft.lines[-1]
    assert ("~credits~returned", "4") == (last.line_key, last.amount_exact)
    assert ("draft", 1000) == (draft.values["state"], draft.values["total_minor"])


def test_what_credits_pay_in_full_is_not_sent() -> None:
    """Nothing is left to pay, so the invoice begins as paid."""
    draft = compose_draft(_statement(_line("a", "1"), total="1", credits=[_paid("1")]))

    assert ("paid", "zero_total") == (draft.values["state"], draft.values["reason"])


@pytest.mark.parametrize(
    ("lines", "values", "code"),
    [
        ([_line("a", "1")], {"currency": "UGX"}, "unsupported_currency"),
        ([_line("a", "1")], {"currency": "usd"}, "unsupported_currency"),
        ([_line("a", "1"), _line("a", "1")], {}, "duplicate_line_key"),
        ([_line("~rounding", "1")], {}, "duplicate_line_key"),
        ([_line("~credits", "1")], {"credits": [_paid("1")]}, "duplicate_line_key"),
        ([_line("a", "1")], {"credits": [_paid("1e3")]}, "invalid_amount"),
        ([_line("a", "1e3")], {}, "invalid_amount"),
        ([_line("a", "1/0")], {}, "invalid_amount"),
        ([_line("a", "NaN")], {}, "invalid_amount"),
        ([_line("a", "9" * 300)], {}, "value_out_of_range"),
        ([_line("a", "9" * 30), _line("b", "-" + "9" * 30)], {}, "value_out_of_range"),
        ([_line("a", "1")], {"sequence": 2**31}, "value_out_of_range"),
    ],
)
def test_statements_that_no_invoice_can_be_made_of(
    lines: list[dict[str, Any]], values: dict[str, Any], code: str
) -> None:
    """Each is refused with a stable code, before anything is stored."""
    with pytest.raises(InvalidStatement, match=code):
        compose_draft(_statement(*lines, total="1", **values))


def test_an_opening_is_an_invoice_of_its_own() -> None:
    """Its key differs from that of the period which it opens, by its kind alone."""
    keys = [
        str(compose_draft(_statement(_line("a", "1"), total="1", kind=kind)).key)
        for kind in ("opening", "period")
    ]

    assert [
        "demo/test/acme/sub-1/opening/1/2026-01-01/1",
        "demo/test/acme/sub-1/period/1/2026-01-01/1",
    ] == keys


def test_a_line_keeps_the_days_of_a_fee_in_advance() -> None:
    """Of any other line the days are the invoice's."""
    days = {"period_start": "2026-02-01", "period_end": "2026-03-01"}
    draft = compose_draft(
        _statement(_line("a", "1"), _line("b", "1") | {"advance": days}, total="2")
    )

    assert [(None, None), (date(2026, 2, 1), date(2026, 3, 1))] == [
        (line.period_start, line.period_end) for line in draft.lines
    ]


def _carried(amount: str, name: str = "in-0") -> CarriedIn:
    return CarriedIn(name, Fraction(amount), "sub-0", date(2025, 12, 1), date(2026, 1, 1))


def test_what_was_carried_over_is_a_named_line() -> None:
    """It lowers or raises the invoice by its exact amount, and says where it comes from."""
    statement = _statement(_line("a", "10"), total="10")

    draft = compose_draft(statement, [_carried("-3.004"), _carried("0.4", "in-1")])

    assert [
        ("~carried/in-0", "-3.004", "Carried over from 2025-12-01 to 2025-12-31 (sub-0)"),
        ("~carried/in-1", "0.4", "Carried over from 2025-12-01 to 2025-12-31 (sub-0)"),
    ] == [(line.line_key, line.amount_exact, line.description) for line in draft.lines[1:]]
    assert ("draft", "7.396", 740) == (
        draft.values["state"],
        draft.values["total_exact"],
        draft.values["total_minor"],
    )
    assert (("in-0", "in-1"), None) == (draft.carried_in, draft.carried_out)


@pytest.mark.parametrize("amount", ["-3.004", "0.333", "1/3", "-1/3"])
def test_what_is_carried_over_leaves_an_invoice_of_nothing(amount: str) -> None:
    """The exact amount goes on, what was carried to it included; the invoice sums to zero."""
    draft = compose_draft(_statement(_line("a", amount), total=amount), [_carried("0.001")])

    left = Fraction(amount) + Fraction("0.001")
    assert left == (None if draft.carried_out is None else draft.carried_out.amount)
    assert ("paid", "carried_over", "0", 0) == tuple(
        draft.values[name] for name in ("state", "reason", "total_exact", "total_minor")
    )
    assert 0 == sum(line.amount_minor for line in draft.lines)
    assert "~carried~next" == draft.lines[-1].line_key


def test_a_statement_that_is_parked_takes_nothing_over() -> None:
    """What can never be sent keeps nothing from the next invoice."""
    draft = compose_draft(_statement(_line("a", "10"), total="11"), [_carried("-3")])

    assert ((), None, 1) == (draft.carried_in, draft.carried_out, len(draft.lines))


def _off(name: str, **values: Any) -> NamedCoupon:
    return NamedCoupon(Coupon(name, **values), f"{name} off")


def test_coupons_are_named_lines() -> None:
    """Each takes its share of what those before it left, of the charges that it names."""
    statement = _statement(_line("a", "100"), _line("b", "1/3"), total="301/3")
    half = _off("half", percent=Fraction(50), applies_to=frozenset({"a"}))

    draft = compose_draft(
        statement,
        coupons=[half, _off("ten", amount=Fraction(10)), _off("none", percent=Fraction(0))],
    )

    assert [("~coupon/half", "-50", "half off"), ("~coupon/ten", "-10", "ten off")] == [
        (line.line_key, line.amount_exact, line.description) for line in draft.lines[2:]
    ]
    assert ("draft", "121/3", 4033) == tuple(
        draft.values[name] for name in ("state", "total_exact", "total_minor")
    )


def test_a_coupon_never_takes_more_than_there_is() -> None:
    """What credits pay as a discount is not there; what they pay as a payment is."""
    draws = [_paid("2"), _paid("3", tax="at_purchase")]
    statement = _statement(_line("a", "10"), total="10", credits=draws)

    draft = compose_draft(statement, [_carried("5")], [_off("all", amount=Fraction(100))])

    assert ("~coupon/all", "-8") == (draft.lines[3].line_key, draft.lines[3].amount_exact)
    assert (200, "2") == (draft.values["total_minor"], draft.values["total_exact"])


def test_a_statement_below_zero_has_no_discount() -> None:
    """There is nothing to take off; the whole remainder goes on."""
    draft = compose_draft(
        _statement(_line("a", "-10"), total="-10"), coupons=[_off("half", percent=Fraction(50))]
    )

    assert draft.carried_out is not None
    assert (Fraction(-10), 2) == (draft.carried_out.amount, len(draft.lines))
