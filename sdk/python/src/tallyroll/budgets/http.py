"""`GET {endpoint}/v1/budget-hints`, as docs/concepts/budget-hints.md of the project has it."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import msgspec

from tallyroll.answer import retry_after
from tallyroll.budgets.decision import Hint, Instant
from tallyroll.budgets.source import Confirmed, Fetched, HintsUnavailableError
from tallyroll.transport import USER_AGENT, checked_key

HINTS_PATH = "/v1/budget-hints"
AS_OF_HEADER = "tallyroll-as-of"
BODY_BYTES_MAX = 4 * 1024 * 1024
SECONDS_MAX = 5.0
WAIT_SECONDS = 20
"""How long the server may hold a question until there is news: below what proxies allow, and a
third of the time after which hints are stale."""
OK, NOT_MODIFIED = 200, 304


class _Answer(msgspec.Struct):
    hints: list[msgspec.Raw]
    tenant: str | None = None


_decode_answer = msgspec.json.Decoder(_Answer).decode
_decode_hint = msgspec.json.Decoder(Hint).decode
_decode_instant = msgspec.json.Decoder(Instant).decode


class HTTPHintSource:
    """Reads hints of the server with the meter's key; unknown kinds of hints are passed over.

    ValueError for an endpoint that is no http(s) URL or a key that cannot be a header.
    """

    def __init__(
        self, endpoint: str, api_key: str, *, now: Callable[[], datetime] | None = None
    ) -> None:
        from tallyroll.connections import Connections  # noqa: PLC0415  with the first transport

        self.url = endpoint.strip().rstrip("/") + HINTS_PATH
        self._connections = Connections(self.url, SECONDS_MAX + WAIT_SECONDS)
        self._headers = {
            "Authorization": f"Bearer {checked_key(api_key)}",
            "Accept": "application/json",
            "User-Agent": USER_AGENT,
        }
        self._now = now or (lambda: datetime.now(UTC))

    def fetch(self, since_etag: str | None) -> Fetched | Confirmed:
        """Ask once. Raises HintsUnavailableError, or what urllib3 raises."""
        headers = {**self._headers, "Prefer": f"wait={WAIT_SECONDS}"}
        if since_etag is not None:
            headers["If-None-Match"] = since_etag
        try:
            status, told, body = self._connections.get(headers, BODY_BYTES_MAX)
        except ValueError:
            raise HintsUnavailableError("too_many_hints") from None
        at = _date(told) or self._now()
        waited = "wait" in told.get("preference-applied", "")
        if status == NOT_MODIFIED:
            return Confirmed(as_of=_as_of(told) or at, at=at, waited=waited)
        if status != OK:
            raise HintsUnavailableError(f"http_{status}", retry_after(told, self._now))
        return _read(body, etag=told.get("etag"), at=at, waited=waited)

    def close(self) -> None:
        """Close the connection; a later question opens a new one."""
        self._connections.close()


def _read(body: bytes, *, etag: str | None, at: datetime, waited: bool) -> Fetched:
    try:
        answer = _decode_answer(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise HintsUnavailableError("malformed_hints") from None
    found = (_hint(raw) for raw in answer.hints)
    hints = tuple(hint for hint in found if hint is not None)
    return Fetched(hints=hints, at=at, etag=etag, tenant=answer.tenant, waited=waited)


def _hint(raw: msgspec.Raw) -> Hint | None:
    """Return a hint; None for a kind that a newer server has: it cannot be known to apply."""
    try:
        return _decode_hint(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _date(headers: Mapping[str, str]) -> datetime | None:
    try:
        moment = parsedate_to_datetime(headers.get("date", ""))
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _as_of(headers: Mapping[str, str]) -> datetime | None:
    try:
        return _decode_instant(msgspec.json.encode(headers.get(AS_OF_HEADER, "")))
    except msgspec.DecodeError:
        return None
