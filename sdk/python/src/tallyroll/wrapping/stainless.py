"""Clients that Stainless generates: OpenAI's, Anthropic's, Groq's.

All their requests go through `request()` of the client, whatever method began them: `create()`,
`parse()`, `stream()`, with or without `with_raw_response`. So that one is what is metered. What
the SDK makes of an answer passes through the `post_parser` of its options, a stream too.
"""

import re
from collections.abc import Callable, Mapping
from copy import copy
from typing import Any
from urllib.parse import quote

from tallyroll.recording.recorder import Recorder
from tallyroll.usage.surface import Json
from tallyroll.wrapping.bodies import SeenBody, tell_body
from tallyroll.wrapping.metered import metered_copy
from tallyroll.wrapping.request import Request
from tallyroll.wrapping.routes import FREE, Route
from tallyroll.wrapping.session import Place, Session
from tallyroll.wrapping.streams import SeenAsyncStream, SeenStream

Routes = Callable[[str], Route | None]
"""Path of a POST → what it is, None: nothing known, `FREE`: nothing that counts. Other methods
come before their path (`GET /batches/1`); of those, what is not known counts nothing."""
PlaceOf = Callable[[Any], Place]
"""Client, at the time of a request → whom it goes to."""

_DEPLOYMENT = re.compile(rb"/deployments/[^/?]+")
REFUSED = (400, 422)
"""What a server answers to a field that it does not know."""


def wrap_stainless(
    client: Any, session: Session, routes: Routes, place_of: PlaceOf | None = None
) -> Any:
    """Return a metered copy of a client, sync or async."""
    place = Place(session.provider, session.counts_as)
    watch = _Watch(session, routes, place_of or (lambda _client: place))
    make = _async_request if hasattr(client, "__aenter__") else _request
    return metered_copy(client, {"request": make(type(client).request, watch)}, session)


class _Call:
    """One request on its way through `request()`."""

    def __init__(self, request: Request, route: Route, options: Any) -> None:
        self.request, self.route, self.plain = request, route, options
        self.hides = False
        self._parser = options.post_parser
        self._body: SeenBody | None = None
        self._streams = False
        self._id: object = None

    @property
    def recorder(self) -> Recorder:
        return self.request.recorder

    def options(self, changes: dict[str, Any]) -> Any:
        """Return the caller's options with these changes; what the SDK parses by them is seen."""
        options = copy(self.plain)
        for name, value in changes.items():
            setattr(options, name, value)
        # Anthropic's clients of platforms copy options deeply: a function, not a bound method.
        options.post_parser = lambda parsed: self._parsed(parsed)  # noqa: PLW0108
        return options

    def finish(self, result: Any) -> Any:
        """Return what the caller gets; if the caller is to parse it, or not at all, watch that."""
        if not self.request.told and not self._streams:
            self.recorder.guard("answer", lambda: self._watch(result), None)
        return result

    def _parsed(self, parsed: Any) -> Any:
        seen = self.recorder.guard("answer", lambda: self._seen(parsed), parsed)
        return self._parser(seen) if callable(self._parser) else seen

    def _seen(self, parsed: Any) -> Any:
        route, kind = self.route, type(parsed)  # asking pydantic's objects themselves is slow
        is_sync = hasattr(kind, "__next__")
        if route.see is None or not (is_sync or hasattr(kind, "__anext__")):
            self._answered(route.pick(parsed))
            return parsed
        self._streams = True
        self._body = self._body or SeenBody(parsed.response, self.request, route, None)
        self._body.tallyroll_parsed()
        return (SeenStream if is_sync else SeenAsyncStream)(
            parsed, self.request, route.see(self.hides)
        )

    def _answered(self, body: Json) -> None:
        """Tell of an answer, and of each that the SDK's middleware got before, by their ids."""
        id_ = body.get("id")
        if self._id is not None and id_ not in (None, self._id):
            self.request = Request(self.recorder, self.request.asked, route=self.route)
        self._id = id_
        self.request.answered(body)

    def _watch(self, result: Any) -> None:
        response = getattr(result, "http_response", result)
        if not hasattr(response, "is_closed"):  # of a client that parses in a way of its own
            self._answered(self.route.pick(result))
        elif response.is_closed:  # read already
            tell_body(self.request, self.route, response.content, whole=True)
        else:
            hides = False  # who reads the bytes gets all of them
            see = self.route.see and self.route.see(hides)
            self._body = SeenBody(response, self.request, self.route, see)


class _Watch:
    """What sees the requests of one client and of its copies."""

    def __init__(self, session: Session, routes: Routes, place_of: PlaceOf) -> None:
        self._session, self._routes, self._place_of = session, routes, place_of
        self._refusing: set[Place] = set()

    def begun(self, client: Any, options: Any, *, stream: bool) -> tuple[_Call, Any] | None:
        """Return the request that begins and its options; None if it is not metered."""
        recorder = self._session.recorder
        return recorder.guard("request", lambda: self._begin(client, options, stream), None)

    def _begin(self, client: Any, options: Any, stream: bool) -> tuple[_Call, Any] | None:
        route = self._route(options)
        if route is None or route is FREE:
            return None
        place = self._place_of(client)
        body = _body_of(options)
        request = self._session.begin(
            route.api_surface,
            body.get("model"),
            batch=route.batch,
            provider=place.provider,
            counts_as=place.counts_as,
            region=place.region,
            route=route,
        )
        if (model := request.instead) is not None:
            options, body = _renamed(client, options, body, model)
        call = _Call(request, route, options)
        changes: dict[str, Any] = {}
        if stream and place.asks and place not in self._refusing:
            sent, call.hides = route.ask(body)
            changes = _changes(options, body, sent)
        return call, call.options(changes)

    def _route(self, options: Any) -> Route | None:
        path, method = options.url.partition("?")[0], options.method.upper()
        if method != "POST":
            return self._routes(f"{method} {path}")
        route = self._routes(path)
        if route is None:
            self._session.recorder.unmetered(shape_of(path))
        return route

    def again(self, client: Any, call: _Call, error: BaseException) -> Any:
        """Return the options for another try, if the server may have refused what we asked for.

        None: the error is not about us, and told.
        """
        recorder = self._session.recorder
        return recorder.guard("refusal", lambda: self._again(client, call, error), None)

    def _again(self, client: Any, call: _Call, error: BaseException) -> Any:
        if not call.hides or getattr(error, "status_code", None) not in REFUSED:
            call.request.failed(error)
            return None
        call.hides = False
        if "stream_options" in str(error):  # it says so: it need not be asked each time
            self._refusing.add(self._place_of(client))
        return call.options({})


def shape_of(path: str) -> str:
    """Return a path without the ids in it."""
    return "/".join(
        part if not part or part == "v1" or part.replace("_", "").isalpha() else "…"
        for part in path.split("/")
    )


def _body_of(options: Any) -> dict[str, Any]:
    """Return the body as it will be sent, with what the caller put beside the SDK's arguments."""
    body, extra = options.json_data, options.extra_json
    body = body if isinstance(body, dict) else {}
    return {**body, **extra} if isinstance(extra, Mapping) else body


def _changes(options: Any, body: dict[str, Any], sent: dict[str, Any]) -> dict[str, Any]:
    """Return the options that turn `body` into `sent`."""
    more = {name: value for name, value in sent.items() if value is not body.get(name)}
    if not more:
        return {}
    extra = options.extra_json  # stands above the body
    changes = {"json_data": {**(options.json_data or {}), **more}}
    return changes | ({"extra_json": {**extra, **more}} if extra else {})


def _renamed(
    client: Any, options: Any, body: dict[str, Any], model: str
) -> tuple[Any, dict[str, Any]]:
    """Return copies of the options and the body that name this model.

    A client that has one deployment of Azure names it in its address, which stands above the body.
    """
    sent, renamed = {**body, "model": model}, copy(options)
    for name, value in _changes(options, body, sent).items():
        setattr(renamed, name, value)
    url = client._prepare_url(options.url)  # noqa: SLF001  what the SDK itself will ask
    named = quote(model, safe="").encode()
    path = _DEPLOYMENT.sub(lambda _found: b"/deployments/" + named, url.raw_path, count=1)
    if path != url.raw_path:
        renamed.url = str(url.copy_with(raw_path=path))
    return renamed, sent


def _request(original: Callable[..., Any], watch: _Watch) -> Callable[..., Any]:
    def request(self: Any, cast_to: Any, options: Any, **more: Any) -> Any:
        begun = watch.begun(self, options, stream=bool(more.get("stream")))
        if begun is None:
            return original(self, cast_to, options, **more)
        call, sent = begun
        while True:
            try:
                result = original(self, cast_to, sent, **more)
            except BaseException as error:
                if (sent := watch.again(self, call, error)) is None:
                    raise
            else:
                return call.finish(result)

    return request


def _async_request(original: Callable[..., Any], watch: _Watch) -> Callable[..., Any]:
    async def request(self: Any, cast_to: Any, options: Any, **more: Any) -> Any:
        begun = watch.begun(self, options, stream=bool(more.get("stream")))
        if begun is None:
            return await original(self, cast_to, options, **more)
        call, sent = begun
        while True:
            try:
                result = await original(self, cast_to, sent, **more)
            except BaseException as error:
                if (sent := watch.again(self, call, error)) is None:
                    raise
            else:
                return call.finish(result)

    return request
