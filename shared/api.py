"""The HTTP application of a service: its pages, its refusals, who may call it."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from shared.accounts.access import Access
from shared.problems import ProblemDocument, install_error_handlers

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


REFUSALS: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "a refusal",
        "content": {
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}
        },
    }
}
"""How the refusals of every route are described."""


def create_api(title: str, description: str, *, lifespan: Lifespan, access: Access) -> FastAPI:
    """Return an application with OpenAPI pages at `/docs` that need nothing from elsewhere."""
    app: FastAPI = FastAPIOffline(
        title=title,
        version="1",
        description=description,
        lifespan=lifespan,
        redoc_url=None,
        responses=REFUSALS,
    )
    _describe_refusals(app)
    app.state.access = access
    install_error_handlers(app)
    return app


def _describe_refusals(app: FastAPI) -> None:
    """Put the problem document's schema where the description of every route looks for it."""
    describe = app.openapi
    reference = "#/components/schemas/{model}"

    def openapi() -> dict[str, Any]:
        document = describe()
        schema = ProblemDocument.model_json_schema(ref_template=reference)
        known = document.setdefault("components", {}).setdefault("schemas", {})
        known.update(schema.pop("$defs"), ProblemDocument=schema)
        return document

    app.openapi = openapi  # type: ignore[method-assign]
