"""Pricing's API on a real database, for one vendor with the tenant globex."""

from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest

from services.pricing.app import create_app
from services.pricing.settings import PricingSettings
from shared.clock import FrozenClock
from shared.database import Database
from tests.support.database import TestDatabase
from tests.support.pricing_service import (
    NOW,
    client_of,
    fresh_vendor,
    pricing_settings,
    vendor_key,
)
from tests.support.stack import StackAddress

from .billing_api import BOOK, FIRST_VERSION, TERMS, Headers, publish
from .envelopes_api import Budgets
from .fees_api import in_advance
from .meter_values_api import book as people_book
from .meter_values_api import define as define_meter
from .subscription_api import publish_book, subscribe


@pytest.fixture(scope="module", name="settings")
def _settings(stack: StackAddress, database: TestDatabase) -> PricingSettings:
    return pricing_settings(stack, database, group=f"pricing-{uuid4().hex}")


@pytest.fixture(scope="module", name="client")
async def _client(settings: PricingSettings) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of the API alone: without its lifespan nothing consumes."""
    async with client_of(create_app(settings, FrozenClock(NOW))) as client:
        yield client


@pytest.fixture(scope="module", name="store")
async def _store(database: TestDatabase) -> AsyncIterator[Database]:
    opened = Database(database.urls["pricing"], connections=2)
    yield opened
    await opened.close()


@pytest.fixture(name="vendor")
def _vendor() -> str:
    return fresh_vendor()


@pytest.fixture(name="headers")
async def _headers(database: TestDatabase, client: httpx.AsyncClient, vendor: str) -> Headers:
    headers = await vendor_key(database, vendor)
    await client.put("/v1/tenants/globex", json={"name": "Globex"}, headers=headers)
    await client.put(BOOK, json={"name": "Demo"}, headers=headers)
    return headers


@pytest.fixture(name="budgets")
async def _budgets(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> Budgets:
    """Return a vendor with the envelope `platform` and a priced model."""
    budgets = Budgets(client, headers, store, vendor)
    await budgets.price()
    await budgets.put()
    return budgets


@pytest.fixture(name="crowd")
async def _crowd(database: TestDatabase) -> AsyncIterator[Database]:
    """Open a pool that many who ask at once, and a look meanwhile, find room in."""
    opened = Database(database.urls["pricing"], connections=12)
    yield opened
    await opened.close()


@pytest.fixture(name="sold")
async def _sold(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> Database:
    """Return the database of a vendor with globex on the plan, and a tenant without meters."""
    await define_meter(store, vendor)
    await client.put(FIRST_VERSION, json=people_book(), headers=headers)
    published = await publish(client, headers)
    assert 200 == published.status_code, published.text
    await client.put("/v1/subscriptions/main", json=TERMS, headers=headers)
    return store


@pytest.fixture(name="subscribed")
async def _subscribed(client: httpx.AsyncClient, headers: Headers) -> Headers:
    """Return the headers of a vendor whose tenant is on the plan from 1 November, two seats."""
    await publish_book(client, headers, content=in_advance())
    await subscribe(client, headers)
    return headers
