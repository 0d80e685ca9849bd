"""Each conformance test runs against every target that can answer here."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.stripe_targets import Target, available_targets, opened


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make no test for a target that is not there, rather than skip it."""
    if "target" in metafunc.fixturenames:
        metafunc.parametrize("target", available_targets(), indirect=True, scope="session")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out, without a key, what only Stripe itself can answer."""
    if "stripe" not in available_targets():
        items[:] = [item for item in items if not _only_for_stripe(item)]


def _only_for_stripe(item: pytest.Item) -> bool:
    here = item.path.parent == Path(__file__).parent
    return here and "sandbox" in getattr(item, "fixturenames", ())


@pytest.fixture(name="target", scope="session")
async def _target(request: pytest.FixtureRequest) -> AsyncIterator[Target]:
    async with opened(request.param) as target:
        yield target


@pytest.fixture(name="sandbox", scope="session")
async def _sandbox() -> AsyncIterator[Target]:
    async with opened("stripe") as target:
        yield target
