"""Anthropic's Messages: cache beside the input, and other inferences in the same response.

Source: `anthropic.types.Usage`, `.MessageDeltaUsage`, `.beta.BetaUsage.iterations`
(anthropic 2.14).
"""

from collections.abc import Mapping, Sequence

from tallyroll.usage.fields import DEPTH_MAX, Fields
from tallyroll.usage.lines import FAILED
from tallyroll.usage.surface import Folded, Json, Surface, at, objects
from tallyroll.usage.tally import Tally

SUMMED = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
)
"""The fields of the response that are sums over its own iterations."""
OWN_ITERATIONS = ("message", "fallback_message")
Entry = tuple[int, Fields]
"""An iteration and its place, from 1."""
TOOLS = (
    "web_search_requests",
    "web_fetch_requests",
    "code_execution_requests",
    "tool_search_requests",
)


def _count(tally: Tally) -> None:
    """Count the response itself; what it had others do becomes lines of their own."""
    usage = tally.usage
    _count_tokens(tally)
    tools = usage.beside().inner("server_tool_use")
    for name in TOOLS:
        tally.add_unit(name, tools.count(name))
    iterations = list(enumerate(usage.beside().items("iterations"), start=1))
    own = [(line, one) for line, one in iterations if one.text("type") in OWN_ITERATIONS]
    others = [(line, one) for line, one in iterations if one.text("type") not in OWN_ITERATIONS]
    left_out = _reconcile(tally, own) if own else []
    for line, one in others:
        _add_line(tally, line, one)
    for line, one in left_out:
        _add_line(tally, line, one, FAILED)
    tally.further.sort(key=lambda further: further.line)


def _count_tokens(tally: Tally) -> None:
    """Cache reads and writes are beside `input_tokens`, thinking is inside `output_tokens`."""
    usage = tally.usage
    total_in, total_out = usage.required("input_tokens"), usage.required("output_tokens")
    ttls = usage.inner("cache_creation")
    minutes, hour = (ttls.count(f"ephemeral_{ttl}_input_tokens") for ttl in ("5m", "1h"))
    stated = usage.stated("cache_creation_input_tokens")
    thinking = usage.inner("output_tokens_details").count("thinking_tokens")
    tally.add("input_uncached", total_in)
    tally.add("input_cache_read", usage.count("cache_read_input_tokens"))
    tally.add("input_cache_write_5m", minutes)
    tally.add("input_cache_write_1h", hour)
    tally.add("input_cache_write", (minutes + hour if stated is None else stated) - minutes - hour)
    tally.add("output_text", total_out - thinking)
    tally.add("output_reasoning", thinking)


def _add_line(tally: Tally, line: int, entry: Fields, *flags: str) -> None:
    """Make a line of an inference that the top level leaves out: an adviser's, a compaction."""
    kind = entry.text("type")
    other = Tally(entry.apart(), entry.text("model") or tally.model, line=line)
    _count_tokens(other)
    other.flags.update(flags)
    if kind not in ("advisor_message", "compaction", *OWN_ITERATIONS):
        other.contradict("unknown_iteration", "type", f"{kind!r}: the top level may have it, too")
    tally.further.append(other.finished())


def _reconcile(tally: Tally, own: Sequence[Entry]) -> list[Entry]:
    """Hold the top level against its iterations; return failed attempts that it leaves out."""
    top, entries = _sums([tally.usage]), [one for _, one in own]
    for one in entries:
        one.ignore("type", "model", "cache_creation", "output_tokens_details")
    if _sums(entries) == top:
        return []
    served = [one for one in entries if one.text("type") == "fallback_message"]
    models = {one.text("model") for one in served} | {tally.model}
    by_model = [one for one in entries if one in served or one.text("model") in models]
    for serving in (by_model, served):
        if served and _sums(serving) == top:
            return [(line, one) for line, one in own if one not in serving]
    sums = dict(zip(SUMMED, _sums(entries), strict=True))
    tally.contradict("total_differs", "iterations", f"sum to {sums}")
    return []


def _sums(entries: Sequence[Fields]) -> tuple[int, ...]:
    counts = [[entry.count(name) for name in SUMMED] for entry in entries]
    return tuple(map(sum, zip(*counts, strict=True)))


def _fold(events: Sequence[Json]) -> list[Folded]:
    """Counts of a message grow: the largest of each field holds, of lists the last one."""
    message = next((at(e, "message") for e in events if at(e, "type") == "message_start"), None)
    start = message if isinstance(message, Mapping) else {}
    usage: object = at(start, "usage")
    for event in events:
        if at(event, "type") == "message_delta":
            usage = _grown(usage, at(event, "usage"))
    done = any(
        at(event, "type") == "message_stop" or at(event, "delta", "stop_reason") for event in events
    )
    named = _served_by(usage) or at(start, "model")
    return [Folded({**start, "model": named, "usage": usage}, done and usage is not None)]


def _served_by(usage: object) -> object:
    """Return the model that took over, which the start of the stream could not know."""
    iterations = objects(at(usage, "iterations"))
    found = [one.get("model") for one in iterations if one.get("type") == "fallback_message"]
    return found[-1] if found else None


def _grown(before: object, after: object, depth: int = DEPTH_MAX) -> object:
    if after is None:
        return before
    if depth and isinstance(before, Mapping) and isinstance(after, Mapping):
        names = [*before, *(name for name in after if name not in before)]
        return {name: _grown(before.get(name), after.get(name), depth - 1) for name in names}
    if type(before) is int and type(after) is int:
        return max(before, after)
    return after


SURFACE = Surface(
    _count,
    own=("input_tokens", "output_tokens"),
    fold=_fold,
    usage=(("usage",), ("message", "usage")),
    model=(("model",), ("message", "model")),
)
