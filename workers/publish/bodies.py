"""The body of an event, read back: whoever shows it may rely on the types of what is there."""

import json
import math
import re
from collections.abc import Callable
from typing import Any, NoReturn

from workers.timestamps import EARLIEST_S, LATEST_S

MAX_CHARACTERS = 8 << 20
KINDS = frozenset({"new", "update", "end"})
# Half of a character: JSON can write it, UTF-8 cannot.
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
_NUMBER = (int, float)
MAX_BUDGET = 1e9  # false alerts an hour


def load_body(text: str) -> dict[str, Any]:
    """Return the document; raise ``ValueError`` for one that is none of ours."""
    if len(text) > MAX_CHARACTERS:
        raise ValueError("too long")
    try:
        body = json.loads(text, parse_constant=_refuse, parse_float=_finite)
        if _HALF.search(text):
            json.dumps(body, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("nested too deep") from None
    if not isinstance(body, dict) or not _is_ours(body):
        raise ValueError("not the document of an event")
    return body


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _finite(number: str) -> float:
    if not math.isfinite(value := float(number)):
        raise ValueError(f"{number[:20]} is too large")
    return value


def is_time(value: Any) -> bool:
    """Tell whether this is a number of stream seconds that can be shown as a date."""
    return isinstance(value, _NUMBER) and EARLIEST_S <= value <= LATEST_S


def is_share(value: Any) -> bool:
    """Tell whether this is a share or a probability."""
    return isinstance(value, _NUMBER) and 0 <= value <= 1


def _is_ours(body: dict[str, Any]) -> bool:
    """Tell whether all that is shown has the schema's types and ranges; later versions may add to it."""
    evidence, rule, shares = body.get("evidence"), body.get("rule", {}), body.get("modalities")
    if not (isinstance(evidence, dict) and isinstance(rule, dict) and isinstance(shares, dict)):
        return False
    threshold, budget = rule.get("threshold"), rule.get("max_false_alerts_per_hour")
    return (
        isinstance(body.get("live"), bool)
        and isinstance(body.get("model", ""), str)
        and _are(body.get("description", []), lambda text: isinstance(text, str))
        and _are(body.get("score_track", []), _is_point)
        and _are(evidence.get("top_frames", []), _is_point)
        and _are(evidence.get("timeline", []), _is_point)
        and all(isinstance(evidence.get(key), str | None) for key in ("snapshot", "clip", "explanation"))
        and _are(evidence.get("attention", []), _is_part)
        and _are(evidence.get("words", []), _is_word)
        and (threshold is None or is_share(threshold))
        and (budget is None or (isinstance(budget, _NUMBER) and 0 <= budget <= MAX_BUDGET))
        and all(map(is_share, shares.values()))
    )


def _are(value: Any, fits: Callable[[Any], bool]) -> bool:
    return isinstance(value, list) and all(map(fits, value))


def _is_point(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and is_time(value[0]) and is_share(value[1])


def _is_part(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and is_share(value[1])


def _is_word(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("text"), str):
        return False
    return is_time(value.get("start")) and is_time(value.get("end")) and is_share(value.get("confidence"))
