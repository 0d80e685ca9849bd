"""Bodies of credits and of provider prices: refused with faults, or good to construct."""

import json
from datetime import date
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.pricing.handlers.wallets import to_pay
from services.pricing.schemas.provider_price import ProviderPriceRead, ProviderPricesWrite
from services.pricing.schemas.reading import Model, body_schema, read_body
from services.pricing.schemas.wallet import GrantWrite, TopUpWrite, WalletWrite
from shared.errors import TallyrollError
from shared.events.statement_rated import CreditReturn
from shared.money import parse_exact
from tests.support.pricing_statements import line, statement

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["1", "0.5"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
TODAY = date(2023, 12, 2)
DAYS = st.sampled_from([None, "2023-11-01", "2023-12-02", "2199-12-31", "x", 5])
AMOUNTS = st.sampled_from(["1", "0.000000000001", "0", "-1", "1e5", 1, None, "9" * 40])


def around(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return bodies that are nearly right: some fields missing, some of any shape."""
    each = {name: values | JSON for name, values in fields.items()}
    return JSON | st.fixed_dictionaries({}, optional=each)


GRANTS = around(
    amount=AMOUNTS,
    valid_from=DAYS,
    expires_on=DAYS,
    priority=st.integers(-1, 1001),
    cost_basis=AMOUNTS,
    scope=around(models=st.lists(st.sampled_from(["m", "", "a b"]), max_size=2)),
    tax=st.sampled_from(["at_use", "at_purchase", "x"]),
    rollover=around(limit=AMOUNTS, days=st.integers(0, 3661), times=st.integers(0, 121)),
)
PRICES = around(
    prices=st.lists(
        st.fixed_dictionaries(
            {
                "source": st.sampled_from(["contract", "manual", "list"]),
                "provider": st.sampled_from(["openai", "", "\u0000"]),
                "model": st.sampled_from(["gpt-5.4", "*", "**"]),
                "kind": st.just("input_uncached"),
                "effective_from": DAYS,
                "per": AMOUNTS,
                "unit_amount": AMOUNTS,
            },
            optional={
                "effective_to": DAYS,
                "long_context": st.lists(
                    around(above=st.sampled_from([32_000, 200_000, 5]), unit_amount=AMOUNTS),
                    max_size=3,
                ),
            },
        ),
        max_size=2,
    )
)


def accepted(model: type[Model], body: Any) -> Model | None:
    """Return the body's model; None for one that is refused, which lists faults with codes."""
    try:
        return read_body(model, body, code="invalid_body")
    except TallyrollError as refusal:
        codes = [fault.code for fault in refusal.faults]
    assert codes
    assert all(code == code.lower() for code in codes)
    return None


@given(GRANTS)
def test_an_accepted_grant_can_be_constructed(body: Any) -> None:
    """A body has faults, or becomes a grant; only a start that is left out is judged later."""
    written = accepted(GrantWrite, body)
    if written is None:
        return
    if written.expires_on is None or written.expires_on > (written.valid_from or TODAY):
        made = written.to_domain("a", today=TODAY)

        assert made.amount > 0


@given(PRICES)
def test_an_accepted_price_can_be_constructed(body: Any) -> None:
    """A body has faults, or becomes prices that can be looked up."""
    written = accepted(ProviderPricesWrite, body)
    for price in written.prices if written else ():
        stored = {**price.model_dump(), "position": 1, "created_at": "2023-12-02T00:00:00Z"}

        assert price.kind == ProviderPriceRead.model_validate(stored).to_domain().kind


def test_described_bodies_stand_alone() -> None:
    """The API's document has no reference that leads out of a body's description."""
    for model in (GrantWrite, TopUpWrite, WalletWrite, ProviderPricesWrite):
        text = json.dumps(body_schema(model))

        assert "$ref" not in text
        assert "$defs" not in text


def test_the_parts_of_a_line_sum_to_it() -> None:
    """What no detail explains, such as a flat fee of a tier, is a part without kind and model."""
    asked = to_pay(statement("v", line("7", details=line("4").details), line("1/3", details=[])))

    assert [
        ("output_text", parse_exact("4")),
        ("", parse_exact("3")),
        ("", parse_exact("1/3")),
    ] == sorted(((part.kind, part.amount) for part in asked.parts), key=lambda p: -p[1])


def test_an_opening_draws_as_of_its_first_day() -> None:
    """A grant that begins with the subscription pays it; a period draws as of its last day."""
    days = [to_pay(statement("v", line("1"), kind=kind)).last_day for kind in ("opening", "period")]

    assert [date(2023, 11, 1), date(2023, 11, 30)] == days


def test_a_change_of_what_was_charged_names_whose_credit_comes_back() -> None:
    """What returned to credits of a fee is not asked of them again, unlike any other line."""
    fee = {"period_start": "2023-11-01", "period_end": "2023-12-01", "statement_id": "opening"}
    back = CreditReturn(statement_id="opening", amount_exact="30")
    lines = [line("50"), line("-40", line_key="~advance/2023-11-01/000-fee", advance=fee)]
    asked = to_pay(statement("v", *lines, returns=[back]))

    assert [50, -10] == [part.amount for part in asked.parts]
