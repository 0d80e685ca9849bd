"""xAI: thinking beside the completion in chat and gRPC, inside the output in Responses.

Source: xAI's API reference; `xai_sdk.proto.v6.usage_pb2.SamplingUsage`, `.chat_pb2` (xai-sdk 1.21).
`cost_in_usd_ticks` is what xAI charged, not a quantity.
"""

from collections.abc import Sequence
from functools import partial

from tallyroll.usage import modality
from tallyroll.usage.openai_chat import OWN, Dialect, count_chat, fold_chat
from tallyroll.usage.responses import OWN as RESPONSES_OWN
from tallyroll.usage.responses import count_responses, fold_responses
from tallyroll.usage.surface import Folded, Json, Surface, last, objects
from tallyroll.usage.tally import Tally

TOOL_PREFIX = "SERVER_SIDE_TOOL_"
NO_REASON = (None, "", "REASON_INVALID", 0)


def _count_tools(tally: Tally) -> None:
    """Calls of hosted tools are charged each; `web_search_calls` are `web_search_requests`."""
    usage = tally.usage
    tally.add_unit("sources_used", usage.beside().count("num_sources_used"))
    details = usage.beside().inner("server_side_tool_usage_details")
    for name in details.names():
        tally.add_unit(name.replace("_calls", "_requests"), details.count(name))
    usage.ignore("num_server_side_tools_used", "cost_in_usd_ticks", "context_details")


def _count_responses(tally: Tally) -> None:
    count_responses(tally)
    _count_tools(tally)


def _count_grpc(tally: Tally) -> None:
    """A message of protocol buffers as JSON leaves out what is 0."""
    usage = tally.usage
    read = usage.count("cached_prompt_text_tokens")
    tally.add("input_uncached", usage.required("prompt_tokens") - read)
    tally.add("input_cache_read", read)
    tally.add("output_text", usage.count("completion_tokens"))
    tally.add("output_reasoning", usage.count("reasoning_tokens"))
    tally.check_total("total_tokens")
    tally.add_unit("sources_used", usage.beside().count("num_sources_used"))
    _count_tool_names(tally)
    usage.ignore("cost_in_usd_ticks")
    stated = {one: usage.beside().count(f"prompt_{one}_tokens") for one in ("text", "image")}
    cached = {"text": read}  # the field says that it is text
    field = "prompt_image_tokens"
    modality.split(tally, modality.INPUT, stated, field=field, whole=False, cached=cached)


def _count_tool_names(tally: Tally) -> None:
    """The list has a tool's name for each of its calls."""
    names = tally.usage.value("server_side_tools_used")
    if names is None:
        return
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        tally.contradict("invalid_list", "server_side_tools_used", "must be a list of names")
        return
    for name in names:
        tally.add_unit(f"{name.removeprefix(TOOL_PREFIX).lower()}_requests", 1)


def _fold_grpc(chunks: Sequence[Json]) -> list[Folded]:
    """Each chunk has the usage so far."""
    outputs = [one for chunk in chunks for one in objects(chunk.get("outputs"))]
    reasons = [one.get("finish_reason", one.get("finishReason")) for one in outputs]
    usage = last(chunks, "usage")
    done = any(reason not in NO_REASON for reason in reasons)
    return [Folded({"model": last(chunks, "model"), "usage": usage}, done and usage is not None)]


_count_chat = partial(count_chat, dialect=Dialect(reasoning_beside=True, more=_count_tools))
CHAT = Surface(_count_chat, own=OWN, fold=fold_chat)
RESPONSES = Surface(_count_responses, own=RESPONSES_OWN, fold=fold_responses)
GRPC = Surface(_count_grpc, own=("prompt_tokens", "promptTokens"), fold=_fold_grpc, camel=True)
