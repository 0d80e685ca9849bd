"""What an endpoint is: a method, a path, a shape of parameters and a function."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from deploy.local.stripe_simulator.errors import StripeError
from deploy.local.stripe_simulator.shapes import Shape
from deploy.local.stripe_simulator.state import Body, State

API_VERSION = "2026-10-28.endive"


@dataclass(frozen=True)
class Call:
    """One checked request: who asks, when (seconds since 1970), for what."""

    account: str
    state: State
    now: int
    base_url: str
    account_name: str
    request_id: str
    idempotency_key: str | None
    params: dict[str, Any] = field(default_factory=dict)
    path: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    shape: Shape
    run: Callable[[Call], Body]

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.path))


def find_operation(
    operations: Iterable[Operation], method: str, path: str
) -> tuple[Operation, dict[str, str]]:
    for operation in operations:
        match = operation.pattern.fullmatch(path) if operation.method == method else None
        if match is not None:
            return operation, match.groupdict()
    raise StripeError(f"Unrecognized request URL ({method}: {path[:200]}).", status=404)


def list_object(url: str, data: list[Body], *, has_more: bool, **extra: Any) -> Body:
    return {"object": "list", "data": data, "has_more": has_more, "url": url, **extra}
