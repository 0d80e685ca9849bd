"""google-genai's own client, metered, against a server that speaks its wire format."""

from collections.abc import Iterator

import pytest
from google import genai
from google.auth.credentials import Credentials
from google.genai.types import HttpOptions
from sdk.python.tests.wrapping.wire import WireServer

import tallyroll
from tallyroll import Meter


@pytest.fixture(name="options")
def _options(provider: WireServer) -> HttpOptions:
    return HttpOptions(base_url=provider.url)


@pytest.fixture(name="plain")
def _plain(options: HttpOptions) -> Iterator[genai.Client]:
    with genai.Client(api_key="k", http_options=options) as client:
        yield client


@pytest.fixture(name="client")
def _client(plain: genai.Client, capturing: Meter) -> genai.Client:
    return tallyroll.wrap(plain, capturing, agent="coder")


class Signed(Credentials):
    """Credentials that need no network."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.token = "t"

    def refresh(self, request: object) -> None:
        """Stay as they are."""


@pytest.fixture(name="plain_vertex")
def _plain_vertex(options: HttpOptions) -> Iterator[genai.Client]:
    with genai.Client(
        vertexai=True,
        project="p",
        location="europe-west4",
        credentials=Signed(),
        http_options=options,
    ) as client:
        yield client


@pytest.fixture(name="vertex")
def _vertex(plain_vertex: genai.Client, capturing: Meter) -> genai.Client:
    return tallyroll.wrap(plain_vertex, capturing, agent="coder")
