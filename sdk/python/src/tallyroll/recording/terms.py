"""What an answer says of its identity and of its price, wherever its provider puts that.

Sources: the response types of openai 3.57, anthropic 2.12, google-genai 3.6, botocore 1.44,
mistralai 3.7, cohere 7.3 and xai-sdk 1.21.
"""

from collections.abc import Sequence
from functools import lru_cache

from tallyroll.usage.surface import Json, at

Path = tuple[str, ...]

_IDS: tuple[Path, ...] = (
    ("id",),
    ("response", "id"),
    ("message", "id"),
    ("response_id",),
    ("responseId",),
    ("generation_id",),
    ("ResponseMetadata", "RequestId"),
)
_TERMS: dict[str, tuple[Path, ...]] = {
    "service_tier": (
        ("service_tier",),
        ("usage", "service_tier"),
        ("response", "service_tier"),
        ("message", "usage", "service_tier"),
        ("serviceTier", "type"),
        ("metadata", "serviceTier", "type"),
        ("usageMetadata", "trafficType"),
        ("usage_metadata", "traffic_type"),
    ),
    "speed": (
        ("usage", "speed"),
        ("message", "usage", "speed"),
        ("performanceConfig", "latency"),
        ("metadata", "performanceConfig", "latency"),
    ),
    "region": (("usage", "inference_geo"), ("message", "usage", "inference_geo")),
}
_STATUS_OF = {"failed": "failed", "cancelled": "aborted"}


def response_id_of(parts: Sequence[Json]) -> str | None:
    """Return the id that the provider gave the response: the first that any part names."""
    for part in parts:
        for path in _IDS:
            if path[0] in part and (found := _text(part, path)) is not None:
                return found
    return None


_KINDS_KEPT_MAX = 256


def terms_of(parts: Sequence[Json]) -> dict[str, str]:
    """Return `service_tier`, `speed` and `region` as the response has them; the last part wins."""
    found: dict[str, str] = {}
    for part in parts:
        for name, path in _paths_in(tuple(part)):
            if (said := _text(part, path)) is not None:
                found[name] = said
    return found


@lru_cache(maxsize=_KINDS_KEPT_MAX)
def _paths_in(names: tuple[str, ...]) -> tuple[tuple[str, Path], ...]:
    """Return where terms can stand in a part with these names: few kinds of parts come again."""
    return tuple(
        (name, path) for name, paths in _TERMS.items() for path in paths if path[0] in names
    )


def status_of(parts: Sequence[Json]) -> str | None:
    """Return "failed" or "aborted" if the response says that it is."""
    for part in reversed(parts):
        said = _text(part, ("response", "status")) or _text(part, ("status",))
        if said is not None:
            return _STATUS_OF.get(said)
    return None


def _text(part: Json, path: Path) -> str | None:
    found = at(part, *path)
    return str.__str__(found) if isinstance(found, str) and found else None
