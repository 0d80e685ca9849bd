"""How providers name the service tier and the speed of a request."""

STANDARD_TIERS = frozenset({"", "auto", "default", "on_demand", "standard"})
"""What providers call the tier that a request has without asking for one."""

TIERS = {"on_demand_flex": "flex", "on_demand_priority": "priority"}
"""Other names of a tier, as traffic types have them."""


def service_tier_of(stated: str) -> str:
    """Return a tier in the table's words; empty is the provider's standard."""
    tier = stated.lower()
    return "" if tier in STANDARD_TIERS else TIERS.get(tier, tier)


def speed_of(stated: str) -> str:
    """Return a speed in the table's words; empty is the standard."""
    speed = stated.lower()
    return "" if speed == "standard" else speed
