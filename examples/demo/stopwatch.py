"""How long each part of the demo takes."""

from dataclasses import dataclass, field
from time import monotonic


@dataclass
class Stopwatch:
    """Seconds of each part of the story, in its order."""

    seconds: dict[str, float] = field(default_factory=dict)
    _started: float = field(default_factory=monotonic)
    _last: float = field(default_factory=monotonic)

    def lap(self, name: str) -> None:
        now = monotonic()
        self.seconds[name] = round(now - self._last, 2)
        self._last = now

    def total(self) -> None:
        self.seconds["total"] = round(monotonic() - self._started, 2)
