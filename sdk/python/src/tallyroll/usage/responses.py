"""The Responses API of OpenAI; xAI and Mistral speak it with the same conventions.

Source: `openai.types.responses.ResponseUsage` and `.Response.tool_usage` (openai 3.57),
`mistralai.client.models.ResponsesUsage` (mistralai 3.7).
"""

from collections.abc import Mapping, Sequence

from tallyroll.usage import modality
from tallyroll.usage.fields import Fields
from tallyroll.usage.lines import INFORMATIVE
from tallyroll.usage.surface import Folded, Json, Surface, at, objects
from tallyroll.usage.tally import Tally

ENDS = ("response.completed", "response.incomplete", "response.failed")
"""The events that carry usage; whichever comes ends the response."""
OWN = ("input_tokens", "output_tokens")


def count_responses(tally: Tally) -> None:
    """Count `input_tokens` and `output_tokens`; cached, written and thinking are inside."""
    usage = tally.usage
    total_in, total_out = usage.required("input_tokens"), usage.required("output_tokens")
    inputs = usage.inner("input_tokens_details")
    reasoning = usage.inner("output_tokens_details").count("reasoning_tokens")
    read, ttls = inputs.count("cached_tokens"), inputs.inner("cache_write_tokens_details")
    half_hour, half_day = ttls.count("ttl_30m_tokens"), ttls.count("ttl_12h_tokens")
    stated = inputs.stated("cache_write_tokens")
    written = half_hour + half_day if stated is None else stated
    tally.add("input_uncached", total_in - read - written)
    tally.add("input_cache_read", read)
    tally.add("input_cache_write_30m", half_hour)
    tally.add("input_cache_write_12h", half_day)
    tally.add("input_cache_write", written - half_hour - half_day)
    tally.add("output_text", total_out - reasoning)
    tally.add("output_reasoning", reasoning)
    tally.check_total("total_tokens")


def _count_openai(tally: Tally) -> None:
    count_responses(tally)
    tally.usage.ignore("latency_checkpoint")  # Azure's timings, in milliseconds
    response = at(tally.body, "response") or tally.body
    tools = at(response, "tool_usage")
    if isinstance(tools, Mapping):
        _count_tools(tally, response, Fields(tools, "tool_usage", tally.findings).beside())


def _count_tools(tally: Tally, response: object, tools: Fields) -> None:
    """Count searches, and make a line of the tokens of the model that makes images."""
    tally.add_unit("web_search_requests", tools.inner("web_search").count("num_requests"))
    images = Tally(tools.inner("image_gen").apart(), _image_model(response), line=1)
    _count_images(images)
    line = images.finished()
    if line.tokens or line.faults:
        tally.further.append(line)


def _count_images(images: Tally) -> None:
    usage = images.usage
    read, cached = usage.count("cached_tokens"), usage.inner("cached_tokens_details")
    images.add("input_uncached", usage.count("input_tokens") - read)
    images.add("input_cache_read", read)
    images.add("output_text", usage.count("output_tokens"))
    images.check_total("total_tokens")
    images.flags.add(INFORMATIVE)
    stated = modality.by_modality(usage.inner("input_tokens_details"), "text", "image")
    of_cache = {one: cached.count(f"cached_{one}_tokens") for one in ("text", "image")}
    modality.split(
        images,
        modality.INPUT,
        stated,
        field="input_tokens_details",
        whole=True,
        cached=of_cache,
    )
    stated = modality.by_modality(usage.inner("output_tokens_details"), "text", "image")
    field = "output_tokens_details"
    modality.split(images, modality.OUTPUT, stated, field=field, whole=True)


def _image_model(response: object) -> str | None:
    """Return the model of the image tool, if the response names exactly one."""
    tools = objects(at(response, "tools"))
    models = [tool.get("model") for tool in tools if tool.get("type") == "image_generation"]
    named = {model for model in models if isinstance(model, str)}
    return named.pop() if len(named) == 1 and all(isinstance(m, str) for m in models) else None


def fold_responses(events: Sequence[Json]) -> list[Folded]:
    """Each response of the stream is one: what ended it has its usage, a begun one has none."""
    ends = [event for event in events if at(event, "type") in ENDS]
    ended = [at(event, "response", "id") for event in ends]
    begun = [event for event in events if at(event, "type") == "response.created"]
    broken = [event for event in begun if at(event, "response", "id") not in ended]
    folded = [Folded(event, at(event, "response", "usage") is not None) for event in ends]
    return folded + [Folded(event, complete=False) for event in broken]


OPENAI = Surface(_count_openai, own=OWN, fold=fold_responses)
PLAIN = Surface(count_responses, own=OWN, fold=fold_responses)
