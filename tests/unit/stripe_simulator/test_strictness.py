"""What Stripe would refuse, the simulator refuses, whatever comes over the wire."""

from typing import Any

import httpx
import pytest

from deploy.local.stripe_simulator import create_simulator

# The SDK hands httpx its form in the old way.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>' to upload:DeprecationWarning")

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
LINE = "lines[0][amount]=1"


async def _refused(simulator: Any, path: str, body: str) -> tuple[int, str | None, str | None]:
    answer = await simulator.http.post(path, content=body, headers=FORM)
    error = answer.json()["error"]
    return answer.status_code, error.get("code"), error.get("param")


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        (f"{LINE}&lines[0][price]=p", "parameter_unknown", "lines[0][price]"),
        (f"{LINE}&lines[0][period][from]=1", "parameter_unknown", "lines[0][period][from]"),
        (f"{LINE}&lines[0][period][start]=1", "parameter_missing", "lines[0][period][end]"),
        (
            f"{LINE}&lines[0][period][start]=2&lines[0][period][end]=1",
            None,
            "lines[0][period][end]",
        ),
        ("", "parameter_missing", "lines"),
        ("lines[0][description]=x", "parameter_missing", "lines[0][amount]"),
        ("lines[0][amount]=1.0", "parameter_invalid_integer", "lines[0][amount]"),
        ("lines[0][amount]=1e3", "parameter_invalid_integer", "lines[0][amount]"),
        ("lines[0][amount]=%D9%A1", "parameter_invalid_integer", "lines[0][amount]"),
        ("lines[0][amount]=" + "9" * 5000, "parameter_invalid_integer", "lines[0][amount]"),
        (f"{LINE}&{LINE}", None, "lines[0][amount]"),
        (f"{LINE}&lines=x", None, "lines"),
        ("lines[1][amount]=1", None, "lines"),
        ("lines=x", None, "lines"),
        ("lines[0]=x", None, "lines[0]"),
        (f"{LINE}&lines[0][description]=" + "x" * 501, None, "lines[0][description]"),
        (f"{LINE}&lines[0][metadata][a]=" + "x" * 501, None, "lines[0][metadata][a]"),
        (f"{LINE}&lines[0][quantity]=2", "parameters_exclusive", "lines[0][quantity]"),
        ("lines[0[amount]=1", None, "lines[0[amount]"),
        ("lines[0][amount]=%FF", None, None),
        ("lines[0][description]=%00", "invalid_characters", None),
    ],
)
async def test_bad_lines_are_named(
    simulator: Any, body: str, code: str | None, param: str | None
) -> None:
    """Each fault of a line is a 400 with its code and the parameter's full name."""
    draft = await simulator.draft()

    found = await _refused(simulator, f"/v1/invoices/{draft.id}/add_lines", body)

    assert (400, code, param) == found


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ("currency=xxx", "currency"),
        ("currency=USD", "currency"),
        ("currency=ugx", "currency"),
        ("collection_method=send_invoice", "days_until_due"),
        ("days_until_due=30", "days_until_due"),
        ("collection_method=send_invoice&days_until_due=1&due_date=2", "due_date"),
        ("metadata[" + "k" * 41 + "]=v", "metadata[" + "k" * 41 + "]"),
        ("&".join(f"metadata[{n}]=v" for n in range(51)), "metadata"),
        ("auto_advance=yes", "auto_advance"),
        (
            "automatic_tax[enabled]=true&automatic_tax[liability][type]=self",
            "automatic_tax[liability]",
        ),
        ("expand[0]=customer.nothing", "expand"),
        ("expand[0]=lines", "expand"),
        ("payment_settings[default_mandate]=m", "payment_settings"),
        ("customer=cus_none", "customer"),
    ],
)
async def test_bad_invoices_are_named(simulator: Any, body: str, param: str) -> None:
    """Each fault of a new invoice is a 400 that names the parameter."""
    customer = await simulator.api.customers.create_async({"name": "A"})
    given = body if body.startswith("customer=") else f"customer={customer.id}&{body}"

    status, _, found = await _refused(simulator, "/v1/invoices", given)

    assert (400, param) == (status, found)


@pytest.mark.parametrize(
    ("currency", "amount", "fits"),
    [("isk", 100, True), ("isk", 150, False), ("kwd", 5120, True), ("kwd", 5124, False)],
)
async def test_multiples_of_currencies(
    simulator: Any, currency: str, amount: int, *, fits: bool
) -> None:
    """Krónur are whole and a three-decimal total ends in 0, at the latest at finalization."""
    draft = await simulator.draft(currency=currency)
    body = f"lines[0][amount]={amount}"
    added = await simulator.http.post(
        f"/v1/invoices/{draft.id}/add_lines", content=body, headers=FORM
    )
    final = await simulator.http.post(f"/v1/invoices/{draft.id}/finalize")

    assert fits == (added.is_success and final.is_success and final.json()["total"] == amount)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": ""}, 401),
        ({"Authorization": "Bearer sk_live_x"}, 401),
        ({"Authorization": "Basic sk_test_x"}, 401),
        ({"Stripe-Version": "2020-08-27"}, 400),
    ],
)
async def test_key_and_version_are_checked(
    simulator: Any, headers: dict[str, str], status: int
) -> None:
    """Only a test key and the pinned version get in."""
    answer = await simulator.http.get("/v1/customers", headers=headers)

    assert status == answer.status_code
    assert "invalid_request_error" == answer.json()["error"]["type"]


@pytest.mark.parametrize(
    ("method", "path", "content", "kind", "status"),
    [
        ("GET", "/v1/nothing", "", FORM, 404),
        ("PUT", "/v1/customers", "", FORM, 404),
        ("GET", "/v1/customers?limit=0", "", FORM, 400),
        ("GET", "/v1/customers?limit=101", "", FORM, 400),
        ("GET", "/v1/customers?starting_after=cus_none", "", FORM, 400),
        ("POST", "/v1/customers?name=A", "", FORM, 400),
        ("POST", "/v1/customers", '{"name": "A"}', {"Content-Type": "application/json"}, 400),
        ("POST", "/v1/customers", "name=é", FORM, 400),
        ("POST", "/v1/customers", "a" * (4 * 1024 * 1024 + 1), FORM, 413),
        ("POST", "/_sim/clock", "[", {}, 400),
        ("POST", "/_sim/clock", '{"now": 99999999999999999}', {}, 400),
        ("POST", "/_sim/faults", '{"rules": [{"fault": "unheard_of"}]}', {}, 400),
        ("POST", "/_sim/faults", '{"rules": [], "seed": [1]}', {}, 400),
        ("POST", "/_sim/faults", '{"rules": [{"fault": "429", "times": "x"}]}', {}, 400),
        ("POST", "/_sim/faults", '{"rules": [{"fault": "429", "probability": "x"}]}', {}, 400),
        ("GET", "/v1/customers?email=%ED%A0%80", "", FORM, 400),
    ],
)
async def test_malformed_requests_are_refused(  # noqa: PLR0917  # one table
    simulator: Any, method: str, path: str, content: str, kind: dict[str, str], status: int
) -> None:
    """No input answers 500: each is refused in Stripe's error shape."""
    answer = await simulator.http.request(method, path, content=content, headers=kind)

    assert status == answer.status_code
    assert answer.json()["error"]["message"]


async def test_control_is_closed_by_default(serve: Any) -> None:
    """Without the flag there is no control API, only an unknown address."""
    async with serve(create_simulator()) as url, httpx.AsyncClient(trust_env=False) as http:
        closed = await http.post(f"{url}/_sim/reset")
        alive = await http.get(f"{url}/health/live")

    assert (401, 200) == (closed.status_code, alive.status_code)


async def test_reset_forgets_everything(simulator: Any) -> None:
    """After a reset the account is empty."""
    await simulator.draft()
    await simulator.http.post("/_sim/reset")
    state = (await simulator.http.get("/_sim/state")).json()

    assert {} == state["objects"]
