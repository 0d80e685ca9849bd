"""Coupons, and the discounts that they make on invoices and lines."""

from fractions import Fraction

from deploy.local.stripe_simulator.arithmetic import Discount
from deploy.local.stripe_simulator.errors import StripeError, not_simulated
from deploy.local.stripe_simulator.identifiers import new_id
from deploy.local.stripe_simulator.money import currency
from deploy.local.stripe_simulator.operations import Call, Operation, public
from deploy.local.stripe_simulator.resources.events import record_event
from deploy.local.stripe_simulator.resources.lookup import page_of
from deploy.local.stripe_simulator.resources.products import plain
from deploy.local.stripe_simulator.shapes import (
    PAGE,
    Choice,
    DecimalText,
    Integer,
    Metadata,
    Repeated,
    Shape,
    Text,
    TimeFilter,
    merged_metadata,
    timestamp,
)
from deploy.local.stripe_simulator.state import Body, filters_of

DISCOUNTS_MAX = 20
DISCOUNTS = Repeated(
    Shape({"coupon": Text(), "discount": Text(), "promotion_code": Text()}),
    most=DISCOUNTS_MAX,
    clearable=True,
)
_CREATE = Shape(
    {
        "amount_off": Integer(least=1),
        "applies_to": Shape({"products": Repeated(Text(), most=100)}),
        "currency": Text(),
        "duration": Choice(("forever", "once", "repeating")),
        "duration_in_months": Integer(least=1),
        "id": Text(),
        "max_redemptions": Integer(least=1),
        "metadata": Metadata(),
        "name": Text(40, clearable=True),
        "percent_off": DecimalText(places=4, least=0, most=100),
        "redeem_by": timestamp(),
    }
)


def create_coupon(call: Call) -> Body:
    params = call.params
    _check(call, params)
    percent = params.get("percent_off")
    record: Body = {
        "id": params.get("id") or new_id("co", length=8)[3:],
        "object": "coupon",
        "amount_off": params.get("amount_off"),
        "created": call.now,
        "currency": params.get("currency"),
        "duration": params.get("duration", "once"),
        "duration_in_months": params.get("duration_in_months"),
        "livemode": False,
        "max_redemptions": params.get("max_redemptions"),
        "metadata": merged_metadata({}, params.get("metadata", {})),
        "name": params.get("name"),
        "percent_off": None if percent is None else float(percent),
        "redeem_by": params.get("redeem_by"),
        "times_redeemed": 0,
        "valid": True,
        "_percent": None if percent is None else plain(percent),
        "_products": params.get("applies_to", {}).get("products", []),
    }
    call.put("coupon", record)
    record_event(call, "coupon.created", public(record))
    return public(record)


def _check(call: Call, params: Body) -> None:
    if ("percent_off" in params) == ("amount_off" in params):
        raise StripeError(
            "You must pass exactly one of percent_off and amount_off.",
            code="parameters_exclusive" if "amount_off" in params else "parameter_missing",
            param="percent_off",
        )
    if params.get("percent_off") == 0:
        raise StripeError("percent_off must be greater than 0.", param="percent_off")
    if ("amount_off" in params) != ("currency" in params):
        raise StripeError(
            "amount_off needs a currency, and percent_off has none.",
            code="parameter_missing",
            param="currency",
        )
    if "currency" in params:
        currency(params["currency"])
    repeating = params.get("duration") == "repeating"
    if repeating != ("duration_in_months" in params):
        raise StripeError(
            "duration_in_months goes with duration=repeating.", param="duration_in_months"
        )
    if "id" in params and call.state.get(call.account, "coupon", params["id"]):
        raise StripeError("Coupon already exists.", code="resource_already_exists", param="id")


def update_coupon(call: Call) -> Body:
    record = call.find("coupon", call.path["id"])
    if "name" in call.params:
        record["name"] = call.params["name"]
    if "metadata" in call.params:
        record["metadata"] = merged_metadata(record["metadata"], call.params["metadata"])
    call.put("coupon", record)
    record_event(call, "coupon.updated", public(record))
    return public(record)


def retrieve_coupon(call: Call) -> Body:
    return public(call.find("coupon", call.path["id"]))


def list_coupons(call: Call) -> Body:
    return page_of(call, "coupon", "/v1/coupons", *filters_of(call.params, "created"))


def delete_coupon(call: Call) -> Body:
    """Delete it; discounts that it has made go on."""
    record = call.find("coupon", call.path["id"])
    call.state.delete(call.account, "coupon", record["id"])
    record_event(call, "coupon.deleted", public(record))
    return {"id": record["id"], "object": "coupon", "deleted": True}


def new_discounts(
    call: Call, given: list[Body], *, code: str, name: str, **where: str | None
) -> list[str]:
    """Turn the `discounts` parameter into discounts and return their ids.

    `where` says what they stand on: `customer`, `invoice`, `invoice_item`.
    """
    made = []
    for index, one in enumerate(given):
        at = f"{name}[{index}]"
        if len(one) != 1:
            raise StripeError(f"{at} holds one of coupon and discount.", param=at)
        if "promotion_code" in one:
            raise not_simulated("promotion codes", param=f"{at}[promotion_code]")
        if "discount" in one:
            param = f"{at}[discount]"
            made.append(call.find("discount", one["discount"], param=param, status=400)["id"])
            continue
        coupon = call.find("coupon", one["coupon"], param=f"{at}[coupon]", status=400)
        _redeem(call, coupon, code=code, param=f"{at}[coupon]")
        made.append(_new_discount(call, coupon, where)["id"])
    return made


def _redeem(call: Call, coupon: Body, *, code: str, param: str) -> None:
    over = coupon["redeem_by"] is not None and coupon["redeem_by"] < call.now
    if not coupon["valid"] or over:
        raise StripeError(f"Coupon expired: {coupon['id']}", code="coupon_expired", param=param)
    if coupon["currency"] not in {None, code}:
        raise StripeError(f"The coupon is in {coupon['currency']}.", param=param)
    coupon["times_redeemed"] += 1
    coupon["valid"] = coupon["times_redeemed"] != coupon["max_redemptions"]
    call.put("coupon", coupon)


def _new_discount(call: Call, coupon: Body, where: dict[str, str | None]) -> Body:
    record: Body = {
        "id": new_id("di"),
        "object": "discount",
        "checkout_session": None,
        "customer": where.get("customer"),
        "customer_account": None,
        "end": None,
        "invoice": where.get("invoice"),
        "invoice_item": where.get("invoice_item"),
        "promotion_code": None,
        "source": {"coupon": coupon["id"], "type": "coupon"},
        "start": call.now,
        "subscription": None,
        "subscription_item": None,
        "_percent": coupon["_percent"],
        "_amount_off": coupon["amount_off"],
        "_products": coupon["_products"],
    }
    call.put("discount", record)
    return record


def arithmetic_discount(call: Call, identifier: str) -> Discount:
    record = call.find("discount", identifier)
    percent = record["_percent"]
    return Discount(
        id=identifier,
        percent=None if percent is None else Fraction(percent),
        amount_off=record["_amount_off"] or 0,
        products=frozenset(record["_products"]),
    )


OPERATIONS = [
    Operation("POST", "/v1/coupons", _CREATE, create_coupon),
    Operation("GET", "/v1/coupons", Shape({**PAGE, "created": TimeFilter()}), list_coupons),
    Operation("GET", "/v1/coupons/{id}", Shape(), retrieve_coupon),
    Operation(
        "POST",
        "/v1/coupons/{id}",
        Shape({"metadata": Metadata(), "name": Text(40, clearable=True)}),
        update_coupon,
    ),
    Operation("DELETE", "/v1/coupons/{id}", Shape(), delete_coupon),
]
