"""Reading a body by hand: every fault of it at once, each with a stable code and its place."""

import json
from http import HTTPStatus
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from shared.errors import TallyrollError
from shared.faults import faults_of

Model = TypeVar("Model", bound=BaseModel)


def read_body(model: type[Model], body: Any, *, code: str) -> Model:
    """Return a body as its model; raises a refusal of the given code with all faults."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        faults = faults_of(error)
        message = f"The body has {len(faults)} faults; none of it was stored."
        raise TallyrollError(code, message, faults=faults) from error


async def read_json(request: Request, *, bytes_max: int) -> Any:
    """Return a body's JSON; raises `body_too_large` (413) and `invalid_json`.

    No more than `bytes_max` are kept, whatever the headers say.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > bytes_max:
            message = f"A body here has at most {bytes_max} bytes."
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            raise TallyrollError("body_too_large", message, status)
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise TallyrollError("invalid_json", "The body is no JSON that can be read.") from error


def body_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the description of a body that is read by hand, for the API's document."""
    schema = model.model_json_schema()
    whole = _inlined(schema, schema.pop("$defs", {}))
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": whole}}}}


def _inlined(part: Any, definitions: dict[str, Any]) -> Any:
    """Return a schema with definitions in place of references, which hold only inside a model."""
    if isinstance(part, list):
        return [_inlined(item, definitions) for item in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        return _inlined(definitions[part["$ref"].rpartition("/")[2]], definitions)
    return {name: _inlined(value, definitions) for name, value in part.items()}
