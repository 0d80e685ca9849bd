"""Liveness and readiness: the process runs (`/health/live`), it can work (`/health/ready`)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

import structlog
from fastapi import APIRouter
from fastapi.responses import JSONResponse

logger = structlog.get_logger()

CHECK_SECONDS_MAX = 2.0

Check = Callable[[], Awaitable[None]]


def health_router(checks: Mapping[str, Check]) -> APIRouter:
    """Return the health routes; each check raises when its dependency cannot be used."""
    router = APIRouter(prefix="/health", tags=["health"])

    @router.get("/live")
    async def live() -> dict[str, str]:
        return {"status": "live"}

    @router.get("/ready")
    async def ready() -> JSONResponse:
        answers = dict(
            zip(checks, await asyncio.gather(*map(_passes, checks.values())), strict=True)
        )
        good = all(answers.values())
        return JSONResponse(
            {"status": "ready" if good else "not_ready", "checks": answers},
            HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE,
        )

    return router


async def _passes(check: Check) -> bool:
    try:
        async with asyncio.timeout(CHECK_SECONDS_MAX):
            await check()
    except Exception as error:  # noqa: BLE001 - whatever a dependency raises, the answer is "not ready"
        logger.warning("health_check_failed", error=type(error).__name__)
        return False
    return True
