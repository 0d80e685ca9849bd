"""The bench of the SDK on a small scale, and how its figures are shown."""

from pathlib import Path

import httpx
import pytest

from tests.bench.results import Bench, Figure
from tests.bench.sdk import part
from tests.bench.sdk.clients import SDKS, Sdk
from tests.bench.sdk.server import running_server
from tests.bench.sdk.table import comparison
from tests.support.stack import StackAddress


async def test_every_figure_of_an_sdk_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its events arrive at the server, those of the killed program included."""
    monkeypatch.setattr(part, "SDKS", SDKS[:1])
    bench = Bench(StackAddress("", ""), tmp_path, repeats=1, scale=0.1)

    await part.measure(bench)

    found = {figure.name: figure.median for figure in bench.figures}
    assert [measure.name for measure in part.measures_of(SDKS[0])] == list(found)
    assert 0 == found[part.KILLED.name] == found["calls lost, queue full"]
    assert 0 < found["capture p50, 20,000/s"] <= found["capture p99, 20,000/s"]
    assert 0 < found["memory after construction"] <= found["memory under that load"] + 1


@pytest.mark.parametrize("sdk", SDKS, ids=lambda sdk: sdk.name)
def test_the_sdk_reaches_the_server(sdk: Sdk, tmp_path: Path) -> None:
    """Each SDK sends to the path, and under the field, that the server counts by."""
    with running_server() as endpoint, httpx.Client(base_url=endpoint) as server:
        found = part.load_once(sdk, server, str(tmp_path), 0.01, 0.0)

    assert 0 == found["lost"]
    assert 0 < found["p50"] < found["peak"] * 1e6


def test_a_reader_sees_where_another_is_better() -> None:
    """The best of each row is bold, whoever it is; a figure that one lacks is a dash."""
    extra = {"version": "1.0", "remark": "r"}
    lines = comparison(
        [
            Figure("sdk", "p50", "us", [9.0], "less", extra=extra),
            Figure("sdk", "calls", "calls/s", [20_000.0], "more", extra=extra),
            Figure("sdk: other", "p50", "us", [8.0], "less", extra=extra),
            Figure("sdk: other", "calls", "calls/s", [10_000.0], "more", extra=extra),
            Figure("sdk", "wrap()", "us", [40.0], "less", extra=extra),
        ]
    )

    assert "| | unit | tallyroll 1.0 | other 1.0 |" in lines
    assert "| p50 | us | 9 | **8** |" in lines
    assert "| calls | calls/s | **20,000** | 10,000 |" in lines
    assert "| wrap() | us | 40 | - |" in lines
    assert "* other 1.0: r." in lines
    assert [] == comparison([])
