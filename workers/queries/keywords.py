"""The content words of a description, which attention can weight one by one."""

import re

MOST = 8
_TOKEN = re.compile(r"[\u4e00-\u9fff]+|[^\W\d_]+(?:['’-][^\W\d_]+)*|\d+")
_CHINESE_JOINTS = re.compile("[的了着在和与是有个一]+")
_FUNCTION_WORDS = """
a about all also an and any are as at be been being by can could do does for from had has have he her his how
i if in into is it its kind me my no not of off on or our out over she so some somebody someone something than
that the their them there these they this those to up us was we were what when where which while who whose why
will with would you your
"""
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())


def content_words(text: str) -> tuple[str, ...]:
    """Return at most ``MOST`` different content words in order; the whole text if it has none.

    English function words are left out; Chinese, written without spaces, is split at its most common particles.
    """
    words: list[str] = []
    for token in _TOKEN.findall(text):
        parts = _CHINESE_JOINTS.split(token) if token[0] >= "\u4e00" else [token]
        words += [p for p in parts if p and p.lower() not in FUNCTION_WORDS]
    return tuple(dict.fromkeys(words))[:MOST] or (text.strip(),)
