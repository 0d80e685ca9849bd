"""A client of pricing's HTTP API, as commands use it."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import httpx

from shared.errors import Fault, TallyrollError

TIMEOUT_SECONDS = 60.0


def connect(url: str, api_key: str) -> httpx.AsyncClient:
    """Return a client of pricing's API."""
    headers = {"Authorization": f"Bearer {api_key}"}
    return httpx.AsyncClient(base_url=url, headers=headers, timeout=TIMEOUT_SECONDS)


def refuse(answer: httpx.Response) -> None:
    """Raise the refusal that an answer is; nothing for a good one."""
    if answer.is_success:
        return
    try:
        problem = answer.json()
        faults = faults_of(problem)
        code, message = problem["code"], problem["message"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"{answer.request.url} answered {answer.status_code}."
        raise TallyrollError("unexpected_answer", message) from error
    status = HTTPStatus(answer.status_code)
    raise TallyrollError(code, message, status, problem.get("subject"), faults)


def faults_of(told: Mapping[str, Any]) -> list[Fault]:
    """Return the faults that an answer tells."""
    return [Fault(f["code"], f["path"], f["message"]) for f in told.get("faults", [])]


async def send(
    client: httpx.AsyncClient,
    method: str,
    path: str,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
    *,
    query: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return an answer; raises the refusal that it is."""
    answer = await client.request(method, path, json=body, headers=headers, params=query)
    refuse(answer)
    found: dict[str, Any] = answer.json()
    return found
