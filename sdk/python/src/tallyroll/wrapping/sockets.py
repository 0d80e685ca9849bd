"""WebSockets of OpenAI's client: not metered, and so counted by name where one is opened."""

from functools import cached_property
from typing import Any

from tallyroll.recording.recorder import Recorder
from tallyroll.wrapping.proxy import Proxy

_RESOURCES = ("beta", "live", "realtime", "responses")
"""What of a client may open a WebSocket, itself or further in."""
_OPENS = "connect"


class Resource(Proxy):
    """A resource of the client; `connect()` of it, or of one inside, is counted as unmetered."""

    def __init__(self, target: Any, name: str, recorder: Recorder) -> None:
        super().__init__(target)
        self._tallyroll_name, self._tallyroll_recorder = name, recorder

    def __getattr__(self, name: str) -> Any:
        found = super().__getattr__(name)
        path = f"{self._tallyroll_name}.{name}"
        if name == _OPENS:
            self._tallyroll_recorder.unmetered(path)
        elif not name.startswith("with_") and hasattr(found, "_client"):
            return Resource(found, path, self._tallyroll_recorder)
        return found


def watched_resources(kind: type, recorder: Recorder) -> dict[str, Any]:
    """Return what stands in a metered class for those resources that it has."""

    def watched(name: str, computed: cached_property[Any]) -> Any:
        return cached_property(lambda client: Resource(computed.func(client), name, recorder))

    found = {name: getattr(kind, name, None) for name in _RESOURCES}
    return {
        name: watched(name, computed)
        for name, computed in found.items()
        if isinstance(computed, cached_property)
    }
