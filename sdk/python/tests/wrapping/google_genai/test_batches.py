"""Batches of Gemini: their results come with the job, and count once."""

import json
from pathlib import Path
from typing import Any

from google import genai
from sdk.python.tests.wrapping.conftest import Events
from sdk.python.tests.wrapping.google_genai.answers import TOKENS, content
from sdk.python.tests.wrapping.wire import Answer, WireServer, whole

import tallyroll
from tallyroll import Meter
from tallyroll.recording.recorder import recorder_of
from tallyroll.testing import CapturingTransport

NAME = "batches/b-1"
FILE = "files/batch-b-1"


def job(state: str, *results: dict[str, Any]) -> dict[str, Any]:
    output = {"inlinedResponses": {"inlinedResponses": list(results)}} if results else {}
    metadata = {
        "model": "models/gemini-2.5-flash",
        "state": f"BATCH_STATE_{state}",
        "createTime": "2026-11-02T08:00:00.123456Z",
        "output": output,
    }
    return {"name": NAME, "done": state == "SUCCEEDED", "metadata": metadata}


RESULTS = (
    {"response": content(response_id="r-1")},
    {"error": {"code": 3, "message": "no"}},
    {"response": content(response_id="r-2")},
)


def test_results_count_once_however_often_they_are_fetched(
    plain: genai.Client,
    capturing: Meter,
    transport: CapturingTransport,
    provider: WireServer,
    events: Events,
) -> None:
    """Also in another process: the same id and content again, which the server counts once."""
    client = tallyroll.wrap(plain, capturing, agent="coder")
    provider.tell(NAME, whole(job("RUNNING", *RESULTS)), whole(job("SUCCEEDED", *RESULTS)))
    client.batches.get(name=NAME)
    assert events() == []
    for _ in range(3):
        client.batches.get(name=NAME)
    first = events()
    assert [event["response_id"] for event in first] == ["r-1", "r-2"]
    assert [event["tokens"] for event in first] == [TOKENS, TOKENS]
    assert {(event["batch"], event["occurred_at"]) for event in first} == {
        (True, "2026-11-02T08:00:00.123456Z")
    }
    assert "secret" not in str(first)
    assert sum(body.count(b'"event_id"') for body in transport.bodies) == 2
    elsewhere = CapturingTransport()
    with Meter(transport=elsewhere, strict=True) as meter:
        tallyroll.wrap(plain, meter, agent="coder").batches.get(name=NAME)
        assert meter.flush(10)
    assert elsewhere.events == first


def in_a_file() -> tuple[Answer, bytes]:
    """Return a job whose results are in a file, and the file."""
    named = job("SUCCEEDED")
    named["metadata"]["output"] = {"responsesFile": FILE}
    lines = [{"key": str(place), **one} for place, one in enumerate(RESULTS)]
    content = "\n".join(json.dumps(line) for line in lines).encode()
    return whole(named), content


async def test_results_in_a_file_count_when_it_is_downloaded(
    client: genai.Client, provider: WireServer, events: Events
) -> None:
    """The job says which file it is; what comes back is the file as it is."""
    named, content = in_a_file()
    provider.tell(NAME, named)
    provider.tell(f"{FILE}:download", Answer((content,)))
    found = client.batches.get(name=NAME)
    assert found.dest is not None
    assert found.dest.file_name == FILE
    assert events() == []
    assert client.files.download(file=FILE) == content
    async with client.aio as aio:
        assert await aio.files.download(file=FILE) == content
    got = events()
    assert [event["response_id"] for event in got] == ["r-1", "r-2"]
    assert {(event["batch"], event["occurred_at"]) for event in got} == {
        (True, "2026-11-02T08:00:00.123456Z")
    }
    assert "secret" not in str(got)


async def test_results_in_a_file_count_for_an_async_client(
    client: genai.Client, provider: WireServer, events: Events
) -> None:
    """`client.aio.files.download()`."""
    named, content = in_a_file()
    provider.tell(NAME, named)
    provider.tell(f"{FILE}:download", Answer((content,)))
    async with client.aio as aio:
        await aio.batches.get(name=NAME)
        await aio.files.download(file=FILE)
    assert [event["response_id"] for event in events()] == ["r-1", "r-2"]


def test_results_that_cannot_be_seen_are_told(
    client: genai.Client, provider: WireServer, capturing: Meter, events: Events, tmp_path: Path
) -> None:
    """The file goes straight to the disk, or nobody has seen its job."""
    named, content = in_a_file()
    provider.tell(NAME, named)
    provider.tell(f"{FILE}:download", Answer((content,)))
    client.files.download(file=FILE)
    client.batches.get(name=NAME)
    client.files.download(file=FILE, destination=tmp_path / "results")
    assert events() == []
    assert recorder_of(capturing).unmetered_calls == {"batch results": 2}


def test_making_a_batch_uses_nothing_yet(
    client: genai.Client, provider: WireServer, events: Events
) -> None:
    """What it uses is in its results."""
    provider.tell(":batchGenerateContent", whole(job("PENDING")))
    ask: Any = [{"contents": [{"parts": [{"text": "private question"}]}]}]
    client.batches.create(model="gemini-2.5-flash", src=ask)
    assert events() == []


async def test_async_results_too(
    client: genai.Client, provider: WireServer, events: Events
) -> None:
    """`client.aio.batches.get()`."""
    provider.tell(NAME, whole(job("SUCCEEDED", *RESULTS)))
    async with client.aio as aio:
        await aio.batches.get(name=NAME)
    assert [event["response_id"] for event in events()] == ["r-1", "r-2"]
