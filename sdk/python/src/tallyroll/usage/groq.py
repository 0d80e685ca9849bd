"""Groq: OpenAI's format, an older place for usage in streams, several models in one response.

Source: `groq.types.chat` (groq 1.7).
"""

from collections.abc import Sequence

from tallyroll.event import Fault
from tallyroll.usage.fields import Fields, Findings
from tallyroll.usage.openai_chat import OWN, count_chat, fold_chat
from tallyroll.usage.surface import Folded, Json, Surface, at, last
from tallyroll.usage.tally import Tally


def _count(tally: Tally) -> None:
    """Count the response, or each of its models where it lists them.

    `x_groq.usage` is usage in a stream only; elsewhere it has statistics of the hardware.
    """
    count_chat(tally)
    tally.usage.ignore("queue_time", "prompt_time", "completion_time", "total_time")
    breakdown = Fields(tally.body, "", Findings()).inner("usage_breakdown")
    parts = [_part(one, line) for line, one in enumerate(breakdown.items("models"))]
    tally.findings.contradictions.extend(breakdown.findings.unreadable)
    if not parts:
        return
    if _sum(parts) != _sum([tally]) or tally.findings.contradictions:
        message = "does not sum to the usage of the response, or that is at odds with itself"
        for part in parts:
            part.findings.contradictions.append(Fault("total_differs", "usage_breakdown", message))
    tally.instead = [part.finished() for part in parts]


def _part(entry: Fields, line: int) -> Tally:
    part = Tally(entry.inner("usage").apart(), entry.text("model"), line=line)
    count_chat(part)
    return part


def _sum(tallies: Sequence[Tally]) -> dict[str, int]:
    total: dict[str, int] = {}
    for tally in tallies:
        for name, count in tally.tokens.items():
            total[name] = total.get(name, 0) + count
    return total


def _fold(chunks: Sequence[Json]) -> list[Folded]:
    told = [_at_its_place(chunk) for chunk in chunks]
    breakdown = last(told, "usage_breakdown")
    (folded,) = fold_chat(told)
    return [Folded({**folded.body, "usage_breakdown": breakdown}, folded.complete)]


def _at_its_place(chunk: Json) -> Json:
    """Return a chunk whose usage stands where it stands without streaming."""
    if at(chunk, "x_groq", "usage", "prompt_tokens") is None:
        return chunk
    moved = ("usage", "usage_breakdown")
    return {**chunk, **{name: chunk.get(name) or at(chunk, "x_groq", name) for name in moved}}


SURFACE = Surface(_count, own=OWN, fold=_fold)
