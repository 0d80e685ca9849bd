"""A metered client of boto3 is the client it was; clients of other services are refused."""

import io
import json
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.response import StreamingBody
from botocore.stub import Stubber
from sdk.python.tests.wrapping.bedrock.conftest import MakeClient
from sdk.python.tests.wrapping.bedrock.test_converse import (
    ANSWER,
    ASK,
    MODEL,
    SAID,
    TOKENS,
    USAGE,
    answer,
    said_of,
)
from sdk.python.tests.wrapping.conftest import Events
from sdk.python.tests.wrapping.wire import WireServer

import tallyroll
from tallyroll import Meter


def test_it_is_what_it_was(client: Any, plain: Any, capturing: Meter) -> None:
    """Class, `meta`, errors and connections are the client's; wrapped again it is itself."""
    assert isinstance(client, type(plain))
    assert isinstance(client, BaseClient)
    assert repr(type(client)) == repr(type(plain))
    assert client.meta is plain.meta
    assert client.exceptions is plain.exceptions
    assert client.can_paginate("list_async_invokes")
    assert tallyroll.wrap(client, capturing) is client


def test_the_client_itself_is_not_metered(
    plain: Any, client: Any, make_client: MakeClient, provider: WireServer, events: Events
) -> None:
    """No handler is put on it, and no class is patched: only what `wrap()` returned is metered."""
    provider.tell("/converse", answer())
    plain.converse(**ASK)
    client.converse(**ASK)
    make_client().converse(**ASK)
    assert [said_of(event) for event in events()] == [SAID]


def test_handlers_of_the_program_are_called_for_both(
    plain: Any, client: Any, provider: WireServer
) -> None:
    """What the program registers on either is called for requests of either, as for one client."""
    provider.tell("/converse", answer())
    called: list[str] = []
    client.meta.events.register(
        "before-send.bedrock-runtime.Converse", lambda **_: called.append("sent")
    )
    plain.converse(**ASK)
    client.converse(**ASK)
    assert called == ["sent", "sent"]


def test_answers_of_a_stub_are_metered_like_others(plain: Any, client: Any, events: Events) -> None:
    """Programs test themselves with botocore's Stubber, whose answers have no envelope."""
    said = {name: ANSWER[name] for name in ("output", "stopReason", "usage", "metrics")}
    body = json.dumps({"usage": {"input_tokens": 4, "output_tokens": 5}}).encode()
    stubbed = StreamingBody(io.BytesIO(body), len(body))
    with Stubber(plain) as stub:
        stub.add_response("converse", said)
        stub.add_response("invoke_model", {"body": stubbed, "contentType": "application/json"})
        assert client.converse(**ASK)["usage"] == USAGE
        assert client.invoke_model(modelId=MODEL, body=b"{}")["body"].read() == body
    first, second = events()
    assert first["tokens"] == TOKENS
    assert second["tokens"] == {"input_uncached": 4, "output_text": 5}


@pytest.mark.parametrize("service", ["s3", "bedrock", "bedrock-agent-runtime"])
def test_a_client_of_another_service_is_refused(
    service: str, make_client: MakeClient, capturing: Meter
) -> None:
    """Nothing of it would be metered, and nobody would notice."""
    with pytest.raises(TypeError, match=f"a client of {service} cannot be wrapped"):
        tallyroll.wrap(make_client(service), capturing)


def test_an_async_client_of_aws_is_refused(plain: Any, capturing: Meter) -> None:
    """Aiobotocore's clients inherit from botocore's, and are not metered."""

    class Async(type(plain)):  # type: ignore[misc]
        async def _make_api_call(self, operation_name: str, api_params: Any) -> Any:
            return operation_name, api_params

    client = Async.__new__(Async)
    client.__dict__.update(vars(plain))
    with pytest.raises(TypeError, match="an async client cannot be wrapped"):
        tallyroll.wrap(client, capturing)
