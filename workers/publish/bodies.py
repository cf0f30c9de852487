"""The body of an event, read back: whoever shows it may rely on the types of what is there."""

import json
import re
from collections.abc import Callable
from typing import Any, NoReturn

MAX_CHARACTERS = 8 << 20
KINDS = frozenset({"new", "update", "end"})
# Half of a character: JSON can write it, UTF-8 cannot.
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
_NUMBER = (int, float)


def load_body(text: str) -> dict[str, Any]:
    """Return the document; raise ``ValueError`` for one that is none of ours."""
    if len(text) > MAX_CHARACTERS:
        raise ValueError("too long")
    try:
        body = json.loads(text, parse_constant=_refuse)
        if _HALF.search(text):
            json.dumps(body, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("nested too deep") from None
    if not isinstance(body, dict) or not _is_ours(body):
        raise ValueError("not the document of an event")
    return body


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _is_ours(body: dict[str, Any]) -> bool:
    """Tell whether what is there has the types of the schema; later versions may add to it."""
    evidence, rule, shares = body.get("evidence", {}), body.get("rule", {}), body.get("modalities", {})
    if not all(isinstance(part, dict) for part in (evidence, rule, shares)):
        return False
    points = (body.get("score_track", []), evidence.get("top_frames", []), evidence.get("timeline", []))
    return (
        all(_are(part, _is_point) for part in points)
        and _are(evidence.get("attention", []), _is_share)
        and _are(evidence.get("words", []), _is_word)
        and _are(body.get("description", []), lambda text: isinstance(text, str))
        and all(x is None or isinstance(x, _NUMBER) for x in rule.values())
        and all(isinstance(x, _NUMBER) for x in shares.values())
    )


def _are(value: Any, fits: Callable[[Any], bool]) -> bool:
    return isinstance(value, list) and all(map(fits, value))


def _is_point(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(x, _NUMBER) for x in value)


def _is_share(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], _NUMBER)


def _is_word(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("text"), str):
        return False
    return all(isinstance(value.get(key), _NUMBER) for key in ("start", "end", "confidence"))
