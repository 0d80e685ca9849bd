"""An answer about efficiency, of two agents on the dear model, reckoned by hand."""

from services.pricing.handlers.efficiency import report_of
from services.pricing.schemas.efficiency import EfficiencyWrite
from services.pricing.schemas.efficiency_report import EfficiencyRead
from tests.unit.pricing.efficiency.prices import PRICES, used

DEAR, CHEAP = {"provider": "lab", "model": "dear"}, {"provider": "lab", "model": "cheap"}
ROUTE = {
    "name": "to the small one",
    "baseline": DEAR,
    "chosen": CHEAP,
    "hold_out": "0.1",
    "gate": "0.8",
    "cache_loss": "0.5",
    "router_cost": "65",
}
UNUSED = ROUTE | {"name": "of nothing", "baseline": CHEAP, "chosen": DEAR}
OWN = {
    "name": "own",
    "replaces": DEAR,
    "training": "0",
    "months": 1,
    "hosting": "365",
    "per_million_tokens": "0",
}
ASKED = EfficiencyWrite.model_validate(
    {
        "start": "2026-03-01",
        "end": "2026-04-01",
        "routing": [ROUTE, UNUSED],
        "custom_models": [OWN],
    }
)
ROWS = [
    used("input_uncached", 100),
    used("input_cache_read", 100),
    used("input_cache_write_5m", 20),
    used("output_text", 10),
    used("output_text", 2, agent="=writer", status="aborted"),
    used("output_reasoning", 4, agent="=writer", status="aborted"),
    used("output_reasoning", 1, agent="=writer", status="failed"),
    used("output_text", 3, agent="=writer"),
    used("strange", 9),
]
"""coder: 1,000 + 100 + 250 + 500 = 1,850; =writer: 100 + 200 + 50 + 150 = 500, 350 for nothing."""


def report() -> EfficiencyRead:
    """Return what is said of these rows."""
    return report_of(ROWS, ASKED, PRICES)
