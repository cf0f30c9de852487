"""Choose one quality of an HLS master playlist (RFC 8216, 4.3.4): the smallest that serves the sampled frames.

FFmpeg would fetch every quality for ever. The lines of the others are removed before FFmpeg sees them.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

# Where a playlist does not tell the size of frames: Apple's authoring specification has 730 kbit/s for 768 x 432.
ENOUGH_BITS = 1_000_000
MOST_TRIED = 4  # variants, one after the other, until one gives frames
_VARIANT, _RENDITION = "#EXT-X-STREAM-INF:", "#EXT-X-MEDIA:"
_ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"]*"|[^",]*)')
_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})", re.IGNORECASE)
_VIDEO = re.compile("avc|hvc|hev|dvh|dva|av01|vp0|vp8|vp9|mp4v", re.IGNORECASE)

Serves = Callable[[int, int], bool]
"""Tells whether frames of this width and height are large enough."""


def any_size(width: int, height: int) -> bool:
    """Return that frames of any size serve."""
    return width > 0 < height


@dataclass(frozen=True, slots=True)
class _Variant:
    """One quality. ``lines``: the numbers of its lines; ``groups``: type and name of its renditions."""

    address: str
    lines: frozenset[int]
    size: tuple[int, int] | None
    bits: int  # per second
    groups: frozenset[tuple[str, str]]
    pictures: bool


def is_master_line(line: bytes) -> bool:
    """Return whether a line, with its end or without, is one that only a master playlist has."""
    return line.startswith((_VARIANT.encode(), _RENDITION.encode()))


class Qualities:
    """The choice for one camera over all its connections: a variant that gave nothing is avoided for a while."""

    def __init__(self, serves: Serves = any_size) -> None:
        self._serves = serves
        self._chosen: str | None = None  # its address, as the playlist has it
        self._avoided: set[str] = set()

    def failed(self) -> bool:
        """Avoid the chosen variant, as nothing came of it; return whether the playlist has another one."""
        chosen, self._chosen = self._chosen, None
        if chosen is None or len(self._avoided) >= MOST_TRIED:
            return False
        self._avoided.add(chosen)
        return True

    def succeeded(self) -> None:
        """Avoid none any more: frames arrive."""
        self._avoided.clear()

    def narrow(self, lines: Sequence[bytes]) -> Iterator[bytes]:
        """Yield the lines of a master playlist, with their ends, that belong to one variant or to all of them."""
        texts = [line.decode("latin-1").rstrip() for line in lines]
        variants = list(_variants(texts))
        left = [v for v in variants if v.address not in self._avoided]
        if not left:
            self._avoided.clear()
        chosen = _best(_with_pictures(left or variants), self._serves)
        self._chosen = chosen.address if chosen and len(variants) > 1 else None
        yield from _narrowed(lines, texts, variants, chosen)


def _with_pictures(variants: Sequence[_Variant]) -> Sequence[_Variant]:
    return [v for v in variants if v.pictures] or variants


def _narrowed(
    lines: Sequence[bytes], texts: Sequence[str], variants: Sequence[_Variant], chosen: _Variant | None
) -> Iterator[bytes]:
    others = frozenset[int]().union(*(v.lines for v in variants if v is not chosen))
    for number, (line, text) in enumerate(zip(lines, texts, strict=True)):
        if number not in others and not (chosen and _is_of_others(text, chosen)):
            yield line


def _variants(texts: Sequence[str]) -> Iterator[_Variant]:
    """Yield each tag with the next address, as FFmpeg does; of several tags before one address the last counts."""
    tags: list[int] = []
    for number, text in enumerate(texts):
        if text.startswith(_VARIANT):
            tags.append(number)
        elif tags and text and not text.startswith("#"):
            yield _variant(texts[tags[-1]], text, frozenset((*tags, number)))
            tags = []


def _variant(tag: str, address: str, lines: frozenset[int]) -> _Variant:
    found = _attributes(tag)
    size = _SIZE.fullmatch(found.get("RESOLUTION", ""))
    bits = found.get("BANDWIDTH", "")
    codecs = found.get("CODECS", "").split(",")
    return _Variant(
        address,
        lines,
        (int(size[1]), int(size[2])) if size else None,
        int(bits) if bits.isascii() and bits.isdigit() and len(bits) < 13 else 0,
        frozenset((kind, found[kind]) for kind in ("AUDIO", "VIDEO") if kind in found),
        size is not None or codecs == [""] or any(_VIDEO.match(codec.strip()) for codec in codecs),
    )


def _best(variants: Sequence[_Variant], serves: Serves) -> _Variant | None:
    """Return the smallest variant that serves, else the largest."""

    def order(variant: _Variant) -> tuple[int, int]:
        return (variant.size[0] * variant.size[1] if variant.size else 0), variant.bits

    sized = [v for v in variants if v.size] or variants
    enough = [v for v in sized if (serves(*v.size) if v.size else v.bits >= ENOUGH_BITS)]
    if enough:
        return min(enough, key=order)
    return max(sized, key=order, default=None)


def _is_of_others(text: str, chosen: _Variant) -> bool:
    """Return whether a line is a rendition of another variant, or one of text (subtitles)."""
    if not text.startswith(_RENDITION):
        return False
    found = _attributes(text)
    return (found.get("TYPE", ""), found.get("GROUP-ID", "")) not in chosen.groups


def _attributes(tag: str) -> dict[str, str]:
    return {name: value.strip().strip('"') for name, value in _ATTRIBUTE.findall(tag.partition(":")[2])}
