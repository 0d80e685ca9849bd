"""docs/guides/bridges.md is run, not believed."""

import re
from collections.abc import Callable
from pathlib import Path

import agents
import msgspec
import pytest
from sdk.python.tests.bridges.litellm_calls import IGNORED, Logger, use
from sdk.python.tests.bridges.test_openai_agents import saying
from sdk.python.tests.wrapping.openai_family.shapes import ANSWER, TOKENS
from sdk.python.tests.wrapping.wire import WireServer, whole

from tallyroll import Meter
from tallyroll.bridges import counting, litellm
from tallyroll.testing import RecordingServer

PAGE = Path(__file__).parents[4] / "docs" / "guides" / "bridges.md"
TEXT = PAGE.read_text("utf-8")
BLOCKS = re.findall(r"^## (.*?)$.*?^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
pytestmark = IGNORED
Events = Callable[[], list[dict[str, object]]]


@pytest.fixture(autouse=True)
def _environment(
    provider: WireServer, server: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the page's reader has set: where to ask, where to send."""
    provider.tell("/chat/completions", whole(ANSWER))
    provider.tell("/responses", whole(saying("Hello")))
    for name, value in {
        "OPENAI_BASE_URL": provider.url,
        "OPENAI_API_KEY": "k",
        "TALLYROLL_ENDPOINT": server.endpoint,
        "TALLYROLL_API_KEY": "tr_test_key",
        "TALLYROLL_AGENT": "writer",
    }.items():
        monkeypatch.setenv(name, value)


def run(title: str, server: RecordingServer) -> list[dict[str, object]]:
    """Run one block; return what the server got."""
    (code,) = [code for name, code in BLOCKS if name == title]
    names: dict[str, Meter] = {}
    exec(code, names)  # noqa: S102  our own page
    assert names["meter"].flush(10)
    names["meter"].close()
    return [event for body in server.bodies for event in msgspec.json.decode(body)["events"]]


def test_opentelemetry(server: RecordingServer) -> None:
    """One inference, of the agent around it."""
    (event,) = run("OpenTelemetry", server)
    assert event["agent"] == "planner"
    assert event["tokens"] == {"input_uncached": 40, "input_cache_read": 60, "output_text": 30}


def test_litellm(
    server: RecordingServer, capturing: Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One answer, in the scope of its call."""
    loggers: list[Logger] = []

    def logger(meter: Meter) -> Logger:
        loggers.append(Logger(meter))
        return loggers[-1]

    (code,) = [code for name, code in BLOCKS if name == "LiteLLM"]
    monkeypatch.setattr(litellm, "TallyrollLogger", logger)
    names: dict[str, Meter] = {}
    for _ in use(Logger(capturing)):
        exec(code, names)  # noqa: S102  our own page
        assert loggers[0].told.acquire(timeout=10)
    names["meter"].close()
    (event,) = msgspec.json.decode(server.bodies[0])["events"]
    assert (event["tokens"], event["tenant"], event["agent"]) == (TOKENS, "acme", "writer")


def test_langchain(server: RecordingServer) -> None:
    """One answer."""
    (event,) = run("LangChain", server)
    assert (event["tokens"], event["agent"]) == (
        {"input_uncached": 100, "output_text": 30},
        "writer",
    )


def test_openai_agents(server: RecordingServer) -> None:
    """One response, of the agent that asked."""
    agents.set_trace_processors([])
    try:
        (event,) = run("OpenAI's agents", server)
    finally:
        agents.set_trace_processors([])
    assert (event["tokens"], event["agent"]) == (TOKENS, "planner")
    assert event["tenant"] == "acme"


def test_the_page_has_every_flag() -> None:
    """Each flag that a bridge can set is explained."""
    flags = {
        value for name, value in vars(counting).items() if name.isupper() and isinstance(value, str)
    }
    assert len(flags) == 4
    assert all(f"| `{flag}` |" in TEXT for flag in flags)
