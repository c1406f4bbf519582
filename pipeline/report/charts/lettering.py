"""Text in pictures, drawn exactly as wide as the layout took it to be, whatever font a reader has.

vl-convert lays a picture out by the widths of Helvetica (Arial and Liberation Sans have the same). Where a reader's
browser has none of them, it takes a wider font, and labels would be cut at the edge or run into each other.
"""

import html
import re
import unicodedata

_TEXT = re.compile(r'<text((?:[^>"]|"[^"]*")*? font-size="([\d.]+)px"(?:[^>"]|"[^"]*")*)>(.*?)</text>', re.DOTALL)
_LINE = re.compile(r"<tspan((?:[^>\"]|\"[^\"]*\")*)>([^<]+)</tspan>")

_BY_WIDTH = {
    191: "'",
    222: "ijl",
    260: "|",
    278: " !,./:;I[\\]ft",
    333: "()-`r",
    334: "{}",
    355: '"',
    389: "*",
    469: "^",
    500: "Jckszvxy",
    549: "÷",
    556: "#$0123456789?L_abdeghnopqu–",
    584: "+<=>~×",
    611: "FTZ",
    667: "&ABEKPSVXY",
    722: "CDHNRUw",
    778: "GOQ",
    833: "Mm",
    889: "%",
    944: "W",
    1000: "—…",
    1015: "@",
}
"""Helvetica's widths, in thousandths of the font size."""
_WIDTHS = {character: width for width, characters in _BY_WIDTH.items() for character in characters}
_OTHER, _WIDE = 560, 750
"""Of what Helvetica does not have, about as vl-convert takes them."""


def width(text: str, size: float) -> float:
    """How wide a text is in Helvetica of a size, in its unit."""
    return sum(map(_width, unicodedata.normalize("NFD", text))) * size / 1000


def _width(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Cf", "Cc", "Mn"):
        return 0
    wide = unicodedata.east_asian_width(character) in "WF"
    return _WIDTHS.get(character, _WIDE if wide else _OTHER)


def fixed(svg: str) -> str:
    """The same picture, each of its texts drawn as wide as it was laid out."""

    def with_length(found: re.Match[str]) -> str:
        attributes, size, inside = found.groups()
        if "<" in inside:  # several lines
            lines = _LINE.sub(lambda line: f"<tspan{line[1]}{_fit(line[2], float(size))}>{line[2]}</tspan>", inside)
            return f"<text{attributes}>{lines}</text>"
        return f"<text{attributes}{_fit(inside, float(size))}>{inside}</text>"

    return _TEXT.sub(with_length, svg)


def _fit(text: str, size: float) -> str:
    length = width(html.unescape(text), size)
    return f' textLength="{length:.1f}" lengthAdjust="spacingAndGlyphs"' if length else ""
