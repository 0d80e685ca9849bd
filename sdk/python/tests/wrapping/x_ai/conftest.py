"""xAI's own clients, metered, against a local server of its service."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import xai_sdk
from sdk.python.tests.wrapping.x_ai.server import ChatServer

import tallyroll
from tallyroll import Meter


@pytest.fixture(name="server")
def _server() -> Iterator[ChatServer]:
    with ChatServer() as server:
        yield server


@pytest.fixture(name="settings")
def _settings(server: ChatServer) -> dict[str, Any]:
    retries = [("grpc.enable_retries", 0)]
    return {
        "api_key": "k",
        "api_host": server.address,
        "use_insecure_channel": True,
        "channel_options": retries,
    }


@pytest.fixture(name="plain")
def _plain(settings: dict[str, Any]) -> Iterator[xai_sdk.Client]:
    with xai_sdk.Client(**settings) as client:
        yield client


@pytest.fixture(name="client")
def _client(plain: xai_sdk.Client, capturing: Meter) -> xai_sdk.Client:
    return tallyroll.wrap(plain, capturing, agent="coder")


@pytest.fixture(name="aclient")
async def _aclient(
    settings: dict[str, Any], capturing: Meter
) -> AsyncIterator[xai_sdk.AsyncClient]:
    async with xai_sdk.AsyncClient(**settings) as client:
        yield tallyroll.wrap(client, capturing, agent="coder")
