"""The HTTP application of a service: its pages, its refusals, who may call it."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from shared.accounts.access import Access
from shared.errors import install_error_handlers

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def create_api(title: str, description: str, *, lifespan: Lifespan, access: Access) -> FastAPI:
    """Return an application with OpenAPI pages at `/docs` that need nothing from elsewhere."""
    app: FastAPI = FastAPIOffline(
        title=title, version="1", description=description, lifespan=lifespan, redoc_url=None
    )
    app.state.access = access
    install_error_handlers(app)
    return app
