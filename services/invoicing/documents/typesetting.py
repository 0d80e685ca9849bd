"""Sets the pages of a statement: typst, a fixed template, fonts for every common script."""

import json
import warnings
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import typst
from babel import Locale

from services.invoicing.documents.layout import lay_out
from services.invoicing.documents.locales import Speech
from services.invoicing.documents.statement import UsageStatement

TEMPLATE = Path(__file__).with_name("statement.typ")
FONT_PACKAGES = (
    *("fontpkg_inter", "fontpkg_noto_sans_arabic", "fontpkg_heebo"),
    "noto_cjk_sans_otc",
)
"""Latin, Greek and Cyrillic; Arabic; Hebrew; Chinese, Japanese and Korean."""


@cache
def _fonts() -> typst.Fonts:
    """Return our fonts, then those of the machine for whatever script they lack."""
    folders = [str(files(name)) for name in FONT_PACKAGES]
    return typst.Fonts(include_system_fonts=True, font_paths=folders)


def typeset(statement: UsageStatement, locale: Locale) -> bytes:
    """Return the statement as PDF. The same statement gives the same bytes.

    Names are data to the template, never markup. May take a second: call it in a thread.
    """
    content = lay_out(statement, Speech(locale, statement.currency))
    return set_pages(TEMPLATE, content, int(statement.invoice.created_at.timestamp()))


def set_pages(template: Path, content: dict[str, Any], timestamp: int) -> bytes:
    """Return a document as PDF; `content` is what its template takes."""
    compiler = typst.Compiler(
        template, root=template.parent, font_paths=_fonts(), ignore_system_fonts=True
    )
    with warnings.catch_warnings():
        # A name in a script without a font is shown as boxes, not as a failure.
        warnings.simplefilter("ignore", typst.TypstWarning)
        pdf = compiler.compile(
            format="pdf",
            sys_inputs={"content": json.dumps(content, ensure_ascii=False)},
            timestamp=timestamp,
        )
    assert isinstance(pdf, bytes), "one document"
    return pdf
