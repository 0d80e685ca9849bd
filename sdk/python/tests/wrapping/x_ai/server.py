"""A local server of xAI's chat service, by the SDK's own protocol buffers."""

# ruff: noqa: ARG002, N802  names and arguments are those of the service

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

import grpc
from xai_sdk.proto import chat_pb2, chat_pb2_grpc, deferred_pb2, sample_pb2, usage_pb2

USAGE = usage_pb2.SamplingUsage(
    prompt_tokens=100,
    prompt_text_tokens=100,
    cached_prompt_text_tokens=60,
    completion_tokens=20,
    reasoning_tokens=10,
    total_tokens=130,
    server_side_tools_used=["SERVER_SIDE_TOOL_WEB_SEARCH"],
    cost_in_usd_ticks=12345,
)
TOKENS = {
    "input_uncached": 40,
    "input_cache_read": 60,
    "output_text": 20,
    "output_reasoning": 10,
}
EARLY = usage_pb2.SamplingUsage(prompt_tokens=100, prompt_text_tokens=100, total_tokens=100)
EARLY_TOKENS = {"input_uncached": 100}
HEAD: Any = {"id": "x-1", "model": "grok-4-1120", "service_tier": "SERVICE_TIER_PRIORITY"}


def answer() -> chat_pb2.GetChatCompletionResponse:
    """Return one whole answer."""
    message = chat_pb2.CompletionMessage(content="secret words", role="ROLE_ASSISTANT")
    output = chat_pb2.CompletionOutput(finish_reason="REASON_STOP", message=message)
    return chat_pb2.GetChatCompletionResponse(**HEAD, outputs=[output], usage=USAGE)


def chunks() -> list[chat_pb2.GetChatCompletionChunk]:
    """Return a stream: each chunk has the usage so far."""
    said = [("secret", "REASON_INVALID", EARLY), (" words", "REASON_STOP", USAGE)]
    return [
        chat_pb2.GetChatCompletionChunk(
            **HEAD,
            usage=usage,
            outputs=[
                chat_pb2.CompletionOutputChunk(
                    delta=chat_pb2.Delta(content=word, role="ROLE_ASSISTANT"),
                    finish_reason=sample_pb2.FinishReason.Value(reason),
                )
            ],
        )
        for word, reason, usage in said
    ]


class ChatServer(chat_pb2_grpc.ChatServicer):  # type: ignore[misc]  # it has no types
    """Answers each request the same way; with `refuses` or `breaks` it does not, or not to the end.

    The second chunk of a stream comes when `released` is set.
    A deferred answer is there when it is asked for a second time.
    `asked` are the models that requests named.
    """

    def __init__(self) -> None:
        self.refuses = self.breaks = False
        self.asked: list[str] = []
        self.released = threading.Event()
        self.released.set()
        self._looked: set[str] = set()
        self._server = grpc.server(ThreadPoolExecutor(4))
        chat_pb2_grpc.add_ChatServicer_to_server(self, self._server)
        self.address = f"localhost:{self._server.add_insecure_port('127.0.0.1:0')}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.released.set()
        self._server.stop(None).wait()

    def GetCompletion(self, request: Any, context: Any) -> Any:
        """Answer at once."""
        self._take(request, context)
        return answer()

    def GetCompletionChunk(self, request: Any, context: Any) -> Iterator[Any]:
        """Stream an answer."""
        self._take(request, context)
        first, last = chunks()
        yield first
        if self.breaks:
            context.abort(grpc.StatusCode.UNAVAILABLE, "cut")
        self.released.wait(10)
        yield last

    def StartDeferredCompletion(self, request: Any, context: Any) -> Any:
        """Promise an answer."""
        self._take(request, context)
        return deferred_pb2.StartDeferredResponse(request_id="d-1")

    def GetDeferredCompletion(self, request: Any, context: Any) -> Any:
        """Give the promised answer, the second time."""
        if request.request_id not in self._looked:
            self._looked.add(request.request_id)
            return chat_pb2.GetDeferredCompletionResponse(status=deferred_pb2.PENDING)
        return chat_pb2.GetDeferredCompletionResponse(status=deferred_pb2.DONE, response=answer())

    def CompactContext(self, request: Any, context: Any) -> Any:
        """Shorten a conversation."""
        self._take(request, context)
        return chat_pb2.CompactContextResponse(
            id="x-2", encrypted_content="secret words", usage=USAGE
        )

    def _take(self, request: Any, context: Any) -> None:
        self.asked.append(request.model)
        if self.refuses:
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "no")
