"""Endpoints over HTTP: who may, what is refused, secrets that are shown once, what can be seen."""

from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import InvalidToken
from standardwebhooks import Webhook

from services.invoicing.webhooks_out.endpoints import ENDPOINTS_MAX
from services.invoicing.webhooks_out.housekeeping import DELIVERIES_KEPT, WebhookHousekeeper
from services.invoicing.webhooks_out.secrets import EndpointKey, unseal_secrets
from shared.accounts.keys import Scope
from shared.accounts.repository import Account
from tests.support.webhook_receiver import Receiver, answer
from tests.support.webhooks import SECRET_KEY, Hooks

PATH = "/v1/webhook-endpoints/books"
PUBLIC = {"url": "https://hooks.example.com/tallyroll", "event_types": ["invoice.*"]}
UNKNOWN_ID = "0199d3c0-8f1e-7c3a-9f1d-2b1f5f0c7a11"


@pytest.fixture(name="headers")
async def _headers(api: Any, hooks: Hooks) -> Any:
    return await api.key()


async def test_a_secret_is_shown_once(api: Any, hooks: Hooks, headers: Any) -> None:
    """201 with the secret, 200 without; later its last four characters; stored encrypted."""
    made = await api.http.put(PATH, json=PUBLIC, headers=headers)
    again = await api.http.put(PATH, json=PUBLIC, headers=headers)
    shown = await api.http.get(PATH, headers=headers)

    secret = made.json()["secret"]
    assert [201, 200, 200] == [one.status_code for one in (made, again, shown)]
    assert secret.startswith("whsec_")
    assert 32 == len(Webhook(secret)._whsecret)
    assert again.json()["secret"] is None
    assert "secret" not in shown.json()
    assert [secret[-4:]] == [one["last4"] for one in shown.json()["secrets"]]
    (row,) = await api.world.rows("select sealed from invoicing.webhook_endpoint")
    assert secret[6:].encode() not in row.sealed


async def test_a_sealed_row_opens_for_its_own_endpoint_alone(
    api: Any, hooks: Hooks, headers: Any
) -> None:
    """Copied to another endpoint, mode or vendor the secrets do not open."""
    await api.http.put(PATH, json=PUBLIC, headers=headers)
    (row,) = await api.world.rows("select sealed from invoicing.webhook_endpoint")
    vendor = api.world.vendor_id

    assert 1 == len(unseal_secrets(SECRET_KEY, hooks.key(), row.sealed))
    for stranger in (
        EndpointKey(Account(vendor, "test"), "other"),
        EndpointKey(Account(vendor, "live"), "books"),
        EndpointKey(Account("vendor", "test"), "books"),
    ):
        with pytest.raises(InvalidToken):
            unseal_secrets(SECRET_KEY, stranger, row.sealed)


async def test_all_faults_are_named_at_once(api: Any, headers: Any) -> None:
    """A URL that leads inside and types that there are not, each with its place."""
    body = {"url": "https://169.254.169.254/", "event_types": ["invoice.sent", "spend.*", "nope"]}

    answered = await api.http.put(PATH, json=body, headers=headers)

    assert (400, "invalid_webhook_endpoint") == (answered.status_code, answered.json()["code"])
    assert {
        ("url_host_refused", "url"),
        ("unknown_event_type", "event_types[1]"),
        ("unknown_event_type", "event_types[2]"),
    } == {(one["code"], one["path"]) for one in answered.json()["faults"]}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"url": "https://hooks.example.com/", "event_types": []},
        {"url": "https://hooks.example.com/", "surprise": 1},
        {"url": "https://hooks.example.com/", "description": "a\u0000b"},
        {"url": "https://hooks.example.com/\u0000"},
        {"url": "x" * 3_000},
        {"url": 5},
    ],
)
async def test_bad_input_is_a_refusal(api: Any, headers: Any, body: Any) -> None:
    """Never a 500, and the URL is not echoed."""
    assert 400 == (await api.http.put(PATH, json=body, headers=headers)).status_code


async def test_a_live_endpoint_is_never_this_machine(
    api: Any, hooks: Hooks, receiver: Receiver
) -> None:
    """The setting for development is for test mode alone."""
    body = {"url": receiver.url}
    test, live = await api.key(), await api.key(mode="live")

    answers = [await api.http.put(PATH, json=body, headers=one) for one in (test, live)]

    assert [201, 400] == [one.status_code for one in answers]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/webhook-event-types"),
        ("GET", "/v1/webhook-endpoints"),
        ("GET", PATH),
        ("PUT", PATH),
        ("DELETE", PATH),
        ("POST", f"{PATH}/rotate-secret"),
        ("POST", f"{PATH}/test"),
        ("POST", f"{PATH}/replay"),
        ("GET", f"{PATH}/deliveries"),
        ("GET", f"{PATH}/deliveries/{UNKNOWN_ID}"),
        ("POST", f"{PATH}/deliveries/{UNKNOWN_ID}/replay"),
    ],
)
async def test_every_route_is_for_the_vendors_own_keys(
    api: Any, hooks: Hooks, headers: Any, method: str, path: str
) -> None:
    """401 without a key, 403 without the scope or with a tenant's key; others find nothing."""
    await api.http.put(PATH, json=PUBLIC, headers=headers)
    bodies = {
        "PUT": PUBLIC,
        "POST": {"since": "2026-01-01T00:00:00Z"} if "replay" in path else {},
    }
    sent = {"json": bodies.get(method)}
    weak = await api.key(Scope.EVENTS_WRITE)
    tenants = await api.key(tenant_id="acme")
    live = await api.key(mode="live")

    statuses = [
        (await api.http.request(method, path, **sent, headers=one)).status_code
        for one in (None, weak, tenants, live)
    ]

    assert [401, 403] == statuses[:2]
    if path != "/v1/webhook-event-types":
        assert 403 == statuses[2]
    if path.startswith(PATH) and method != "PUT":
        assert 404 == statuses[3]


async def test_a_vendor_has_few_endpoints(api: Any, hooks: Hooks, headers: Any) -> None:
    """The one too many is a conflict; one that is there can be changed."""
    statuses = [
        (
            await api.http.put(f"/v1/webhook-endpoints/e-{index}", json=PUBLIC, headers=headers)
        ).status_code
        for index in range(ENDPOINTS_MAX + 1)
    ]
    changed = await api.http.put("/v1/webhook-endpoints/e-0", json=PUBLIC, headers=headers)
    listed = await api.http.get("/v1/webhook-endpoints", headers=headers)

    assert [201] * ENDPOINTS_MAX + [409] == statuses
    assert 200 == changed.status_code
    assert ENDPOINTS_MAX == len(listed.json()["webhook_endpoints"])


async def test_a_test_event_comes_whatever_is_subscribed_to(
    api: Any, hooks: Hooks, headers: Any, receiver: Receiver
) -> None:
    """Asked for by hand it is delivered and to be seen with its payload and attempts."""
    body = {"url": receiver.url, "event_types": ["usage.sealed"]}
    secret = (await api.http.put(PATH, json=body, headers=headers)).json()["secret"]
    queued = (await api.http.post(f"{PATH}/test", headers=headers)).json()
    await hooks.send()
    shown = (await api.http.get(f"{PATH}/deliveries/{queued['event_id']}", headers=headers)).json()

    assert "webhook.test" == receiver.received[0].verify(secret)["type"]
    assert ("delivered", 1, None) == (shown["state"], shown["attempts"], shown["next_attempt_at"])
    assert {"endpoint_id": "books"} == shown["payload"]["data"]
    assert (200, "ok") == (shown["attempt_log"][0]["status"], shown["attempt_log"][0]["answer"])


async def test_deliveries_are_paged_and_filtered(
    api: Any, hooks: Hooks, headers: Any, receiver: Receiver
) -> None:
    """The newest first, by state and type."""
    await hooks.add(receiver.url)
    first, second, third = [await hooks.happen(state=state) for state in ("issued", "sent", "paid")]

    async def listed(query: str) -> Any:
        answered = await api.http.get(f"{PATH}/deliveries?{query}", headers=headers)
        page = answered.json()
        return [one["event_id"] for one in page["webhook_deliveries"]], page["next"]

    assert ([third, second], second) == await listed("limit=2")
    assert ([first], None) == await listed(f"limit=2&before={second}")
    assert ([second], None) == await listed("event_type=invoice.sent")
    assert ([], None) == await listed("state=dead")


async def test_what_was_given_up_waits_for_a_person(
    api: Any, hooks: Hooks, headers: Any, receiver: Receiver
) -> None:
    """Dead deliveries are an item with one action, which brings them; then nothing waits."""
    receiver.answers = [answer(500)] * 6
    await hooks.add(receiver.url)
    since = hooks.clock.now()
    for _ in range(2):
        await hooks.happen()
    for _ in range(6):  # one at a time while it fails
        await hooks.send(later=86_400)

    (item,) = (await api.http.get("/v1/attention", headers=headers)).json()["items"]
    asked = await api.http.post(
        item["action"]["path"], json={"since": since.isoformat()}, headers=headers
    )
    await hooks.send()
    await hooks.send()
    after = (await api.http.get("/v1/attention", headers=headers)).json()["items"]

    assert ("dead_webhooks", "books", 2) == (item["kind"], item["endpoint_id"], item["count"])
    assert (202, {"replayed": 2}) == (asked.status_code, asked.json())
    assert [] == after


async def test_an_endpoint_that_is_gone_waits_for_a_person(
    api: Any, hooks: Hooks, headers: Any, receiver: Receiver
) -> None:
    """After 410 it stands there, also without a delivery; disabled by hand it does not."""
    receiver.answers = [answer(410)]
    await hooks.add(receiver.url)
    await hooks.happen()
    await hooks.send()

    async def kinds() -> list[str]:
        items = (await api.http.get("/v1/attention", headers=headers)).json()["items"]
        return [one["kind"] for one in items]

    assert ["webhook_endpoint_gone"] == await kinds()
    refused = await api.http.post(f"{PATH}/test", headers=headers)
    assert (409, "webhook_endpoint_disabled") == (refused.status_code, refused.json()["code"])
    await hooks.add(receiver.url, enabled=True)
    await hooks.replay(hooks.clock.now() - timedelta(days=1))
    await hooks.send()
    await hooks.add(receiver.url, enabled=False)
    await hooks.happen()
    assert [] == await kinds()


async def test_a_rotation_heals_secrets_that_do_not_open(
    api: Any, hooks: Hooks, headers: Any
) -> None:
    """After a change of the deployment's secret key an endpoint is shown without secrets."""
    await hooks.add("https://hooks.example.com/")
    async with hooks.database.transaction() as connection:
        await connection.exec_driver_sql("update invoicing.webhook_endpoint set sealed = 'x'")

    shown = await api.http.get("/v1/webhook-endpoints", headers=headers)
    rotated = await api.http.post(
        "/v1/webhook-endpoints/books/rotate-secret", json={}, headers=headers
    )

    assert [[]] == [one["secrets"] for one in shown.json()["webhook_endpoints"]]
    assert 200 == rotated.status_code
    assert rotated.json()["secret"][-4:] == rotated.json()["secrets"][0]["last4"]


async def test_a_rotation_is_answered_with_the_new_secret(
    api: Any, hooks: Hooks, headers: Any
) -> None:
    """The new one first, without an end; the one before with one."""
    await api.http.put(PATH, json=PUBLIC, headers=headers)

    made = (
        await api.http.post(f"{PATH}/rotate-secret", json={"overlap_hours": 2}, headers=headers)
    ).json()

    assert made["secret"][-4:] == made["secrets"][0]["last4"]
    assert made["secrets"][0]["expires_at"] is None
    assert made["secrets"][1]["expires_at"] is not None


async def test_a_deleted_endpoint_is_gone_with_its_deliveries(
    api: Any, hooks: Hooks, headers: Any, receiver: Receiver
) -> None:
    """204, then 404; nothing is sent to it any more."""
    await hooks.add(receiver.url)
    await hooks.happen()

    answers = [await api.http.delete(PATH, headers=headers) for _ in range(2)]
    await hooks.send()

    assert [204, 404] == [one.status_code for one in answers]
    assert [] == receiver.received


async def test_old_deliveries_go_and_waiting_ones_stay(
    api: Any, hooks: Hooks, receiver: Receiver
) -> None:
    """30 days after they ended, with attempts and events; what is not delivered yet is kept."""
    await hooks.add(receiver.url)
    await hooks.happen()
    await hooks.send()
    hooks.clock.advance(DELIVERIES_KEPT - timedelta(seconds=1))
    kept = await hooks.happen()
    housekeeper = WebhookHousekeeper(hooks.database, hooks.clock)

    early = await housekeeper.delete_old()
    hooks.clock.advance(timedelta(seconds=2))
    deleted = await housekeeper.delete_old()
    hooks.clock.advance(2 * DELIVERIES_KEPT)
    waiting = await housekeeper.delete_old()

    assert (0, 2, 0) == (early, deleted, waiting)
    assert [kept] == [one.event_id for one in await hooks.deliveries()]
    counts = await api.world.rows(
        "select (select count(*) from invoicing.webhook_event),"
        " (select count(*) from invoicing.webhook_attempt)"
    )
    assert [(1, 0)] == [tuple(row) for row in counts]


async def test_event_types_are_listed_with_examples(api: Any, headers: Any) -> None:
    """What can be subscribed to is told by the API itself."""
    found = (await api.http.get("/v1/webhook-event-types", headers=headers)).json()

    names = {one["name"] for one in found["webhook_event_types"]}
    assert {"usage.sealed", "statement.rated", "invoice.sent"} <= names
    assert all(one["example"] for one in found["webhook_event_types"])
