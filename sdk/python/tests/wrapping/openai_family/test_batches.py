"""Batches: counted by their object, once, when somebody sees that they have ended."""

from typing import Any

import pytest
from sdk.python.tests.wrapping.conftest import Events
from sdk.python.tests.wrapping.dual import settle
from sdk.python.tests.wrapping.openai_family.shapes import RESPONSE_USAGE, TOKENS
from sdk.python.tests.wrapping.wire import Answer, WireServer, whole

from tallyroll.recording.recorder import recorder_of


def batch(status: str, **more: Any) -> Answer:
    return whole(
        {
            "id": "batch_1",
            "object": "batch",
            "endpoint": "/v1/chat/completions",
            "model": "gpt-5-2026",
            "input_file_id": "file-1",
            "completion_window": "24h",
            "status": status,
            "created_at": 1_790_000_000,
            "metadata": {"note": "secret"},
            **more,
        }
    )


async def test_a_batch_is_one_event_when_it_has_ended(
    client: Any, provider: WireServer, sent: Events
) -> None:
    """Nothing while it runs; then its usage, as a batch, once however often it is looked at."""
    ended = batch("completed", usage=RESPONSE_USAGE, completed_at=1_790_003_600)
    counts = {"total": 2, "completed": 1, "failed": 0}
    running = batch(
        "in_progress", usage={**RESPONSE_USAGE, "output_tokens": 1}, request_counts=counts
    )
    provider.tell("/batches", batch("validating"))
    provider.tell("/batches/batch_1", running, batch("finalizing"), ended)
    ask: Any = {"input_file_id": "file-1", "endpoint": "/v1/chat/completions"}
    await settle(client.batches.create(**ask, completion_window="24h"))
    for _ in range(2):
        await settle(client.batches.retrieve("batch_1"))
    assert sent() == []
    for _ in range(2):
        await settle(client.batches.retrieve("batch_1"))
    one, other = sent()
    assert one == other  # the server counts an id once
    assert (one["tokens"], one["batch"], one["model"]) == (TOKENS, True, "gpt-5-2026")
    assert one["occurred_at"] == "2026-09-21T15:13:20.000000Z"
    assert "secret" not in str(one)


@pytest.mark.parametrize("status", ["expired", "cancelled"])
async def test_a_batch_that_was_not_finished_counts_what_ran(
    client: Any, provider: WireServer, events: Events, status: str
) -> None:
    """What had run when it ended was paid for."""
    provider.tell("/batches/batch_1", batch(status, usage=RESPONSE_USAGE))
    await settle(client.batches.retrieve("batch_1"))
    assert [event["tokens"] for event in events()] == [TOKENS]


async def test_a_batch_without_usage_is_unmeasured(
    client: Any, provider: WireServer, events: Events
) -> None:
    """Requests ran, and nobody says what they used."""
    counts = {"total": 2, "completed": 2, "failed": 0}
    provider.tell("/batches/batch_1", batch("completed", request_counts=counts))
    await settle(client.batches.retrieve("batch_1"))
    (event,) = events()
    assert (event["units"], event["batch"]) == ({"unmeasured_requests": "1"}, True)


async def test_a_batch_of_which_nothing_ran_counts_nothing(
    client: Any, provider: WireServer, events: Events
) -> None:
    """A batch that failed its validation, or was cancelled before it began."""
    counts = {"total": 2, "completed": 0, "failed": 2}
    provider.tell("/batches/batch_1", batch("failed"), batch("cancelled", request_counts=counts))
    for _ in range(2):
        await settle(client.batches.retrieve("batch_1"))
    assert events() == []


async def test_the_results_of_a_batch_are_not_counted_again(
    client: Any, provider: WireServer, events: Events, capturing: Any
) -> None:
    """Downloading the output file is free: the batch object has counted it."""
    line = b'{"custom_id": "1", "response": {"body": {"usage": {"prompt_tokens": 1}}}}'
    provider.tell("/files/file-2/content", Answer((line,), content_type="application/jsonl"))
    assert (await settle(client.files.content("file-2"))).content == line
    assert events() == []
    assert recorder_of(capturing).unmetered_calls == {}
