"""What is kept of the chunks of a stream says the same of usage as all of them."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sdk.python.tests.usage.cases import all_cases, title
from sdk.python.tests.wrapping.openai_family.shapes import (
    ANSWER,
    SECRET,
    chunks,
    groq_chunks,
    response,
    response_events,
)

from tallyroll.recording.asked import Asked
from tallyroll.recording.recorder import Recorder
from tallyroll.usage import normalise
from tallyroll.wrapping.openai_answers import (
    pick_chat,
    pick_response,
    pick_usage,
    see_chat,
    see_events,
    see_responses,
)
from tallyroll.wrapping.request import Request

HIDES = True
SEES = {
    "chat": see_chat,
    "responses": see_responses,
    "images": see_events,
    "transcription": see_events,
}
PICKS = {
    "chat": pick_chat,
    "responses": pick_response,
    "images": pick_usage,
    "transcription": pick_usage,
    "embeddings": pick_usage,
}
FAMILY = (
    *("openai", "azure.ai.openai", "deepseek", "openrouter", "x_ai", "perplexity", "groq"),
    *("mistral_ai", "snowflake", "snowflake.cortex"),
)
CASES = [case for case in all_cases() if case["provider"] in FAMILY]
STREAMS = [case for case in CASES if "chunks" in case and case["api_surface"] in SEES]
WHOLE = [
    case for case in CASES if case["api_surface"] in PICKS and "usage" in case.get("payload", {})
]


class Chunks(Request):
    """A request that only keeps its chunks."""

    def __init__(self, chunks: list[Any], see: Any) -> None:
        asked = Asked(provider="", api_surface="", instrument="", occurred_at=datetime.now(UTC))
        super().__init__(Recorder.__new__(Recorder), asked)
        for chunk in chunks:
            said, _ = see(chunk)
            if said is not None:
                self.chunk(said)


def lines(case: dict[str, Any], **given: Any) -> Any:
    place = {name: case[name] for name in ("provider", "api_surface", "model") if name in case}
    return [(line, line.line, line.faults) for line in normalise(**place, **given)]


@pytest.mark.parametrize("case", [pytest.param(case, id=title(case)) for case in STREAMS])
def test_what_is_kept_of_a_stream_counts_the_same(case: dict[str, Any]) -> None:
    """Line by line, flags and faults too, for every stream among the fixtures."""
    kept = Chunks(case["chunks"], SEES[case["api_surface"]](HIDES))._chunks
    assert lines(case, chunks=kept) == lines(case, chunks=case["chunks"])


@pytest.mark.parametrize("case", [pytest.param(case, id=title(case)) for case in WHOLE])
def test_what_is_picked_of_an_answer_counts_the_same(case: dict[str, Any]) -> None:
    """Line by line, flags and faults too, for every whole answer among the fixtures."""
    picked = PICKS[case["api_surface"]](case["payload"])
    assert lines(case, payload=picked) == lines(case, payload=case["payload"])


def test_a_long_stream_keeps_little() -> None:
    """A thousand words of three choices are their beginnings and their ends."""
    said = [
        {"id": "1", "choices": [{"index": i % 3, "delta": {"content": "x"}}]} for i in range(1_000)
    ]
    ends = [{"id": "1", "choices": [{"index": i, "finish_reason": "stop"}]} for i in range(3)]
    assert len(Chunks([*said, *ends], see_chat(HIDES))._chunks) == 6


def test_no_words_are_kept_even_for_a_moment() -> None:
    """What is picked and seen holds counts and identity, never what was said."""
    kept = [pick_chat(ANSWER), pick_response(response()), pick_usage({**ANSWER, "text": SECRET})]
    kept += Chunks(chunks(n=2), see_chat(HIDES))._chunks
    kept += Chunks(groq_chunks(), see_chat(HIDES))._chunks
    kept += Chunks(response_events(), see_responses(HIDES))._chunks
    assert kept
    assert "secret" not in str(kept)
