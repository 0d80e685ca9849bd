"""A small PDF: text in Helvetica on A4 pages, and thin rules. Enough for a test invoice.

Letters outside Windows-1252, which the built-in fonts do not have, become question marks.
"""

from collections.abc import Iterator

WIDTH, HEIGHT, MARGIN = 595, 842, 56
_FONTS = {"regular": ("F1", "Helvetica"), "bold": ("F2", "Helvetica-Bold")}
# Widths of the letters from space to tilde in thousandths, from Adobe's metrics of Helvetica.
_WIDTHS = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556,
    556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667,
    611, 778, 722, 278, 500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667,
    667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500,
    222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
]  # fmt: skip
_OTHER_WIDTH = 556
_FIRST = ord(" ")


def text_width(text: str, size: float) -> float:
    """Return the width in points of a text in the regular font."""
    widths = (
        _WIDTHS[ord(one) - _FIRST] if 0 <= ord(one) - _FIRST < len(_WIDTHS) else _OTHER_WIDTH
        for one in text
    )
    return sum(widths) * size / 1000


def wrapped(text: str, size: float, width: float) -> Iterator[str]:
    """Cut a text into lines that fit, at spaces, or within a word that is too long."""
    line = ""
    for word in text.split():
        rest = word
        while text_width(f"{line} {rest}".strip(), size) > width:
            if line:
                yield line
                line = ""
                continue
            fitting = len(rest)
            while fitting > 1 and text_width(rest[:fitting], size) > width:
                fitting -= 1
            if fitting == len(rest):
                break
            yield rest[:fitting]
            rest = rest[fitting:]
        line = f"{line} {rest}".strip()
    yield line


class Document:
    """Pages filled from top to bottom; `y` is how much of the current one is left, in points."""

    def __init__(self) -> None:
        self.pages: list[list[bytes]] = []
        self.y = 0.0
        self.new_page()

    def new_page(self) -> None:
        self.pages.append([])
        self.y = HEIGHT - MARGIN

    def room(self, points: float) -> bool:
        """Go on to the next page if fewer points are left; say whether it did."""
        if self.y - points >= MARGIN:
            return False
        self.new_page()
        return True

    def text(self, x: float, text: str, *, size: float = 9.5, font: str = "regular") -> None:
        letters = text.replace("−", "-").encode("cp1252", "replace")  # noqa: RUF001  # minus sign
        for special in (b"\\", b"(", b")"):
            letters = letters.replace(special, b"\\" + special)
        place = f"BT /{_FONTS[font][0]} {size} Tf {x:.1f} {self.y:.1f} Td (".encode()
        self.pages[-1].append(place + letters + b") Tj ET")

    def right(self, x: float, text: str, *, size: float = 9.5, font: str = "regular") -> None:
        """Write a text that ends at `x`."""
        self.text(x - text_width(text, size), text, size=size, font=font)

    def rule(self) -> None:
        line = f"0.8 G 0.6 w {MARGIN} {self.y:.1f} m {WIDTH - MARGIN} {self.y:.1f} l S"
        self.pages[-1].append(line.encode())

    def down(self, points: float) -> None:
        self.y -= points

    def encoded(self) -> bytes:
        """Return the file: catalog, page tree, fonts, then a page and its content each."""
        first = 3 + len(_FONTS)
        kids = " ".join(f"{first + 2 * at} 0 R" for at in range(len(self.pages)))
        objects = [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            f"<< /Type /Pages /Kids [{kids}] /Count {len(self.pages)} >>".encode(),
        ]
        objects += [
            f"<< /Type /Font /Subtype /Type1 /BaseFont /{name} "
            "/Encoding /WinAnsiEncoding >>".encode()
            for _, name in _FONTS.values()
        ]
        fonts = " ".join(f"/{key} {3 + at} 0 R" for at, (key, _) in enumerate(_FONTS.values()))
        for at, content in enumerate(self.pages):
            page = (
                f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {WIDTH} {HEIGHT}] /Resources "
                f"<< /Font << {fonts} >> >> /Contents {first + 2 * at + 1} 0 R >>"
            )
            objects.append(page.encode())
            stream = b"\n".join(content)
            head = f"<< /Length {len(stream)} >>\nstream\n".encode()
            objects.append(head + stream + b"\nendstream")
        return _file(objects)


def _file(objects: list[bytes]) -> bytes:
    """Number the objects from 1, and add the table of where each begins."""
    body, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        places.append(len(body))
        body += f"{number} 0 obj\n".encode() + content + b"\nendobj\n"
    table = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n"
    table += "".join(f"{place:010d} 00000 n \n" for place in places)
    trailer = f"trailer << /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{len(body)}\n%%EOF\n"
    return body + (table + trailer).encode()
