"""The three traces as token requests: who is billed, what acted, what it ran on, how many tokens.

The traces name neither tenant nor agent nor model. They are assigned by row number, counted from 0
in file order; no count and no time is changed.
"""

import csv
import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

TRACES = Path(__file__).parents[1] / "traces"
REQUESTS = 40_216
MOONCAKE_START = datetime(2023, 11, 17, tzinfo=UTC)
BLOCK_TOKENS = 512
"""Tokens of the prompt that one id of the Mooncake trace stands for."""


@dataclass(frozen=True)
class Request:
    """One request of a trace, ready to be recorded."""

    tenant: str
    provider: str
    model: str
    agent: str
    user: str
    occurred_at: datetime
    tokens: dict[str, int]


def read_requests() -> Iterator[Request]:
    """Yield all 40,216 requests: the coding assistant's, the chat service's, Mooncake's."""
    yield from _acme()
    yield from _globex()
    yield from _initech()


def _acme() -> Iterator[Request]:
    for row, (occurred_at, context, generated) in enumerate(_azure("azure_llm_2023_code.csv.gz")):
        yield Request(
            tenant="acme",
            provider="openai",
            model="gpt-5" if row % 4 == 0 else "gpt-5-mini",
            agent=f"coder-{row % 5}",
            user=f"dev-{row % 40}",
            occurred_at=occurred_at,
            tokens={"input_uncached": context, "output_text": generated},
        )


def _globex() -> Iterator[Request]:
    for row, (occurred_at, context, generated) in enumerate(_azure("azure_llm_2023_conv.csv.gz")):
        yield Request(
            tenant="globex",
            provider="anthropic",
            model="claude-sonnet-4-6",
            agent=f"support-{row % 3}",
            user=f"rep-{row % 200}",
            occurred_at=occurred_at,
            tokens={"input_uncached": context, "output_text": generated},
        )


def _initech() -> Iterator[Request]:
    seen: set[int] = set()
    with gzip.open(TRACES / "mooncake_conversation.jsonl.gz", "rt", encoding="utf-8") as lines:
        for row, line in enumerate(lines):
            entry = json.loads(line)
            cached = _cached_tokens(entry["hash_ids"], seen, entry["input_length"])
            seen.update(entry["hash_ids"])
            yield Request(
                tenant="initech",
                provider="gcp.gemini",
                model="gemini-3.1-pro",
                agent=f"research-{row % 2}",
                user=f"analyst-{row % 25}",
                occurred_at=MOONCAKE_START + timedelta(milliseconds=entry["timestamp"]),
                tokens={
                    "input_uncached": entry["input_length"] - cached,
                    "input_cache_read": cached,
                    "output_text": entry["output_length"],
                },
            )


def _cached_tokens(blocks: list[int], seen: set[int], prompt: int) -> int:
    """Return the tokens of the leading blocks that earlier requests had: a prefix cache's hits."""
    leading = 0
    for block in blocks:
        if block not in seen:
            break
        leading += 1
    return min(leading * BLOCK_TOKENS, prompt)


def _azure(name: str) -> Iterator[tuple[datetime, int, int]]:
    with gzip.open(TRACES / name, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            # Seven decimals in the file; microseconds are kept, finer is cut off.
            occurred_at = datetime.fromisoformat(row["TIMESTAMP"][:26]).replace(tzinfo=UTC)
            yield occurred_at, int(row["ContextTokens"]), int(row["GeneratedTokens"])
