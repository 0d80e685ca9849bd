"""What a model says is wrong, as faults that can be answered."""

import json
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from shared.errors import Fault
from shared.faults import faults_of, place_of


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: Literal["a", "b"]


class _Body(BaseModel):
    parts: list[_Part]


def _error(body: object) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        _Body.model_validate(body)
    return caught.value


def _places(faults: list[Fault]) -> list[tuple[str, str]]:
    return [(fault.code, fault.path) for fault in faults]


def test_every_fault_has_a_code_and_a_place() -> None:
    """All faults are told at once, with our names for them and where they stand."""
    faults = faults_of(_error({"parts": [{"kind": "c", "more": 1}, {}]}), path="body")

    assert [
        ("unknown_choice", "body.parts[0].kind"),
        ("unknown_field", "body.parts[0].more"),
        ("missing_field", "body.parts[1].kind"),
    ] == _places(faults)


def test_a_name_that_is_no_unicode_can_be_answered() -> None:
    """JSON may name a field by half of a pair; as it stands it could not be encoded."""
    name = json.loads(r'"\ud800"')

    assert b"parts[0].\\ud800" == place_of("parts", (0, name)).encode()
    with pytest.raises(UnicodeEncodeError):
        f"parts[0].{name}".encode()


def test_words_are_those_of_json_and_not_of_our_classes() -> None:
    """Whoever sends a list for an object is not told the name of a class."""
    messages = {fault.message for fault in faults_of(_error([]))}

    assert {"An object is expected here."} == messages
