"""The published descriptions of the APIs, the messages and the settings are those of the code."""

from http import HTTPStatus

import httpx
import pytest
from fastapi import FastAPI

from tests.support.reference import REFERENCE, SETTINGS, applications, documents

SIGNED_PATHS = ("/v1/webhooks/stripe/", "/v1/documents/")
OPEN_PATHS = ("/health/", "/metrics", "/docs", "/openapi", *SIGNED_PATHS)
"""Routes without an API key: health and counts, the API's own pages; webhooks and links."""

DOCUMENTS = documents()


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_a_reference_page_is_current(name: str) -> None:
    """A change shows as a change of the page: `python -m tests.support.reference` writes it."""
    assert (REFERENCE / name).read_text(encoding="utf-8") == DOCUMENTS[name]


async def unguarded(app: FastAPI) -> list[str]:
    """Return the operations that answer something else than 401 to a caller without a key."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    found = []
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        for path, operations in app.openapi()["paths"].items():
            for method in operations:
                answer = await client.request(method, path.replace("{", "").replace("}", ""))
                if answer.status_code != HTTPStatus.UNAUTHORIZED:
                    found.append(f"{method} {path}: {answer.status_code}")
    return [entry for entry in found if not entry.split()[1].startswith(OPEN_PATHS)]


@pytest.mark.parametrize("service", ["metering", "pricing", "invoicing"])
async def test_every_operation_asks_for_a_key(service: str) -> None:
    """No operation of the published API is open by oversight."""
    assert [] == await unguarded(applications()[service])


async def test_an_open_operation_would_be_found() -> None:
    """The check above fails for an application with a route that asks for nothing."""
    app = FastAPI()
    app.add_api_route("/v1/open", lambda: "welcome")

    assert ["get /v1/open: 200"] == await unguarded(app)


def test_every_setting_is_explained() -> None:
    """A setting without a description is one that nobody can set."""
    silent = [
        f"{title}: {name}"
        for title, settings in SETTINGS.items()
        for name, field in settings.model_fields.items()
        if not field.description
    ]

    assert [] == silent
