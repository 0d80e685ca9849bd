"""The messages' contract: frozen schemas, and an example of each that every side reads."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from shared.events.catalogue import MESSAGES
from shared.events.message import Message

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "shared" / "events" / "examples"


def _example(message: type[Message]) -> str:
    version = f"v{message.version_of_schema}"
    path = EXAMPLES / message.topic.name / version / f"{message.__name__}.json"
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.__name__)
def test_an_example_survives_reading_and_writing(message: type[Message]) -> None:
    """Each committed example is what its model writes: nothing is lost or changed on the way."""
    text = _example(message)

    assert json.loads(text) == json.loads(message.model_validate_json(text).model_dump_json())


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.__name__)
def test_an_unknown_field_is_refused(message: type[Message]) -> None:
    """A message with a field of a later version is not silently read without it."""
    text = json.dumps(json.loads(_example(message)) | {"surprise": 1})

    with pytest.raises(ValidationError, match="surprise"):
        message.model_validate_json(text)


def test_a_quantity_is_never_a_json_number() -> None:
    """A quantity that went through a float is refused, whatever its value."""
    message = next(m for m in MESSAGES if m.__name__ == "UsageAggregated")
    text = _example(message).replace('"quantity": "18059974"', '"quantity": 18059974.0')

    with pytest.raises(ValidationError, match="decimal string"):
        message.model_validate_json(text)
