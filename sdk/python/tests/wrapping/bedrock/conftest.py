"""boto3's `bedrock-runtime` client, plain and metered, of the server on this machine."""

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from sdk.python.tests.wrapping.wire import WireServer

import tallyroll
from tallyroll import Meter

MakeClient = Callable[..., Any]


@pytest.fixture(name="make_client")
def _make_client(provider: WireServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeClient]:
    """Return what makes a client of a service; its keys sign nobody in, and no file is read."""
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    made: list[Any] = []

    def make(service: str = "bedrock-runtime", **config: Any) -> Any:
        client = boto3.session.Session().client(
            service,
            region_name="eu-central-1",
            endpoint_url=provider.url,
            aws_access_key_id="a",
            aws_secret_access_key="s",
            config=Config(**{"retries": {"total_max_attempts": 1}, **config}),
        )
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


@pytest.fixture(name="plain")
def _plain(make_client: MakeClient) -> Any:
    return make_client()


@pytest.fixture(name="client")
def _client(plain: Any, capturing: Meter) -> Any:
    return tallyroll.wrap(plain, capturing, agent="coder")
