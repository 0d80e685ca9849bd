"""Invoicing against the real simulator of Stripe and a real Postgres."""

import asyncio
import hmac
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import httpx
import pytest
import uvicorn
from sqlalchemy import text

from deploy.local.stripe_simulator import create_simulator
from services.invoicing import handlers
from services.invoicing.app import create_app
from services.invoicing.corrections.loop import CorrectionSync
from services.invoicing.models import Invoice
from services.invoicing.repository import invoices
from services.invoicing.settings import InvoicingSettings
from services.invoicing.stripe_gateway import StripeGateway
from services.invoicing.stripe_sync.loop import InvoiceSync
from services.invoicing.stripe_types import Stripe
from services.invoicing.webhooks import WebhookProcessor
from shared.accounts import repository as accounts_repository
from shared.accounts.keys import Scope, format_key, mint_key
from shared.accounts.repository import Account
from shared.accounts.schemas import ApiKeyWrite, TenantWrite
from shared.clock import FrozenClock
from shared.database import Database
from shared.events.message import Mode
from shared.events.statement_rated import StatementDetail, StatementLine, StatementRated
from shared.ids import new_id
from tests.support.closed_invoice import Closed
from tests.support.closed_month import ClosedMonth, Counting, usage_line
from tests.support.database import TestDatabase
from tests.support.webhook_receiver import Receiver, running_receiver
from tests.support.webhooks import Hooks

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
API_VERSION = "2026-10-28.endive"
STRIPE_KEY = "sk_test_invoicing"


class QuietServer(uvicorn.Server):
    """Leaves the signal handlers of the test process alone."""

    def capture_signals(self) -> Any:
        return nullcontext()


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[str]:
    """Serve an ASGI app on a free port of loopback."""
    # The protocol is named, as asyncio switches off the delay of small packets only then.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    server = QuietServer(uvicorn.Config(app, log_config=None, ws="none"))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:  # uvicorn has no event for it
        assert not task.done()
        await asyncio.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listener.close()


@dataclass
class SimulatedStripe:
    """The simulator: its address, and what a test asks and does behind our back."""

    url: str
    http: httpx.AsyncClient

    async def get(self, path: str, **params: Any) -> Any:
        answer = await self.http.get(path, params=params)
        answer.raise_for_status()
        return answer.json()

    async def post(self, path: str, **form: Any) -> Any:
        answer = await self.http.post(path, data=form)
        answer.raise_for_status()
        return answer.json()

    async def fault(self, fault: str, path: str, **rule: Any) -> None:
        rule = {"times": 1, **rule, "fault": fault, "match": {"method": "POST", "path": path}}
        answer = await self.http.post("/_sim/faults", json={"seed": 7, "rules": [rule]})
        answer.raise_for_status()

    async def reset(self) -> None:
        (await self.http.post("/_sim/reset")).raise_for_status()

    async def invoices(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.get("/v1/invoices", limit=100))["data"]
        return found

    async def created(self, kind: str = "invoice.created") -> int:
        """Return how many were ever created, deleted ones included."""
        return len((await self.get("/v1/events", type=kind, limit=100))["data"])


@pytest.fixture(scope="module", name="clock")
def _clock() -> FrozenClock:
    return FrozenClock(START)


@pytest.fixture(scope="module", name="simulator")
async def _simulator(clock: FrozenClock) -> AsyncIterator[SimulatedStripe]:
    headers = {"Authorization": f"Bearer {STRIPE_KEY}", "Stripe-Version": API_VERSION}
    async with (
        served(create_simulator(clock=clock, control=True)) as url,
        httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as http,
    ):
        yield SimulatedStripe(url, http)


@dataclass
class OneStripe:
    """Serves every vendor by one client, which a test may replace by a worse one."""

    stripe: Stripe | None

    async def gateway(self, account: Account) -> Stripe | None:
        return self.stripe


@dataclass
class World:
    """One vendor's invoicing on a real database and the simulated Stripe."""

    database: Database
    writer: Database
    simulator: SimulatedStripe
    gateway: StripeGateway
    clock: FrozenClock
    vendor_id: str = field(default_factory=lambda: f"vendor-{new_id()[-12:]}")

    @property
    def account(self) -> Account:
        return Account(self.vendor_id, "test")

    async def add_tenant(self, tenant_id: str = "acme", **values: Any) -> None:
        written = TenantWrite(name="Acme", billing_email="pay@acme.test", **values)
        async with self.writer.transaction() as connection:
            await accounts_repository.create_vendor(
                connection, self.vendor_id, name="Vendor", live_from=date(2026, 1, 1)
            )
            await accounts_repository.put_tenant(connection, self.account, tenant_id, written)

    async def draft(self, statement: StatementRated) -> Invoice | None:
        """Handle a statement as the consumer does, under a message id of its own."""
        async with self.database.transaction() as connection:
            received = handlers.Received(statement, new_id())
            made = await handlers.draft_invoices(connection, [received], self.clock)
        return made[0] if made else None

    def sync(self, stripe: Stripe | None = None) -> InvoiceSync:
        return InvoiceSync(self.database, OneStripe(stripe or self.gateway), self.clock)

    def corrections(self, stripe: Stripe | None = None) -> CorrectionSync:
        return CorrectionSync(self.database, OneStripe(stripe or self.gateway), self.clock)

    def webhooks(self) -> WebhookProcessor:
        return WebhookProcessor(self.database, OneStripe(self.gateway), self.clock)

    async def read(self, invoice: Invoice) -> Invoice:
        return await self.read_by_id(invoice.invoice_id)

    async def read_by_id(self, invoice_id: str) -> Invoice:
        async with self.database.transaction() as connection:
            return await invoices.read_invoice(connection, self.account, invoice_id)

    async def state(self, invoice: Invoice) -> tuple[str, str | None]:
        now = await self.read(invoice)
        return now.state, now.reason

    async def rows(self, query: str, **params: Any) -> list[Any]:
        async with self.database.transaction() as connection:
            return list((await connection.execute(text(query), params)).all())

    async def rows_count(self, state: str) -> int:
        """Return how many invoices of this vendor are in a state."""
        query = "select 1 from invoicing.invoice where vendor_id = :v and state = :state"
        return len(await self.rows(query, v=self.vendor_id, state=state))

    async def messages(self, invoice: Invoice) -> list[str]:
        """Return the states that went into the outbox for an invoice."""
        rows = await self.rows("select payload from invoicing.outbox order by position")
        payloads = [json.loads(row.payload) for row in rows]
        return [one["state"] for one in payloads if one["invoice_id"] == invoice.invoice_id]


@pytest.fixture(scope="module", name="databases")
async def _databases(database: TestDatabase) -> AsyncIterator[tuple[Database, Database]]:
    invoicing = Database(database.urls["invoicing"])
    writer = Database(database.urls["accounts"], connections=2)
    yield invoicing, writer
    await invoicing.close()
    await writer.close()


@pytest.fixture(name="world")
async def _world(
    databases: tuple[Database, Database], simulator: SimulatedStripe, clock: FrozenClock
) -> AsyncIterator[World]:
    await simulator.reset()
    clock.instant = START

    async def no_sleep(_seconds: float) -> None:
        return None

    gateway = StripeGateway(STRIPE_KEY, api_base=simulator.url, sleep=no_sleep)
    world = World(*databases, simulator, gateway, clock)
    await world.add_tenant()
    yield world
    await gateway.close()
    async with world.database.transaction() as connection:
        # What one test leaves due, the next one's loop would take up.
        tables = ("invoice", "webhook_inbox", "invoice_action", "credit_note", "invoice_revision")
        names = ", ".join(f"invoicing.{name}" for name in tables)
        await connection.execute(text(f"truncate {names}"))


SECRET_KEY = "a-secret-key-of-thirty-two-bytes-or-more"
WEBHOOK_SECRET = "whsec_for_tests_only"


@dataclass
class Api:
    """The HTTP API without its background loops, and keys of `world`'s vendor."""

    http: httpx.AsyncClient
    world: World
    delivered: int = 0

    async def key(self, *scopes: Scope, tenant_id: str | None = None, mode: Mode = "test") -> Any:
        """Return the headers of a new key with these scopes, all if none is named."""
        minted = mint_key(mode)
        written = ApiKeyWrite(name=new_id(), scopes=set(scopes or Scope), tenant_id=tenant_id)
        async with self.world.writer.transaction() as connection:
            await accounts_repository.create_api_key(
                connection,
                Account(self.world.vendor_id, mode),
                minted,
                written=written,
                pepper=SECRET_KEY.encode(),
            )
        return {"Authorization": f"Bearer {format_key(minted)}"}

    def signature(self, event: Any, *, secret: str = WEBHOOK_SECRET, late: int = 0) -> str:
        """Return the header of a delivery, signed `late` seconds after the clock's time."""
        seconds = int(self.world.clock.now().timestamp()) + late
        signed = f"{seconds}.".encode() + _body(event)
        digest = hmac.new(secret.encode(), signed, "sha256").hexdigest()
        return f"t={seconds},v1={digest}"

    async def deliver(
        self,
        event: Any,
        *,
        secret: str = WEBHOOK_SECRET,
        late: int | None = None,
        header: str | None = None,
    ) -> Any:
        """Post an event as Stripe does: signed anew, a second after the delivery before."""
        if late is None:
            late, self.delivered = self.delivered % 300, self.delivered + 1
        if header is None:
            header = self.signature(event, secret=secret, late=late)
        return await self.http.post(
            f"/v1/webhooks/stripe/{self.world.vendor_id}/test",
            content=_body(event),
            headers={"Stripe-Signature": header},
        )


def _body(event: Any) -> bytes:
    return event if isinstance(event, bytes) else json.dumps(event).encode()


@pytest.fixture(name="api")
async def _api(
    world: World, database: TestDatabase, simulator: SimulatedStripe
) -> AsyncIterator[Api]:
    settings = InvoicingSettings.model_validate(
        {
            "kafka_bootstrap": "unused:1",
            "secret_key": SECRET_KEY,
            "invoicing_database_url": database.urls["invoicing"],
            "stripe_api_base": simulator.url,
            "stripe_api_key": STRIPE_KEY,
            "stripe_webhook_secret": WEBHOOK_SECRET,
            "webhook_allow_loopback": True,
        }
    )
    app = create_app(settings, world.clock)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as http:
        yield Api(http, world)
    await app.state.close()


def _line(key: str, amount: str, *, details: tuple[str, ...] = ()) -> StatementLine:
    return StatementLine(
        line_key=key,
        charge=key,
        model="per_unit",
        description=f"Tokens of {key}",
        quantity="1000",
        unit="tokens",
        amount_exact=amount,
        steps=[],
        details=[
            StatementDetail(
                agent=f"agent-{index}",
                model="gpt-5",
                kind="output_text",
                usage_day=date(2026, 1, 5),
                quantity="500",
                amount_exact=part,
            )
            for index, part in enumerate(details)
        ],
    )


@pytest.fixture(name="statement")
def _statement(world: World) -> Any:
    """Make a statement of `world`'s vendor from (line key, exact amount) pairs."""

    def make(*amounts: tuple[str, str], total: str, **values: Any) -> StatementRated:
        fields: dict[str, Any] = {
            "vendor_id": world.vendor_id,
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
            "rating_hash": f"r-{total}",
            "total_exact": total,
            "lines": [_line(key, amount) for key, amount in amounts],
            "unrated": [],
        }
        return StatementRated(**(fields | values))

    return make


@pytest.fixture(name="hooks")
async def _hooks(world: World) -> AsyncIterator[Hooks]:
    """Webhooks of `world`'s vendor, by a clock that stands still at the present time.

    Receivers check signatures by the machine's own time.
    """
    world.clock.instant = datetime.now(UTC)
    hooks = Hooks(world.database, world.clock, world.account)
    yield hooks
    await hooks.forget_all()


@pytest.fixture(name="receiver")
async def _receiver() -> AsyncIterator[Receiver]:
    async with running_receiver() as receiver:
        yield receiver


@pytest.fixture(name="closed")
async def _closed(world: Any, database: TestDatabase, statement: Any) -> AsyncIterator[Closed]:
    lines = [
        usage_line("input", "input_uncached", 3000, "10.005"),
        usage_line("output", "output_text", 1000, "20"),
    ]
    stated = statement(total="30.005", lines=lines, statement_id=f"st-{world.vendor_id}")
    month = ClosedMonth(database, world.account, world.gateway, Counting())
    await month.write(stated)
    closed = Closed(month, world, stated)
    await closed.bill()
    yield closed
    await month.tamper(
        "delete from pricing.statement where vendor_id = :vendor",
        "truncate invoicing.invoice_line, invoicing.invoice_line_detail",
    )
