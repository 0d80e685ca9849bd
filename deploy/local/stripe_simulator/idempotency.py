"""Answers kept under (account, Idempotency-Key), replayed for 24 hours of the simulator's clock."""

import hashlib
from dataclasses import dataclass

import msgspec

from deploy.local.stripe_simulator.errors import StripeError
from deploy.local.stripe_simulator.forms import Raw
from deploy.local.stripe_simulator.state import State

KEY_LENGTH_MAX = 255
RETENTION_SECONDS = 24 * 3600


@dataclass(frozen=True)
class Answer:
    """What goes back: the status, the exact JSON text and the id of the request that made it."""

    status: int
    body: bytes
    request_id: str


def fingerprint(method: str, path: str, raw: dict[str, Raw]) -> bytes:
    """Return 32 bytes that stand for the request, whatever the order of its parameters."""
    text = msgspec.json.encode([method, path, raw], order="deterministic")
    return hashlib.sha256(text).digest()


def key_in_use() -> StripeError:
    return StripeError(
        "There is currently another in-progress request using this Idempotency-Key.",
        code="idempotency_key_in_use",
        kind="idempotency_error",
        status=409,
    )


class IdempotencyStore:
    """Finished answers in the state, and the keys that are being executed right now."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.in_flight: set[tuple[str, str]] = set()

    def claim(self, account: str, key: str, *, print_: bytes, now: int) -> Answer | None:
        """Return the stored answer, or mark the key as being executed and return None."""
        if len(key) > KEY_LENGTH_MAX:
            raise StripeError(
                f"Idempotency keys can have up to {KEY_LENGTH_MAX} characters.",
                kind="idempotency_error",
            )
        row = self.state.connection.execute(
            "SELECT fingerprint, status, body, request_id FROM answers "
            "WHERE account = ? AND key = ? AND created > ?",
            (account, key, now - RETENTION_SECONDS),
        ).fetchone()
        if row is not None and row[0] != print_:
            raise StripeError(
                "Keys for idempotent requests can only be used with the same endpoint and "
                "parameters they were first used with.",
                kind="idempotency_error",
            )
        if row is not None:
            return Answer(row[1], row[2], row[3])
        if (account, key) in self.in_flight:
            raise key_in_use()
        self.in_flight.add((account, key))
        return None

    def release(self, account: str, key: str) -> None:
        self.in_flight.discard((account, key))

    def keep(self, account: str, key: str, answer: Answer, *, print_: bytes, now: int) -> None:
        """Store the answer; called inside the transaction of the request."""
        self.state.connection.execute(
            "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)",
            (account, key, print_, answer.status, answer.body, answer.request_id, now),
        )

    def prune(self, account: str, key: str) -> bool:
        """Forget a key now, as Stripe may once 24 hours are over; say whether it was known."""
        found = self.state.connection.execute(
            "DELETE FROM answers WHERE account = ? AND key = ?", (account, key)
        )
        return found.rowcount > 0
