"""Keys and numbers: the same for the same thing, different for different things."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.invoicing.domain.idempotency import idempotency_key, may_resend
from services.invoicing.domain.invoice_key import InvoiceKey
from services.invoicing.domain.numbering import invoice_number
from services.invoicing.domain.wire import from_wire, lines_sha256, lines_to_wire, to_wire
from shared.money import CURRENCIES

START = datetime(2026, 1, 1, tzinfo=UTC)


def _key(tenant: str, subscription: str) -> InvoiceKey:
    return InvoiceKey("v", "test", tenant, subscription, "period", 1, date(2026, 1, 1))


def test_the_idempotency_key_is_a_fixed_function() -> None:
    """SHA-256 of `tallyroll/1/false/v/inv/k/1`: no version of ours may compute another."""
    known = "b845e9852c8e62dfa16dd4ec70995f9f7bf0e3981159a72c40715b968f0fab38"

    assert known == idempotency_key("test", "v/inv/k/1")


def test_modes_and_attempts_have_keys_of_their_own() -> None:
    """Test and live, one attempt and the next, never share a key."""
    keys = {
        idempotency_key("test", "v/inv/k/1"),
        idempotency_key("live", "v/inv/k/1"),
        idempotency_key("test", "v/inv/k/2"),
    }

    assert 3 == len(keys)


@given(st.text(min_size=1, max_size=8), st.text(min_size=1, max_size=8))
def test_invoice_keys_are_injective(tenant: str, subscription: str) -> None:
    """A slash inside a part cannot make two keys look alike."""
    joined = f"{tenant}/{subscription}"

    assert str(_key(tenant, subscription)) != str(_key(joined, "-"))


def test_joining_by_a_bare_slash_would_confuse_keys() -> None:
    """The naive form gives two subscriptions one key; ours does not."""
    parts = (("a/b", "c"), ("a", "b/c"))

    assert 1 == len({"/".join(one) for one in parts})
    assert 2 == len({str(_key(*one)) for one in parts})


@pytest.mark.parametrize(
    ("vendor", "number"),
    [("demo", "DEMO-000007"), ("a" * 18, "A" * 18 + "-000007")],
)
def test_numbers_begin_with_the_vendor(vendor: str, number: str) -> None:
    """The vendor's id in capitals, then six digits."""
    assert number == invoice_number(vendor, 7)


def test_long_vendor_ids_stay_distinct_and_short() -> None:
    """Stripe takes 26 characters: a long id is cut, and its hash keeps it apart."""
    numbers = {invoice_number("a" * 40 + end, 1_000_000) for end in "bc"}

    assert 2 == len(numbers)
    assert {26} == {len(number) for number in numbers}


def test_a_call_is_resent_for_less_than_twenty_hours() -> None:
    """The bound is exclusive: at twenty hours we look instead."""
    age = timedelta(hours=20)

    assert not may_resend(START, START + age)
    assert may_resend(START, START + age - timedelta(microseconds=1))


@pytest.mark.parametrize(
    ("code", "minor", "wire"), [("USD", 1234, 1234), ("ISK", 12, 1200), ("MGA", 500, 5)]
)
def test_amounts_are_converted_for_the_wire(code: str, minor: int, wire: int) -> None:
    """Where Stripe's exponent differs from ISO's, the gateway's integers do."""
    assert wire == to_wire(minor, CURRENCIES[code])
    assert minor == from_wire(wire, CURRENCIES[code])


def test_lines_on_a_coarser_wire_sum_to_its_total() -> None:
    """For MGA the whole units of the total are spread over the lines."""
    assert [62, 61] == lines_to_wire([6150, 6150], CURRENCIES["MGA"])


def test_the_hash_of_the_lines_depends_on_each_of_them() -> None:
    """Another currency, key, amount or order is another hash."""
    hashes = {
        lines_sha256("USD", [("a", 1), ("b", 2)]),
        lines_sha256("EUR", [("a", 1), ("b", 2)]),
        lines_sha256("USD", [("b", 2), ("a", 1)]),
        lines_sha256("USD", [("a", 2), ("b", 1)]),
    }

    assert 4 == len(hashes)
