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
    "429",  # rate limit, without Stripe-Should-Retry
    "429_should_retry",  # the same with it
    "409_in_use",  # as if the idempotency key were being executed
    "latency",  # only slow
)
LATENCY_MS_MAX = 120_000


@dataclass
class FaultRule:
    """`nth` counts matching requests from 1; `times` bounds how often the rule fires."""

    method: str | None
    path: re.Pattern[str]
    fault: str
    nth: tuple[int, ...]
    probability: float | None
    times: int | None
    latency_ms: int
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
    known = {"match", "nth", "probability", "fault", "latency_ms", "times"}
    if not isinstance(raw, dict) or set(raw) - known:
        raise StripeError(f"A rule holds {', '.join(sorted(known))}.", param=name)
    if raw.get("fault") not in FAULTS:
        raise StripeError(f"A fault is one of {', '.join(FAULTS)}.", param=f"{name}[fault]")
    match = _match(raw.get("match") or {}, f"{name}[match]")
    nth = raw.get("nth") or []
    numbers = [nth] if isinstance(nth, int) else nth
    times, latency_ms = raw.get("times"), raw.get("latency_ms") or 0
    counts = [latency_ms] if times is None else [latency_ms, times]
    if not _integers(numbers) or not _integers(counts) or latency_ms > LATENCY_MS_MAX:
        raise StripeError("nth, times and latency_ms are whole numbers.", param=name)
    probability = raw.get("probability")
    if not isinstance(probability, int | float | None):
        raise StripeError("A probability is a number from 0 to 1.", param=f"{name}[probability]")
    return FaultRule(
        method=match.get("method"),
        path=_pattern(match.get("path", "/**")),
        fault=raw["fault"],
        nth=tuple(numbers),
        probability=probability,
        times=times,
        latency_ms=latency_ms,
    )


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
