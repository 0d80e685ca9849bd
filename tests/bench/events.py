"""Events as agents send them, in any number, over as many rollup keys as wanted."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import uuid_utils

TENANTS = 50
AGENTS_PER_TENANT = 10
KINDS = ("input_uncached", "input_cache_read", "output_text")
MODELS = ("claude-opus-4-5", "claude-sonnet-4-5", "gpt-5", "gpt-5-mini")
BODY_HEAD, BODY_TAIL = b'{"events":[', b"]}"
_encode = msgspec.json.Encoder().encode


def tenant_names() -> list[str]:
    """Return the tenants that the events belong to."""
    return [f"tenant-{number}" for number in range(TENANTS)]


@dataclass(frozen=True)
class Shape:
    """What the events are like: how many rollup rows they make, and whether they name a response.

    `keys` is the number of distinct (tenant, agent, model, token type) of one hour.
    """

    keys: int = 5_000
    responses: bool = False


def make_events(count: int, shape: Shape, *, seed: int = 1) -> Iterator[dict[str, Any]]:
    """Yield events of this minute with fresh time-ordered ids; three token types each."""
    chance = random.Random(seed)  # noqa: S311 - the same load every time
    instant = datetime.now(UTC).replace(minute=0, second=0).isoformat(timespec="microseconds")
    occurred_at = instant.replace("+00:00", "Z")
    combinations = max(shape.keys // len(KINDS), 1)
    for number in range(count):
        # Every combination comes once before the others come again by chance.
        which = number if number < combinations else chance.randrange(combinations)
        tenant, agent = which % TENANTS, which // TENANTS
        event: dict[str, Any] = {
            "event_id": str(uuid_utils.uuid7()),
            "tenant": f"tenant-{tenant}",
            "agent": f"agent-{agent}",
            "model": MODELS[which % len(MODELS)],
            "provider": "anthropic",
            "occurred_at": occurred_at,
            "tokens": {
                KINDS[0]: chance.randrange(10_000),
                KINDS[1]: chance.randrange(100_000),
                KINDS[2]: chance.randrange(2_000),
            },
            "context_input_tokens": 4_000,
            "user": f"user-{agent % 100}",
            "run_id": f"run-{which % 1_000}",
        }
        if shape.responses:
            event["response_id"] = f"msg_{uuid_utils.uuid7()}"
        yield event


def make_bodies(count: int, batch: int, shape: Shape, *, seed: int = 1) -> list[bytes]:
    """Return the request bodies of `count` events, `batch` in each."""
    texts = list(map(_encode, make_events(count, shape, seed=seed)))
    return [
        BODY_HEAD + b",".join(texts[start : start + batch]) + BODY_TAIL
        for start in range(0, count, batch)
    ]
