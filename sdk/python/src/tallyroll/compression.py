"""How a body is packed on the wire: zstd where a library for it is installed, else gzip."""

import importlib
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

SMALL_BODY_BYTES = 1_024
"""Below this, packing saves less than it costs."""
ZSTD_LEVEL = GZIP_LEVEL = 1
_GZIP_WINDOW = 31
"""zlib's spelling of "with the header of gzip"."""


class Packing(NamedTuple):
    """A content encoding."""

    name: str
    pack: Callable[[bytes], bytes]
    unpack: Callable[[bytes], bytes]


def _gzip() -> Packing:
    return Packing(
        "gzip",
        lambda body: zlib.compress(body, GZIP_LEVEL, _GZIP_WINDOW),
        lambda body: zlib.decompress(body, _GZIP_WINDOW),
    )


def _zstd() -> Packing | None:
    """Return zstd of Python 3.14, else of `tallyroll[zstd]`, else None."""
    if (native := _imported("compression.zstd")) is not None:
        return Packing("zstd", lambda body: native.compress(body, ZSTD_LEVEL), native.decompress)
    if (cramjam := _imported("cramjam")) is not None:
        return Packing(
            "zstd",
            lambda body: bytes(cramjam.zstd.compress(body, level=ZSTD_LEVEL)),
            lambda body: bytes(cramjam.zstd.decompress(body)),
        )
    return None


def _imported(name: str) -> Any | None:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def packings() -> list[Packing]:
    """Return the content encodings that this process can make, the best first."""
    zstd = _zstd()
    return [zstd, _gzip()] if zstd else [_gzip()]
