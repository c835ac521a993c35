"""Words fitted into a width: whole words where they go, an ellipsis where something was cut."""

from dataclasses import dataclass
from unicodedata import normalize

from PIL import ImageFont

ELLIPSIS = "…"
_PLAIN = str.maketrans("‐‑‒–—―‘’“”", "------''\"\"")  # dashes and quotes of other fonts
_UNKNOWN = "\uffff"  # no font has it: drawn as the box that stands for a missing letter

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True)
class Caption:
    """A text to be drawn, and what stands for it where the font lacks its letters."""

    text: str
    instead: str

    def lines(self, font: Font, width: int, most: int) -> list[str]:
        """Return at most `most` lines, none wider than `width` pixels; the last may be cut."""
        words = self._drawable(font).split()
        lines: list[str] = []
        while words and len(lines) < most:
            taken = _that_fit(words, font, width)
            last = len(lines) == most - 1 and taken < len(words)
            whole = " ".join(words if last or not taken else words[:taken])
            lines.append(_cut(whole, font, width) if last or not taken else whole)
            words = words[max(taken, 1) :]
        return lines

    def _drawable(self, font: Font) -> str:
        letters = dict.fromkeys(self.text, "")
        for letter in letters:
            plain = normalize("NFKD", letter.translate(_PLAIN))[:1]
            known = (each for each in (letter, plain) if _has(font, each))
            letters[letter] = " " if letter.isspace() else next(known, "")
        lost = sum(not shown for shown in letters.values())
        if lost * 2 > sum(not letter.isspace() for letter in letters):
            return self.instead
        return "".join(letters[letter] or "?" for letter in self.text)


def _has(font: Font, letter: str) -> bool:
    try:
        return bytes(font.getmask(letter)) != bytes(font.getmask(_UNKNOWN))
    except UnicodeEncodeError:  # the bitmap font of a Pillow without FreeType knows Latin-1 only
        return False


def _that_fit(words: list[str], font: Font, width: int) -> int:
    """Return how many of the first words go on one line."""
    for count in range(1, len(words) + 1):
        if font.getlength(" ".join(words[:count])) > width:
            return count - 1
    return len(words)


def _cut(text: str, font: Font, width: int) -> str:
    if font.getlength(text) <= width:
        return text
    # From a bound on the letters: a text may be a megabyte, a line is not.
    for end in range(min(len(text), width), 0, -1):
        cut = text[:end].rstrip(" ,;:.-") + ELLIPSIS
        if font.getlength(cut) <= width:
            return cut
    return ""
