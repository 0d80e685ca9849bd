"""What a service counts, for Prometheus to fetch.

Labels are words of ours, never a caller's: those would be without number, and tell of others.
"""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest


def metrics_router(registry: CollectorRegistry) -> APIRouter:
    """Return the route `/metrics`; like `/health` it needs no key, and it names nobody."""
    router = APIRouter(tags=["health"])

    @router.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        """Return what this process has counted since it began, in Prometheus' text format."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return router
