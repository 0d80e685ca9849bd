"""The fault plan: which requests go wrong, and how. Seeded, first matching rule wins."""

import random
import re
from dataclasses import dataclass
from typing import Any

from deploy.local.stripe_simulator.errors import StripeError

FAULTS = (
    "fail_before_commit",  # 500, nothing happened, not stored
    "fail_after_start",  # 500, nothing happened, stored under the key and replayed
    "commit_then_500",  # state changed, 500 stored and replayed
    "commit_then_drop",  # state changed, answer stored, connection reset before it leaves
    "drop_before_commit",  # connection reset, nothing happened
    "half_open",  # nothing happened, and no answer ever comes: the client's time limit ends it
    "429",  # rate limit, without Stripe-Should-Retry
    "429_should_retry",  # the same with it
    "lock_timeout",  # 429 as of an object that another request holds, with Stripe-Should-Retry
    "409_in_use",  # as if the idempotency key were being executed
    "latency",  # only slow
    "bad_json",  # state changed, answer stored, but what comes back is no JSON
    "html_502",  # nothing happened; a proxy's page in place of Stripe's error
    "truncated_body",  # state changed, answer stored, connection reset in the middle of it
    "key_pruned",  # the request's idempotency key is forgotten before it is looked up
    "stale_read",  # a read shows objects as they were `seconds` ago, newer ones not at all
    "search_lag",  # the same, by the name that the search's delay has
    "crash_restart",  # this request is executed and every request under way loses its connection
)
LATENCY_MS_MAX = 120_000
SECONDS_MAX = 30 * 86_400
_KNOWN = {
    "match", "nth", "probability", "fault", "latency_ms", "latency_after_ms", "retry_after",
    "seconds", "times",
}  # fmt: skip


@dataclass
class FaultRule:
    """`nth` counts matching requests from 1; `times` bounds how often the rule fires.

    `latency_ms` passes before the request is executed, `latency_after_ms` after its commit.
    `retry_after` is the header of a 429 in seconds; `seconds` is the age of a stale read.
    """

    method: str | None
    path: re.Pattern[str]
    fault: str
    nth: tuple[int, ...]
    probability: float | None
    times: int | None
    latency_ms: int = 0
    latency_after_ms: int = 0
    retry_after: int | None = None
    seconds: int = 60
    seen: int = 0
    fired: int = 0

    def hits(self, method: str, path: str, dice: random.Random) -> bool:
        if self.method not in {None, method} or self.path.fullmatch(path) is None:
            return False
        self.seen += 1
        if self.times is not None and self.fired >= self.times:
            return False
        if self.nth and self.seen not in self.nth:
            return False
        return self.probability is None or dice.random() < self.probability


class FaultPlan:
    def __init__(self) -> None:
        self.rules: list[FaultRule] = []
        self.source: dict[str, Any] = {"seed": 0, "rules": []}
        self.dice = random.Random(0)  # noqa: S311  # reproducible, no secret

    def load(self, plan: Any) -> None:
        """Replace the plan by `{"seed": 7, "rules": [...]}`, or refuse it whole."""
        if not isinstance(plan, dict) or not isinstance(plan.get("rules"), list):
            raise StripeError("A fault plan is an object with a list of rules.", param="rules")
        if set(plan) - {"seed", "rules"}:
            raise StripeError("A fault plan holds seed and rules only.", code="parameter_unknown")
        if type(plan.get("seed", 0)) is not int:
            raise StripeError("A seed is a whole number.", param="seed")
        rules = [_rule(raw, f"rules[{index}]") for index, raw in enumerate(plan["rules"])]
        self.rules, self.source = rules, plan
        self.dice = random.Random(plan.get("seed", 0))  # noqa: S311  # reproducible

    def choose(self, method: str, path: str) -> FaultRule | None:
        for rule in self.rules:
            if rule.hits(method, path, self.dice):
                rule.fired += 1
                return rule
        return None

    def report(self) -> dict[str, Any]:
        counts = [{"seen": rule.seen, "fired": rule.fired} for rule in self.rules]
        return {**self.source, "counts": counts}


def _rule(raw: Any, name: str) -> FaultRule:
    if not isinstance(raw, dict) or set(raw) - _KNOWN:
        raise StripeError(f"A rule holds {', '.join(sorted(_KNOWN))}.", param=name)
    if raw.get("fault") not in FAULTS:
        raise StripeError(f"A fault is one of {', '.join(FAULTS)}.", param=f"{name}[fault]")
    match = _match(raw.get("match") or {}, f"{name}[match]")
    nth = raw.get("nth") or []
    numbers = [nth] if isinstance(nth, int) else nth
    if not _integers(numbers):
        raise StripeError("nth is a whole number, or a list of them.", param=f"{name}[nth]")
    probability = raw.get("probability")
    if not isinstance(probability, int | float | None):
        raise StripeError("A probability is a number from 0 to 1.", param=f"{name}[probability]")
    return FaultRule(
        method=match.get("method"),
        path=_pattern(match.get("path", "/**")),
        fault=raw["fault"],
        nth=tuple(numbers),
        probability=probability,
        times=_whole(raw, "times", name),
        latency_ms=_whole(raw, "latency_ms", name, most=LATENCY_MS_MAX) or 0,
        latency_after_ms=_whole(raw, "latency_after_ms", name, most=LATENCY_MS_MAX) or 0,
        retry_after=_whole(raw, "retry_after", name, most=SECONDS_MAX),
        seconds=_whole(raw, "seconds", name, most=SECONDS_MAX) or 60,
    )


def _whole(raw: dict[str, Any], field: str, name: str, *, most: int = 1 << 31) -> int | None:
    value = raw.get(field)
    if value is None:
        return None
    if type(value) is not int or not 0 <= value <= most:
        raise StripeError(f"{field} is a whole number from 0 to {most}.", param=f"{name}[{field}]")
    return value


def _match(match: Any, name: str) -> dict[str, str]:
    if not isinstance(match, dict) or set(match) - {"method", "path"}:
        raise StripeError("A match holds method and path.", param=name)
    if not all(isinstance(value, str) for value in match.values()):
        raise StripeError("Method and path are strings.", param=name)
    return match


def _integers(values: Any) -> bool:
    return isinstance(values, list) and all(type(one) is int and one >= 0 for one in values)


def _pattern(glob: str) -> re.Pattern[str]:
    """`*` is one segment of the path, `**` any number of them."""
    parts = re.split(r"(\*\*|\*)", glob)
    texts = {"*": "[^/]*", "**": ".*"}
    return re.compile("".join(texts.get(part, re.escape(part)) for part in parts))
