"""What an endpoint is: a method, a path, a shape of parameters and a function."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec

from deploy.local.stripe_simulator.errors import StripeError, missing_object
from deploy.local.stripe_simulator.settings import Settings
from deploy.local.stripe_simulator.shapes import Shape
from deploy.local.stripe_simulator.state import Body, State

API_VERSION = "2026-10-28.endive"
Shown = Body | msgspec.Raw
"""An object as the API shows it, perhaps encoded already."""


@dataclass(frozen=True)
class Call:
    """One checked request: who asks, when (seconds since 1970), for what."""

    account: str
    state: State
    settings: Settings
    now: int
    base_url: str
    account_name: str
    request_id: str | None
    idempotency_key: str | None
    endpoints: tuple[Any, ...] = ()
    params: dict[str, Any] = field(default_factory=dict)
    path: dict[str, str] = field(default_factory=dict)

    def find(
        self, kind: str, identifier: str, *, noun: str = "", param: str = "id", status: int = 404
    ) -> Body:
        """Return a stored object, or refuse with `resource_missing`."""
        found = self.state.get(self.account, kind, identifier)
        if found is None:
            raise missing_object(noun or kind, identifier, param=param, status=status)
        return found

    def put(self, kind: str, body: Body) -> None:
        self.state.put(self.account, kind, body)


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    shape: Shape
    run: Callable[[Call], Shown]

    @cached_property
    def names(self) -> tuple[tuple[int, str], ...]:
        """Where the path holds ids, and what they are called."""
        parts = self.path.split("/")
        return tuple((at, part[1:-1]) for at, part in enumerate(parts) if part.startswith("{"))

    @cached_property
    def endpoint(self) -> str:
        """The method and the path without ids: what rate limits count by."""
        return f"{self.method} {self.path}"


class Router:
    """Finds the operation of a request by the shape of its path."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._found: dict[tuple[str, ...], Operation] = {}
        for operation in operations:
            parts = ["*" if part.startswith("{") else part for part in operation.path.split("/")]
            self._found[operation.method, *parts] = operation

    def find(self, method: str, path: str) -> tuple[Operation, dict[str, str]]:
        parts = path.split("/")
        for wild in ((), (3,), (3, 5)):
            masked = ["*" if at in wild else part for at, part in enumerate(parts)]
            operation = self._found.get((method, *masked))
            if operation is not None and "" not in parts[1:]:
                return operation, {name: parts[at] for at, name in operation.names}
        raise StripeError(f"Unrecognized request URL ({method}: {path[:200]}).", status=404)


def list_object(url: str, data: list[Any], *, has_more: bool, **extra: Any) -> Body:
    return {"object": "list", "data": data, "has_more": has_more, "url": url, **extra}


def public(record: Body) -> Body:
    """Leave out what the API hides: names with a leading underscore."""
    return {key: value for key, value in record.items() if key[0] != "_"}
