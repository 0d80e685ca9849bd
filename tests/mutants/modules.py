"""The parts of pricing's domain that are tried one by one, each with the tests about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

DOMAIN = "services/pricing/domain"
RATED = ("test_rating.py", "../test_golden.py")
"""What goes through the whole of a rating; the properties of all models take too long for this."""

IN_PARTS = "split/test_one_version.py"
"""What tells a difference between rating a period and rating it in parts."""


@dataclass(frozen=True)
class Module:
    """A file or folder of the domain, and files or folders of `tests/unit/pricing`."""

    name: str
    tests: tuple[str, ...]

    @property
    def sources(self) -> Sequence[str]:
        """The files that are changed, as patterns."""
        path = f"{DOMAIN}/{self.name}"
        return [path if path.endswith(".py") else f"{path}/*"]


MODULES = (
    Module(
        "charges",
        (
            *("test_flat.py", "test_per_seat.py", "test_per_unit.py", "test_graduated.py"),
            *("test_graduated_package.py", "test_graduated_percentage.py", "test_volume.py"),
            *("test_volume_package.py", "test_package.py", "test_percentage.py"),
            *("test_action_credits.py", "test_matrix.py", "test_context_tier.py"),
            *("test_cost_plus.py", "test_dynamic.py", "test_prorated_graduated.py"),
            *("test_surcharge.py", "test_weighted_sum.py", "test_outcome.py"),
            *("test_every_model.py", "split/test_price_parts.py", "split/test_split.py"),
            "../test_golden.py",
        ),
    ),
    Module(
        "tiers.py", ("test_tiers.py", "test_graduated.py", "test_volume.py", "../test_golden.py")
    ),
    Module("spread.py", ("test_rating.py", "test_hashing.py", "test_conditions.py", IN_PARTS)),
    Module("column.py", ("test_hashing.py", "test_every_model.py", *RATED)),
    Module("details.py", ("test_details.py", "test_hashing.py", "test_adjustment.py", *RATED)),
    Module(
        "usage.py",
        ("test_hashing.py", "test_weighted_sum.py", "test_prorated_graduated.py", *RATED),
    ),
    Module("bounds.py", ("test_conditions.py", *RATED)),
    Module("commitment.py", ("test_conditions.py", *RATED)),
    Module("included.py", ("test_pools.py", "test_conditions.py", IN_PARTS, *RATED)),
    Module("pools.py", ("test_pools.py", "split", *RATED)),
    Module("periods.py", ("test_periods.py", "subscription", *RATED)),
    Module("seats.py", ("test_seats.py", "test_per_seat.py", "test_pools.py", *RATED)),
    Module("conversion.py", ("test_conversion.py", "../test_golden.py")),
    Module("patterns.py", ("test_patterns.py", "test_matrix.py", "test_overlap.py")),
    Module("levels.py", ("test_levels.py",)),
    Module(
        "claims.py",
        (
            *("test_claims.py", "test_overlap.py", "test_matrix.py", "test_conversion.py"),
            *("test_meters.py", *RATED),
        ),
    ),
    Module(
        "pipeline.py",
        (
            *("test_conditions.py", "test_pools.py", "test_conversion.py", "test_percentage.py"),
            *("test_meters.py", IN_PARTS, *RATED),
        ),
    ),
    Module(
        "rating.py",
        (
            *("test_hashing.py", "test_conditions.py", "test_claims.py", "test_meters.py"),
            *("cost/test_usage_cost.py", IN_PARTS, *RATED),
        ),
    ),
    Module(
        "split",
        (
            *("split/test_split.py", "split/test_one_version.py", "split/test_other_terms.py"),
            *("split/test_price_parts.py", "split/test_seat_holders.py", "test_meters.py"),
        ),
    ),
    Module("subscription", ("subscription",)),
    Module("adjustment.py", ("test_adjustment.py", "test_outcome.py")),
    Module("wallet", ("wallet",)),
    Module("cost", ("cost",)),
)


def find_module(path: str) -> Module:
    """Return the module of a path, within the domain or from the root; ValueError names others."""
    name = PurePosixPath(path.removeprefix(f"{DOMAIN}/")).as_posix()
    for module in MODULES:
        if module.name == name:
            return module
    names = ", ".join(module.name for module in MODULES)
    raise ValueError(f"{path!r} is none of {names}")
