"""Text on pictures in any script, with what fonts a machine has.

Pillow brings one font, and it knows ASCII only. What it lacks, such as Chinese, is drawn with the first installed font
that has it (any of ``FALLBACKS``; on Debian, ``apt install fonts-noto-cjk`` or ``fonts-droid-fallback``). Where none
has it, an accented letter loses its accent and all else is an empty box.
"""

from bisect import bisect_right
from functools import lru_cache
from itertools import groupby
from unicodedata import normalize

from PIL import ImageDraw, ImageFont
from PIL.ImageFont import FreeTypeFont

# File names, which Pillow looks for in the folders where Linux, macOS and Windows keep fonts.
FALLBACKS = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansCJKsc-Regular.otf",
    "NotoSansSC-Regular.otf",
    "NotoSansSC-Regular.ttf",
    "SourceHanSansSC-Regular.otf",
    "wqy-microhei.ttc",
    "wqy-zenhei.ttc",
    "PingFang.ttc",
    "Hiragino Sans GB.ttc",
    "msyh.ttc",
    "DroidSansFallbackFull.ttf",
    "DroidSansFallback.ttf",
    "uming.ttc",
    "Arial Unicode.ttf",
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "LiberationSans-Regular.ttf",
    "arial.ttf",
)
NO_CHARACTER = "\uffff"  # by Unicode's definition; a font draws it as what it draws for all it lacks
ELLIPSIS = "..."


def text_width(text: str, size: int) -> float:
    """Return how wide a line is, pixels."""
    return sum(font.getlength(run) for font, run in _runs(text, size))


def draw_text(draw: ImageDraw.ImageDraw, xy: tuple[float, float], text: str, size: int, fill: str) -> None:
    """Draw one line whose baseline begins at ``xy``."""
    x, y = xy
    for font, run in _runs(text, size):
        draw.text((x, y), run, fill=fill, font=font, anchor="ls")
        x += font.getlength(run)


def shortened(text: str, size: int, width: float) -> str:
    """Return text cut to ``width`` pixels, with three dots where something was cut off."""
    if text_width(text, size) <= width:
        return text
    return text[: _fitting(text, size, width - text_width(ELLIPSIS, size))].rstrip() + ELLIPSIS


def wrapped(text: str, size: int, width: float, lines: int) -> list[str]:
    """Return text broken into at most ``lines`` of ``width`` pixels: between words, or wherever there are no spaces."""
    found: list[str] = []
    rest = " ".join(text.split())
    while len(found) < lines - 1 and text_width(rest, size) > width:
        fits = max(1, _fitting(rest, size, width))
        space = rest.rfind(" ", 1, fits + 1)
        at = space if space > 0 and _inside_word(rest, fits) else fits
        found.append(rest[:at].rstrip())
        rest = rest[at:].lstrip()
    return [*found, shortened(rest, size, width)]


def _fitting(text: str, size: int, width: float) -> int:
    """Return how many characters fit into ``width``."""
    return bisect_right(range(1, len(text) + 1), width, key=lambda n: text_width(text[:n], size))


def _inside_word(text: str, at: int) -> bool:
    """Tell whether a break before ``at`` would cut a word of a script that writes spaces."""
    return not any(c.isspace() or "\u2e80" <= c <= "\uffef" for c in text[at - 1 : at + 1])


def _runs(text: str, size: int) -> list[tuple[FreeTypeFont, str]]:
    """Return stretches of text, each with a font that has it, all in one font if any has all of it."""
    plain = "".join(c if c.isprintable() else " " for c in text)
    names = ("", *_installed())
    whole = next((n for n in names if all(_has(n, c) for c in plain)), None)
    if whole is not None:
        return [(_font(whole, size), plain)]
    fonts = [next(((n, c) for n in names if _has(n, c)), ("", normalize("NFKD", c)[0])) for c in plain]
    return [(_font(name, size), "".join(c for _, c in run)) for name, run in groupby(fonts, key=lambda x: x[0])]


@lru_cache(maxsize=16384)
def _has(name: str, character: str) -> bool:
    font = _font(name, 12)
    glyph, missing = font.getmask(character), font.getmask(NO_CHARACTER)
    return (glyph.size, bytes(glyph)) != (missing.size, bytes(missing))


@lru_cache(maxsize=1)
def _installed() -> tuple[str, ...]:
    found = []
    for name in FALLBACKS:
        try:
            ImageFont.truetype(name, 12)
        except OSError:
            continue
        found.append(name)
    return tuple(found)


@lru_cache(maxsize=64)
def _font(name: str, size: int) -> FreeTypeFont:
    """Return an installed font; "" is Pillow's own."""
    font = ImageFont.truetype(name, size) if name else ImageFont.load_default(size)
    assert isinstance(font, FreeTypeFont)  # Pillow is built with FreeType on every platform it has wheels for
    return font
