"""LiteLLM with our logger, which tells when LiteLLM has reported."""

import asyncio
import gc
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import litellm
import pytest
from sdk.python.tests.wrapping.conftest import Events
from sdk.python.tests.wrapping.wire import WireServer

from tallyroll import Meter
from tallyroll.bridges.litellm import TallyrollLogger

IGNORED = pytest.mark.filterwarnings(
    "ignore:.*ReadOnly:UserWarning",  # litellm's own types, when it first uses them
    "ignore::pytest.PytestUnraisableExceptionWarning",  # clients and loops that it leaves open
)
ASK: Any = [{"role": "user", "content": "secret question"}]
CLAUDE = {
    "id": "msg_01",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-5",
    "content": [{"type": "text", "text": "secret"}],
    "stop_reason": "end_turn",
    "usage": {
        "input_tokens": 10,
        "cache_read_input_tokens": 900,
        "cache_creation_input_tokens": 75,
        "cache_creation": {"ephemeral_5m_input_tokens": 50, "ephemeral_1h_input_tokens": 20},
        "output_tokens": 50,
        "output_tokens_details": {"thinking_tokens": 30},
        "server_tool_use": {"web_search_requests": 2},
    },
}
CLAUDE_TOKENS = {
    "input_uncached": 10,
    "input_cache_read": 900,
    "input_cache_write_5m": 50,
    "input_cache_write_1h": 20,
    "input_cache_write": 5,
    "output_text": 20,
    "output_reasoning": 30,
}
Recorded = Callable[[int], list[dict[str, Any]]]
AsyncRecorded = Callable[[int], Awaitable[list[dict[str, Any]]]]


class Logger(TallyrollLogger):
    """Tells when LiteLLM, which reports in threads and loops of its own, has done so."""

    def __init__(self, meter: Meter) -> None:
        super().__init__(meter, agent="coder")
        self.told = threading.Semaphore(0)

    def log_success_event(self, *args: Any, **named: Any) -> None:
        super().log_success_event(*args, **named)
        self.told.release()

    def log_failure_event(self, *args: Any, **named: Any) -> None:
        super().log_failure_event(*args, **named)
        self.told.release()


def use(logger: Logger) -> Iterator[Logger]:
    before = litellm.callbacks, litellm.suppress_debug_info
    litellm.callbacks, litellm.suppress_debug_info = [logger], True
    yield logger
    litellm.callbacks, litellm.suppress_debug_info = before
    for callbacks in (
        *(litellm.input_callback, litellm.success_callback, litellm.failure_callback),
        *(litellm._async_success_callback, litellm._async_failure_callback),
    ):
        callbacks.clear()
    gc.collect()  # what litellm leaves open is not for a later test to be warned of


@pytest.fixture(name="logger", autouse=True)
def _logger(capturing: Meter) -> Iterator[Logger]:
    yield from use(Logger(capturing))


@pytest.fixture(name="recorded")
def _recorded(events: Events, logger: Logger) -> Recorded:
    """Return all events after so many more reports."""

    def recorded(reports: int) -> list[dict[str, Any]]:
        for _ in range(reports):
            assert logger.told.acquire(timeout=10)
        return events()

    return recorded


@pytest.fixture(name="arecorded")
def _arecorded(recorded: Recorded) -> AsyncRecorded:
    """Do the same while the loop runs."""
    return lambda reports: asyncio.to_thread(recorded, reports)


@pytest.fixture(name="at")
def _at(provider: WireServer) -> dict[str, Any]:
    """Where to ask."""
    return {"api_base": provider.url, "api_key": "k", "num_retries": 0, "max_retries": 0}
