"""Amazon's `bedrock-runtime` client of boto3.

All its operations go through `_make_api_call()`, whatever method, paginator or retry is around it.
Source: botocore 1.44.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from inspect import iscoroutinefunction
from typing import Any

from tallyroll.usage.surface import Json, at
from tallyroll.wrapping.metered import metered_copy
from tallyroll.wrapping.picking import picked
from tallyroll.wrapping.readers import SeenReader
from tallyroll.wrapping.request import Request
from tallyroll.wrapping.session import Session
from tallyroll.wrapping.streams import SeenStream

SERVICE = "bedrock-runtime"
_NATIVE = ("model", "usage", "prompt_token_count", "generation_token_count", "stop_reason")
"""What vendors' own answers say of usage, at their top."""


@dataclass(frozen=True)
class _Operation:
    api_surface: str
    finish: Callable[[Request, dict[str, Any]], None]
    """Tells of a response, or has what is still to come of it watched."""


def wrap_bedrock(client: Any, session: Session) -> Any:
    """Return a metered copy of a `bedrock-runtime` client.

    Raises TypeError for a client of another service, and for one that is async.
    """
    service = client.meta.service_model.service_name
    original = type(client)._make_api_call  # noqa: SLF001  what all that is public goes through
    if service != SERVICE or iscoroutinefunction(original):
        kind = "an async client" if iscoroutinefunction(original) else f"a client of {service}"
        raise TypeError(f"{kind} cannot be wrapped; of AWS boto3's {SERVICE} can")
    region = client.meta.region_name
    here = replace(session, terms={"region": region} if region else {})
    return metered_copy(client, {"_make_api_call": _metered(original, here)}, here)


def _metered(original: Callable[..., Any], session: Session) -> Callable[..., Any]:
    recorder = session.recorder

    def _make_api_call(self: Any, operation_name: str, api_params: Any) -> Any:
        operation = _OPERATIONS.get(operation_name)
        if operation is None:
            if operation_name not in _FREE:
                recorder.unmetered(operation_name)
            return original(self, operation_name, api_params)
        model = at(api_params, "modelId")
        request = recorder.guard(
            "request", lambda: session.begin(operation.api_surface, model), None
        )
        if request is not None and request.instead is not None:
            api_params = {**api_params, "modelId": request.instead}
        try:
            response = original(self, operation_name, api_params)
        except BaseException as error:
            if request is not None:
                request.failed(error)
            raise
        if request is not None:
            recorder.guard("answer", lambda: operation.finish(request, response), None)
        return response

    return _make_api_call


def _identity(response: Json) -> dict[str, Any]:
    """Return what the envelope says: the request's id, and terms of the price."""
    said: dict[str, Any] = {
        "ResponseMetadata": picked(response.get("ResponseMetadata"), "RequestId")
    }
    if isinstance(tier := response.get("serviceTier"), str):
        said["service_tier"] = tier
    if latency := response.get("performanceConfigLatency"):
        said["performanceConfig"] = {"latency": latency}
    return said


def _pick_converse(said: Json) -> dict[str, Any]:
    """Return the usage and terms of an answer, or of the `metadata` at the end of a stream."""
    served_by = at(said, "trace", "promptRouter", "invokedModelId")
    return {
        **picked(said, "usage", "serviceTier", "performanceConfig"),
        "trace": {"promptRouter": {"invokedModelId": served_by}},
    }


def _see_converse(event: Any) -> tuple[Json | None, bool]:
    metadata = event.get("metadata")
    return (None if metadata is None else {"metadata": _pick_converse(metadata)}), False


def _pick_native(body: Json) -> dict[str, Any]:
    return picked(body, *_NATIVE)


def _see_native(event: Any) -> tuple[Json | None, bool]:
    """Return what a chunk says, which is a vendor's JSON as bytes."""
    packed = at(event, "chunk", "bytes")
    chunk = json.loads(packed) if isinstance(packed, bytes) else {}
    said = picked(chunk, "type", "service_tier", *_NATIVE)
    if (message := at(chunk, "message")) is not None:
        said["message"] = picked(message, "model", "usage")
    if (reason := at(chunk, "delta", "stop_reason")) is not None:
        said["delta"] = {"stop_reason": reason}
    if (usage := at(chunk, "metadata", "usage")) is not None:
        said["metadata"] = {"usage": usage}
    if isinstance(choices := chunk.get("choices"), list):
        said["choices"] = [picked(choice, "index", "finish_reason") for choice in choices]
    return said or None, False


def _converse(request: Request, response: dict[str, Any]) -> None:
    request.answered({**_identity(response), **_pick_converse(response)})


def _converse_stream(request: Request, response: dict[str, Any]) -> None:
    request.chunk(_identity(response))
    response["stream"] = SeenStream(response["stream"], request, _see_converse)


def _invoke(request: Request, response: dict[str, Any]) -> None:
    identity = _identity(response)

    def tell(content: bytes, complete: bool) -> None:
        """Tell of what was read: an answer, if it is one, else what is known without it."""
        try:
            body = json.loads(content)
        except ValueError:
            body = {} if complete else None
        if isinstance(body, dict):
            request.answered({**identity, **_pick_native(body)})
        else:
            request.chunk(identity)
            request.ended()

    # Below the body, so that the body itself stays what it is.
    body = response["body"]
    raw = body._raw_stream  # noqa: SLF001
    body._raw_stream = SeenReader(raw, request.recorder, tell)  # noqa: SLF001


def _invoke_stream(request: Request, response: dict[str, Any]) -> None:
    request.chunk(_identity(response))
    response["body"] = SeenStream(response["body"], request, _see_native)


_OPERATIONS = {
    "Converse": _Operation("converse", _converse),
    "ConverseStream": _Operation("converse", _converse_stream),
    "InvokeModel": _Operation("invoke_model", _invoke),
    "InvokeModelWithResponseStream": _Operation("invoke_model", _invoke_stream),
}
_FREE = ("CountTokens", "GetAsyncInvoke", "ListAsyncInvokes")
