"""The harness's own account of what it sent, and what the sums have to be."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

MARKER_KIND = "input_uncached"
"""Every event has tokens of this kind: its `events` are the number of events."""

Identity = tuple[str, str]
"""(tenant, id of the first event)."""
Cell = tuple[str, str, str, str, str]
"""(tenant, agent, model, kind, usage day)."""
Role = Literal["event", "version", "conflict", "invalid"]


@dataclass(frozen=True)
class Item:
    """One event on its way. A `version` is a correction or a later revision of its target.

    `is_repeat`: it is sent once more on top, and dropped when that fails.
    """

    body: dict[str, Any]
    role: Role = "event"
    is_repeat: bool = False

    @property
    def identity(self) -> Identity:
        """The first event that it is, or is about."""
        return self.body["tenant"], self.body.get("corrects") or self.body["event_id"]


@dataclass(frozen=True)
class Sums:
    events: int = 0
    quantity: Decimal = Decimal(0)

    def plus(self, events: int, quantity: Decimal) -> "Sums":
        return Sums(self.events + events, self.quantity + quantity)


@dataclass
class Story:
    """What was sent of one id: its contents by revision, and whether they were acknowledged."""

    acknowledged: bool = False
    versions: dict[int, dict[str, Any]] = field(default_factory=dict)

    @property
    def final(self) -> dict[str, Any] | None:
        """The content that counts; None when it was taken back."""
        content = self.versions[max(self.versions)]
        return None if content.get("action") == "void" else content


class Ledger:
    """Knows of every event: acknowledged, of unknown outcome, refused at the door."""

    def __init__(self) -> None:
        self.stories: dict[Identity, Story] = defaultdict(Story)
        self.conflicts: set[Identity] = set()
        self.surprises: list[str] = []
        """Answers that a correct ingest never gives."""

    def register(self, item: Item) -> None:
        """Note what is about to be sent for the first time."""
        if item.role == "event":
            self.stories[item.identity].versions[item.body.get("revision", 0)] = item.body

    def answered(self, item: Item, result: dict[str, Any]) -> bool:
        """Note the answer to one event; return whether its id is newly acknowledged."""
        accepted = result["status"] == "accepted"
        if accepted != (item.role != "invalid"):
            self.surprises.append(f"{item.role} {item.identity} was answered {result}")
        if not accepted:
            return False
        story = self.stories[item.identity]
        if item.role == "conflict":
            self.conflicts.add(item.identity)
        elif item.role == "version":
            story.versions[item.body["revision"]] = item.body
        elif not story.acknowledged:
            story.acknowledged = True
            return True
        return False

    def acknowledged(self) -> set[Identity]:
        """Return the ids that have to be counted."""
        return {identity for identity, story in self.stories.items() if story.acknowledged}

    def unknown(self) -> set[Identity]:
        """Return the ids whose requests were never answered: counted or not, both is right."""
        return {i for i, s in self.stories.items() if not s.acknowledged and s.versions}

    def expected(self, counted: Iterable[Identity]) -> dict[Cell, Sums]:
        """Return the sums when exactly these ids are counted, each in its last version."""
        sums: dict[Cell, Sums] = defaultdict(Sums)
        for identity in counted:
            content = self.stories[identity].final
            if content is None:
                continue
            for kind, quantity in {**content["tokens"], **content.get("units", {})}.items():
                cell = (
                    *(identity[0], content["agent"], content["model"]),
                    *(kind, content["occurred_at"][:10]),
                )
                sums[cell] = sums[cell].plus(1, Decimal(quantity))
        return dict(sums)
