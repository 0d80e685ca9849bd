"""The HTTP API of metering."""

from fastapi import APIRouter

from services.metering.api import drill_down, events, meters, runs, usage
from services.metering.api.dependencies import Dependencies, get_dependencies
from services.metering.api.intake import Intake

__all__ = ["Dependencies", "Intake", "get_dependencies", "router"]

router = APIRouter()
router.include_router(usage.router)
router.include_router(runs.router)
router.include_router(meters.router)
router.include_router(drill_down.router)
router.include_router(events.router)
