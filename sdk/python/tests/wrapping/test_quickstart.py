"""The guide's ten lines, run as they stand, with OpenAI's own client."""

import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from sdk.python.tests.wrapping.conftest import Events
from sdk.python.tests.wrapping.wire import WireServer, sse, whole

import tallyroll
from tallyroll import Meter
from tallyroll.testing import RecordingServer

GUIDE = Path(__file__).parents[4] / "docs" / "guides" / "meter-an-agent.md"
BLOCKS = re.findall(
    r"^```python\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
)
ANSWER = {
    "id": "chatcmpl-9",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-5-2026",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "Seven."},
        }
    ],
    "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
}


class Redirected(httpx2.HTTPTransport):
    """Sends every request to one server, whatever host it names."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._there = httpx2.URL(url)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        there = self._there
        request.url = request.url.copy_with(scheme="http", host=there.host, port=there.port)
        return super().handle_request(request)


@pytest.fixture(name="surroundings")
def _surroundings(
    provider: WireServer, server: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Keys of both sides, and OpenAI's address leads to the server of this test."""
    provider.tell("/v1/chat/completions", whole(ANSWER))
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv("TALLYROLL_ENDPOINT", server.endpoint)
    monkeypatch.setenv("TALLYROLL_API_KEY", "tr_test_key")
    with httpx2.Client(transport=Redirected(provider.url)) as http_client:
        patched = functools.partialmethod(openai.OpenAI.__init__, http_client=http_client)
        monkeypatch.setattr(openai.OpenAI, "__init__", patched)
        yield


def test_the_first_block_is_ten_lines_at_most() -> None:
    """What is promised to be short is."""
    assert len([line for line in BLOCKS[0].splitlines() if line]) <= 10


@pytest.mark.usefixtures("surroundings")
def test_the_guide_does_what_it_says(server: RecordingServer) -> None:
    """The lines meter one answer; the second block finds nothing that broke off."""
    program: dict[str, Any] = {}
    for block in BLOCKS:
        exec(block, program)  # noqa: S102  what the reader would run
    with program["meter"]:
        assert program["answer"].choices[0].message.content == "Seven."
    (event,) = json.loads(server.bodies[0])["events"]
    assert {"input_uncached": 9, "output_text": 3} == event["tokens"]
    assert ("acme", "coder-1", "dev-1") == (event["tenant"], event["agent"], event["user"])
    assert "Seven" not in str(event)


def test_the_guide_corrects_what_broke_off(
    provider: WireServer, capturing: Meter, events: Events
) -> None:
    """The second block replaces the event of a stream that was left, by its id."""
    chunk = {**ANSWER, "object": "chat.completion.chunk", "choices": []}
    del chunk["usage"]
    provider.tell("/chat/completions", sse([chunk, chunk]))
    with openai.OpenAI(base_url=provider.url, api_key="k") as plain:
        client = tallyroll.wrap(plain, capturing, provider="openai", agent="coder-1")
        with client.chat.completions.create(model="gpt-5", messages=[], stream=True) as stream:
            next(stream)
    exec(BLOCKS[1], {"tallyroll": tallyroll, "meter": capturing})  # noqa: S102  as above
    broken, correction = events()
    assert {"unmeasured_requests": "1"} == broken["units"]
    assert broken["event_id"] == correction["corrects"]
    assert {"input_uncached": 120, "output_text": 80} == correction["tokens"]
