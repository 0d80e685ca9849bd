"""The counts of one line in the making: what is added, and what it is held against."""

from collections.abc import Mapping
from decimal import Decimal

from tallyroll.event import Fault
from tallyroll.usage.fields import Fields, Findings
from tallyroll.usage.lines import UNKNOWN_FIELD, UNRECONCILED, UsageLine


class Tally:
    """One line, built by a provider's rules. `usage` is the provider's object of counts."""

    def __init__(
        self,
        usage: Fields,
        model: str | None,
        *,
        line: int = 0,
        body: Mapping[str, object] | None = None,
    ) -> None:
        self.usage = usage
        self.model = model
        self.tokens: dict[str, int] = {}
        self.units: dict[str, Decimal] = {}
        self.flags: set[str] = set()
        self.body = body or {}
        """The whole response, where there is one."""
        self.further: list[UsageLine] = []
        """Lines of other inferences that the same response reports."""
        self.instead: list[UsageLine] = []
        """Lines that take the place of this one, which is their sum."""
        self._line = line

    @property
    def findings(self) -> Findings:
        """What is wrong so far."""
        return self.usage.findings

    def add(self, token_type: str, count: int) -> None:
        """Count tokens of a type; below 0 is what a part that exceeds its whole leaves."""
        self.tokens[token_type] = self.tokens.get(token_type, 0) + count

    def add_unit(self, name: str, quantity: Decimal | int) -> None:
        """Count another quantity."""
        before = self.units.get(name)  # a sum with 0 would round to the context's digits
        self.units[name] = Decimal(quantity) if before is None else before + quantity

    def check(self, field: str, stated: int | None, counted: int) -> None:
        """Hold a sum that the provider states against what is counted."""
        if stated is not None and stated != counted:
            self.contradict("total_differs", field, f"is {stated}, its parts sum to {counted}")

    def check_total(self, field: str) -> None:
        """Hold the provider's total of all tokens against all that are counted."""
        self.check(field, self.usage.total(field), sum(self.tokens.values()))

    def contradict(self, code: str, field: str, message: str) -> None:
        """Note counts that do not add up."""
        path = f"{self.usage.path}.{field}" if self.usage.path else field
        self.findings.contradictions.append(Fault(code, path, message))

    def is_sound(self) -> bool:
        """Return whether every count could be read, and none is below 0."""
        return not self.findings.unreadable and min(self.tokens.values(), default=0) >= 0

    def lines(self) -> list[UsageLine]:
        """Return the finished line and those beside it."""
        return [*(self.instead or [self.finished()]), *self.further]

    def finished(self) -> UsageLine:
        """Return the line: flagged for what was found, without tokens if it is not sound."""
        findings = self.findings
        unknown = findings.unknown_counts()
        wrong = (*findings.unreadable, *self._exceeded(), *findings.contradictions)
        flags = self.flags | ({UNRECONCILED} if wrong else set())
        return UsageLine(
            model=self.model,
            tokens={name: n for name, n in self.tokens.items() if n} if self.is_sound() else {},
            units={name: _plain(n) for name, n in self.units.items() if n},
            flags=frozenset(flags | ({UNKNOWN_FIELD} if unknown else set())),
            line=self._line,
            faults=(*wrong, *unknown),
        )

    def _exceeded(self) -> list[Fault]:
        message = "would be below 0: what it leaves out exceeds the whole"
        return [
            Fault("part_exceeds_whole", f"tokens.{name}", message)
            for name, count in self.tokens.items()
            if count < 0
        ]


def _plain(quantity: Decimal) -> Decimal:
    """Return the same number in one spelling: 12.0 as 12, so that equal events are the same."""
    text = format(quantity, "f")
    return Decimal(text.rstrip("0").rstrip(".") if "." in text else text)
