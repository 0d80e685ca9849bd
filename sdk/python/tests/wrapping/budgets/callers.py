"""The clients that `wrap()` knows, each with a question to a model of its provider."""

import json
import re
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import anthropic
import boto3
import cohere
import groq
import httpx
import httpx2
import openai
from botocore.config import Config
from google import genai
from google.genai.types import HttpOptions
from mistralai.client import Mistral
from sdk.python.tests.wrapping.anthropic_family.spoken import events as message_events
from sdk.python.tests.wrapping.anthropic_family.spoken import message
from sdk.python.tests.wrapping.bedrock.frames import event_stream, native
from sdk.python.tests.wrapping.bedrock.test_converse import ANSWER as CONVERSE
from sdk.python.tests.wrapping.bedrock.test_converse import STREAM as CONVERSE_STREAM
from sdk.python.tests.wrapping.cohere_ai import answers as cohere_answers
from sdk.python.tests.wrapping.dual import collect, settle
from sdk.python.tests.wrapping.google_genai import answers as google_answers
from sdk.python.tests.wrapping.google_genai.conftest import Signed
from sdk.python.tests.wrapping.mistral import answers as mistral_answers
from sdk.python.tests.wrapping.openai_family.conftest import to_the
from sdk.python.tests.wrapping.openai_family.shapes import (
    ANSWER,
    chunks,
    response,
    response_events,
)
from sdk.python.tests.wrapping.wire import Answer, Asked, WireServer, sse, whole

import tallyroll
from tallyroll import Meter

ASKED, OTHER = "anthropic.model-large", "anthropic.model-small"
HELLO = [{"role": "user", "content": "hi"}]
BODY = json.dumps({"messages": HELLO})


@dataclass(frozen=True)
class Caller:
    """One kind of client: how it is made, what it is told, how it is called."""

    make: Callable[[WireServer, bool], Any]
    """Server and whether it is async → a plain client."""
    plain: tuple[str, Answer]
    stream: tuple[str, Answer]
    """End of the path, and what stands there."""
    call: Callable[[Any, bool, dict[str, Any]], Any]
    """Client, whether to stream, arguments → what the SDK gives."""
    ask: dict[str, Any]
    is_async: bool | None = None
    """None: there are both kinds."""
    provider: str | None = None
    """What to say to `wrap()`, if the local address does not."""

    def wrap(self, client: Any, meter: Meter) -> Any:
        """Return the client, metered."""
        return tallyroll.wrap(client, meter, agent="coder", provider=self.provider)

    async def run(self, client: Any, *, stream: bool) -> Any:
        """Make the call to its end; the caller's arguments stay as they are."""
        ask = deepcopy(self.ask)
        got = await settle(self.call(client, stream, ask))
        if stream:
            got = await collect(got)
        elif isinstance(got, dict) and "body" in got:  # of boto3: not read before
            got = got["body"].read()
        assert ask == self.ask
        return got

    def answer(self, server: WireServer, *, stream: bool) -> None:
        """Answer every request from now on."""
        server.tell(*(self.stream if stream else self.plain))


def named(asked: Asked) -> set[str]:
    """Return the models that a request names: in its path, and in its body."""
    found = re.findall(r"/(?:deployments|models?)/([^/:]+)", unquote(asked.path))
    body = asked.body
    parts = [body, *body.get("requests", [])]
    said = [part["model"].removeprefix("models/") for part in parts if "model" in part]
    return {*found, *said}


def _openai(server: WireServer, is_async: bool) -> Any:
    kind = openai.AsyncOpenAI if is_async else openai.OpenAI
    return kind(base_url=server.url, api_key="k", max_retries=0)


def azure(server: WireServer, is_async: bool, **more: Any) -> Any:
    """Return Azure's client, which has the deployment in the path."""
    kind = openai.AsyncAzureOpenAI if is_async else openai.AzureOpenAI
    http = to_the(server, httpx2, is_async=is_async)
    place: Any = {"azure_endpoint": "https://x.openai.azure.com", **more}
    return kind(**place, api_version="2026-10-01", api_key="k", http_client=http, max_retries=0)


def _one_deployment(server: WireServer, is_async: bool) -> Any:
    return azure(server, is_async, azure_deployment=ASKED)


def _groq(server: WireServer, is_async: bool) -> Any:
    kind = groq.AsyncGroq if is_async else groq.Groq
    return kind(api_key="k", http_client=to_the(server, httpx, is_async=is_async), max_retries=0)


def _anthropic(name: str, **more: Any) -> Callable[[WireServer, bool], Any]:
    def make(server: WireServer, is_async: bool) -> Any:
        kind = getattr(anthropic, f"Async{name}" if is_async else name)
        return kind(base_url=server.url, max_retries=0, **more)

    return make


def _boto3(server: WireServer, _is_async: bool) -> Any:
    return boto3.session.Session().client(
        "bedrock-runtime",
        region_name="eu-central-1",
        endpoint_url=server.url,
        aws_access_key_id="a",
        aws_secret_access_key="s",
        config=Config(retries={"total_max_attempts": 1}),
    )


def _google(server: WireServer, is_async: bool) -> Any:
    client = genai.Client(api_key="k", http_options=HttpOptions(base_url=server.url))
    return client.aio if is_async else client


def _vertex(server: WireServer, is_async: bool) -> Any:
    options = HttpOptions(base_url=server.url)
    place: Any = {"vertexai": True, "project": "p", "location": "europe-west4"}
    client = genai.Client(**place, credentials=Signed(), http_options=options)
    return client.aio if is_async else client


def _cohere(server: WireServer, is_async: bool) -> Any:
    kind = cohere.AsyncClientV2 if is_async else cohere.ClientV2
    return kind("k", base_url=server.url, max_retries=0)


def _cohere_1(server: WireServer, is_async: bool) -> Any:
    kind = cohere.AsyncClient if is_async else cohere.Client
    return kind("k", base_url=server.url, max_retries=0)


def _mistral(server: WireServer, _is_async: bool) -> Any:
    return Mistral(api_key="k", server_url=server.url)


def _chat(client: Any, stream: bool, ask: dict[str, Any]) -> Any:
    return client.chat.completions.create(**ask, stream=stream)


def _respond(client: Any, stream: bool, ask: dict[str, Any]) -> Any:
    return client.responses.create(**ask, stream=stream)


def _message(client: Any, stream: bool, ask: dict[str, Any]) -> Any:
    return client.messages.create(**ask, stream=stream)


def _converse(client: Any, stream: bool, ask: dict[str, Any]) -> Any:
    return client.converse_stream(**ask)["stream"] if stream else client.converse(**ask)


def _invoke(client: Any, stream: bool, ask: dict[str, Any]) -> Any:
    if stream:
        return client.invoke_model_with_response_stream(**ask)["body"]
    return client.invoke_model(**ask)


def _generate(client: Any, stream: bool, ask: dict[str, Any]) -> Any:
    models = client.models
    return (models.generate_content_stream if stream else models.generate_content)(**ask)


def _chat_mistral(client: Any, stream: bool, ask: dict[str, Any]) -> Any:
    return client.chat.stream(**ask) if stream else client.chat.complete(**ask)


def _chat_mistral_async(client: Any, stream: bool, ask: dict[str, Any]) -> Any:
    return client.chat.stream_async(**ask) if stream else client.chat.complete_async(**ask)


def _chat_cohere(client: Any, stream: bool, ask: dict[str, Any]) -> Any:
    return client.chat_stream(**ask) if stream else client.chat(**ask)


_ASK: dict[str, Any] = {"model": ASKED, "messages": HELLO}
_ASK_CLAUDE = {**_ASK, "max_tokens": 5}
_SAID = whole(ANSWER)
_CHATS = ("/chat/completions", _SAID), ("/chat/completions", sse(chunks()))
_EVENTS = sse(message_events(), done=False, named=True)
_MESSAGES = ("/v1/messages", whole(message())), ("/v1/messages", _EVENTS)
_FRAMES = event_stream(native(message_events()))
_INVOKED = ("/invoke", whole(message())), ("/invoke-with-response-stream", _FRAMES)
_PREDICTED = (":rawPredict", whole(message())), (":streamRawPredict", _EVENTS)
_CONVERSED = (
    ("/converse", whole(CONVERSE)),
    ("/converse-stream", event_stream(CONVERSE_STREAM)),
)
_GENERATED = (
    (":generateContent", whole(google_answers.content())),
    (":streamGenerateContent", sse(google_answers.chunks(), done=False)),
)
_MISTRAL = (
    ("/v1/chat/completions", whole(mistral_answers.CHAT)),
    ("/v1/chat/completions", sse(mistral_answers.chunks())),
)
_KEYS: Any = {"aws_access_key": "a", "aws_secret_key": "s", "aws_region": "eu-west-1"}
_PLACE: Any = {"region": "us-east5", "project_id": "p", "access_token": "t"}
_CONVERSE: dict[str, Any] = {
    "modelId": ASKED,
    "messages": [{"role": "user", "content": [{"text": "hi"}]}],
}

CALLERS: dict[str, Caller] = {
    "openai": Caller(_openai, *_CHATS, _chat, _ASK, provider="openai"),
    "responses": Caller(
        _openai,
        ("/responses", whole(response())),
        ("/responses", sse(response_events(), named=True, done=False)),
        _respond,
        {"model": ASKED, "input": "hi"},
        provider="openai",
    ),
    "azure": Caller(azure, *_CHATS, _chat, _ASK),
    "azure, one deployment": Caller(_one_deployment, *_CHATS, _chat, _ASK),
    "groq": Caller(_groq, *_CHATS, _chat, _ASK),
    "anthropic": Caller(_anthropic("Anthropic", api_key="k"), *_MESSAGES, _message, _ASK_CLAUDE),
    "anthropic on bedrock": Caller(
        _anthropic("AnthropicBedrock", **_KEYS), *_INVOKED, _message, _ASK_CLAUDE
    ),
    "anthropic on vertex": Caller(
        _anthropic("AnthropicVertex", **_PLACE), *_PREDICTED, _message, _ASK_CLAUDE
    ),
    "converse": Caller(_boto3, *_CONVERSED, _converse, _CONVERSE, is_async=False),
    "invoke": Caller(_boto3, *_INVOKED, _invoke, {"modelId": ASKED, "body": BODY}, is_async=False),
    "gemini": Caller(_google, *_GENERATED, _generate, {"model": ASKED, "contents": "hi"}),
    "vertex": Caller(_vertex, *_GENERATED, _generate, {"model": ASKED, "contents": "hi"}),
    "mistral": Caller(_mistral, *_MISTRAL, _chat_mistral, _ASK, is_async=False),
    "mistral async": Caller(_mistral, *_MISTRAL, _chat_mistral_async, _ASK, is_async=True),
    "cohere": Caller(
        _cohere,
        ("/v2/chat", whole(cohere_answers.CHAT)),
        ("/v2/chat", sse(cohere_answers.events())),
        _chat_cohere,
        _ASK,
    ),
    "cohere 1": Caller(
        _cohere_1,
        ("/v1/chat", whole(cohere_answers.OLD_CHAT)),
        (
            "/v1/chat",
            Answer(tuple(json.dumps(one).encode() + b"\n" for one in cohere_answers.old_events())),
        ),
        _chat_cohere,
        {"model": ASKED, "message": "hi"},
    ),
}


async def close(client: Any) -> None:
    """End a client's connections, in the way that it has."""
    if hasattr(client, "__aexit__"):
        await client.__aexit__(None, None, None)
    if hasattr(client, "__exit__"):  # Mistral's has both
        client.__exit__(None, None, None)
    elif not hasattr(client, "__aexit__"):
        client.close()
