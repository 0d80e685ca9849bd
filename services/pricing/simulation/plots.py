"""Pictures of results as files: specs and PNG."""

import json
from collections.abc import Mapping
from pathlib import Path

from services.pricing.simulation.plot_specs import Spec

VEGA_LITE = "5.20"
SCALE = 2


def write_plots(plots: Mapping[str, Spec], folder: Path) -> list[Path]:
    """Write each plot as `NAME.vl.json` and `NAME.png`; return the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = []
    for name, spec in plots.items():
        picture = folder / f"{name}.png"
        (folder / f"{name}.vl.json").write_text(json.dumps(spec, indent=1) + "\n", encoding="utf-8")
        picture.write_bytes(png_of(spec))
        pictures.append(picture)
    return pictures


def png_of(spec: Spec) -> bytes:
    """Return a plot as a PNG; nothing is loaded from anywhere."""
    import vl_convert  # noqa: PLC0415 - 80 MB that few commands need

    return bytes(vl_convert.vegalite_to_png(spec, vl_version=VEGA_LITE, scale=SCALE))
