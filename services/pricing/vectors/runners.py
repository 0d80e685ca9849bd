"""The models of golden vectors that pricing rates."""

from services.pricing.vectors import by_period, by_quantity, by_usage, included
from shared.vectors import Runner

RUNNERS: dict[str, Runner] = {
    **by_quantity.RUNNERS,
    **by_usage.RUNNERS,
    **by_period.RUNNERS,
    **included.RUNNERS,
}
"""Model → what translates a case into values of the domain and rates it."""
