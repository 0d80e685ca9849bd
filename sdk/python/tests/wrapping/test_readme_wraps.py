"""The README's example of a wrapped client is run, not believed."""

import re
import sys
from pathlib import Path

import pytest
from sdk.python.tests.wrapping.conftest import Events
from sdk.python.tests.wrapping.openai_family.shapes import ANSWER, TOKENS
from sdk.python.tests.wrapping.wire import WireServer, whole

from tallyroll import Meter
from tallyroll.wrapping.hosts import HOSTS

README = Path(__file__).parents[2] / "README.md"


def test_the_example_makes_an_event(
    monkeypatch: pytest.MonkeyPatch, provider: WireServer, capturing: Meter, events: Events
) -> None:
    """As it stands, but for OpenAI's address: one call, one event."""
    text = README.read_text(encoding="utf-8")
    (example,) = [
        one for one in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "wrap(" in one
    ]
    provider.tell("/chat/completions", whole(ANSWER))
    monkeypatch.setenv("OPENAI_BASE_URL", provider.url)
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setitem(HOSTS, "127.0.0.1", "openai")
    monkeypatch.setattr(sys.modules["tallyroll.wrapping.wrap"], "default_meter", lambda: capturing)
    scope: dict[str, object] = {}
    exec(example, scope)  # noqa: S102  our own README
    scope["client"].close()  # type: ignore[attr-defined]
    assert [event["tokens"] for event in events()] == [TOKENS]
