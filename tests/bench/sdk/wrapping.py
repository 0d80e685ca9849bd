"""What `wrap()` adds to one call: `python -m tests.bench.sdk.wrapping CALLS`, prints JSON.

OpenAI's own client makes a chat of ordinary size, its `request()` a stub that parses nothing and
sends nothing, bare and wrapped in turn. The difference is what metering costs the caller: from the
request to the event in the spool. `stream` is a chat of 100 chunks, told for each of them.
"""

import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from time import perf_counter_ns
from typing import Any

import openai
from openai.types.chat import ChatCompletion, ChatCompletionChunk

import tallyroll
from tallyroll import Meter, Spool
from tallyroll.testing import CapturingTransport

CHUNKS, BURST, WARM = 100, 20, 500
USAGE = {
    "prompt_tokens": 1_200,
    "completion_tokens": 300,
    "total_tokens": 1_500,
    "prompt_tokens_details": {"cached_tokens": 1_024, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 128, "audio_tokens": 0},
}
HEAD: dict[str, Any] = {"id": "chatcmpl-1", "created": 1, "model": "gpt-5-2026"}
MESSAGE = {"role": "assistant", "content": "word " * 300}
ANSWER = ChatCompletion.construct(
    **HEAD,
    object="chat.completion",
    service_tier="default",
    choices=[{"index": 0, "finish_reason": "stop", "message": MESSAGE}],
    usage=USAGE,
)
ASK: Any = {"model": "gpt-5", "messages": [{"role": "user", "content": "word " * 900}]}


class _Response:
    """As much of an HTTP response as a stream has to have."""

    def __init__(self) -> None:
        self.stream = None
        self.headers: dict[str, str] = {}


class _Stream:
    """Chunks that were parsed before."""

    def __init__(self) -> None:
        self.response = _Response()
        self._chunks = iter(STREAM)

    def __iter__(self) -> Iterator[Any]:
        return self._chunks

    def __next__(self) -> Any:
        return next(self._chunks)


class Stub(openai.OpenAI):
    """Answers at once, as the SDK does once it has parsed."""

    def request(self, *asked: Any, stream: bool = False, **_more: Any) -> Any:
        options = asked[1]
        answer = _Stream() if stream else ANSWER
        return options.post_parser(answer) if callable(options.post_parser) else answer


def _chunk(**more: Any) -> ChatCompletionChunk:
    return ChatCompletionChunk.construct(**HEAD, object="chat.completion.chunk", **more)


STREAM = [
    *(
        _chunk(choices=[{"index": 0, "delta": {"content": "word"}, "finish_reason": None}])
        for _ in range(CHUNKS)
    ),
    _chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}]),
    _chunk(choices=[], usage=USAGE),
]


def _differences(
    meter: Meter,
    bare: Callable[[], Any],
    wrapped: Callable[[], Any],
    calls: int,
) -> list[float]:
    """Return what each wrapped call took more than the bare one before it, in us, sorted.

    What a burst of calls recorded is sent before the next one: a program that calls models does
    not call thousands of them a second.
    """
    found = []
    for call in range(calls):
        if call % BURST == 0:
            meter.flush()
        begun = perf_counter_ns()
        bare()
        between = perf_counter_ns()
        wrapped()
        found.append((perf_counter_ns() - between - (between - begun)) / 1e3)
    return sorted(found)


def measure(meter: Meter, calls: int) -> dict[str, float]:
    """Return the microseconds that a call costs more, and each chunk of a stream.

    Medians: the rare difference of two calls is what else the machine does.
    """
    plain = Stub(api_key="k", base_url="https://api.openai.com/v1")
    client = tallyroll.wrap(plain, meter, agent="coder")
    chat, metered = plain.chat.completions.create, client.chat.completions.create
    _differences(meter, lambda: chat(**ASK), lambda: metered(**ASK), WARM)
    once = _differences(meter, lambda: chat(**ASK), lambda: metered(**ASK), calls)
    streams = _differences(
        meter,
        lambda: list(chat(**ASK, stream=True)),
        lambda: list(metered(**ASK, stream=True)),
        calls // 20,
    )
    return {
        "p50": once[len(once) // 2],
        "chunk": streams[len(streams) // 2] / len(STREAM),
    }


def main() -> None:
    """Run once, with a spool in a folder of its own."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Meter(
            api_key="tr_test_bench", transport=CapturingTransport(), spool=Spool(directory=folder)
        ) as meter,
    ):
        sys.stdout.write(json.dumps(measure(meter, int(sys.argv[1]))) + "\n")


if __name__ == "__main__":
    main()
