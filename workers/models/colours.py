"""The colours that the profile ``colour`` knows: the eleven basic colour terms (Berlin & Kay 1969), by RGB value."""

import re

RGB = tuple[int, int, int]

COLOURS: dict[str, tuple[RGB, ...]] = {
    "red": ((200, 30, 30), (255, 0, 0), (140, 15, 20)),
    "green": ((30, 160, 30), (0, 255, 0), (20, 90, 20)),
    "blue": ((30, 30, 200), (0, 0, 255), (20, 30, 110), (80, 150, 220)),
    "yellow": ((230, 210, 30), (255, 255, 0)),
    "orange": ((240, 130, 20),),
    "purple": ((130, 40, 160), (90, 20, 110)),
    "pink": ((240, 130, 180),),
    "brown": ((120, 75, 40), (80, 50, 25)),
    "grey": ((110, 110, 110), (160, 160, 160), (70, 70, 70)),
    "black": ((0, 0, 0), (25, 25, 25)),
    "white": ((255, 255, 255), (225, 225, 225)),
}
"""The shades of each colour: a pixel has the colour of the nearest shade."""

_SPELLINGS = {"gray": "grey", "violet": "purple"}
_WORD = re.compile(r"[a-z]+")


def named_colours(text: str) -> tuple[str, ...]:
    """Return the colours that a text names, each once, in order: ("red",) for "a red car"."""
    words = (_SPELLINGS.get(word, word) for word in _WORD.findall(text.lower()))
    return tuple(dict.fromkeys(word for word in words if word in COLOURS))
