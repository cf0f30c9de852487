"""Expressions as sentences in plain words, in the languages of the page."""

from collections.abc import Sequence
from typing import Literal

from alignment.temporal.expressions import (
    Absent,
    All,
    Any,
    Count,
    Expression,
    Lasting,
    Ref,
    Then,
    ThenNot,
    While,
)

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")

_WORDS: dict[Language, dict[type, str]] = {
    "en": {
        Ref: "{event} on {camera}",
        Then: "{0}, then {1} that begins at most {time} after it has ended",
        ThenNot: "{0}, then no {1} until {time} after it has ended",
        While: "{0}, if during it there is {1}",
        All: "{0} at the same time",
        Lasting: "{0} that lasts at least {time}",
        Count: "{0}, at least {count} times within {time}",
        Absent: "no {0} for {time} or longer, as far as the camera is watched",
    },
    "zh": {
        Ref: "{camera} 的 {event}",
        Then: "{0}，随后最迟在其结束后 {time}内开始 {1}",
        ThenNot: "{0}，随后直到其结束后 {time}都没有 {1}",
        While: "{0}，且期间有 {1}",
        All: "{0} 同时出现",
        Lasting: "持续至少 {time}的 {0}",
        Count: "{time}内至少 {count} 次 {0}",
        Absent: "至少 {time}没有 {0}（只计摄像头有画面的时间）",
    },
}
_AND: dict[Language, str] = {"en": " and ", "zh": " 与 "}
_OR: dict[Language, str] = {"en": " or ", "zh": " 或 "}
_UNITS: dict[Language, tuple[tuple[float, str], ...]] = {
    "en": ((86_400.0, " d"), (3600.0, " h"), (60.0, " min"), (1.0, " s")),
    "zh": ((86_400.0, " 天"), (3600.0, " 小时"), (60.0, " 分钟"), (1.0, " 秒")),
}


def in_words(expression: Expression, language: Language = "en", here: str | None = None) -> str:
    """Return what an expression means, without a full stop; the camera ``here`` is not named."""
    words = _WORDS[language]

    def say(one: Expression) -> str:
        """Return an operand in words."""
        return in_words(one, language, here)

    def inner(one: Expression) -> str:
        """Return an operand in words, in parentheses where it has parts."""
        text = say(one)
        return text if isinstance(one, Ref) else f"({text})"

    def either(members: Sequence[Expression]) -> str:
        """Return alternatives in words."""
        return _OR[language].join(map(inner, members))

    def few(members: Sequence[Ref]) -> str:
        """Return alternatives in words as one operand."""
        return either(members) if len(members) == 1 else f"({either(members)})"

    match expression:
        case Ref(camera, event):
            return event if camera in (None, here) else words[Ref].format(camera=camera, event=event)
        case Then(before, after, seconds):
            first = say(before) if isinstance(before, Then | ThenNot) else inner(before)
            return words[Then].format(first, inner(after), time=duration(seconds, language))
        case ThenNot(before, absent, seconds):
            first = say(before) if isinstance(before, Then | ThenNot) else inner(before)
            return words[ThenNot].format(first, few(absent), time=duration(seconds, language))
        case While(what, during):
            return words[While].format(inner(what), inner(during))
        case All(members):
            return words[All].format(_AND[language].join(map(inner, members)))
        case Any(members):
            return either(members)
        case Lasting(what, seconds):
            return words[Lasting].format(inner(what), time=duration(seconds, language))
        case Count(what, count, seconds):
            return words[Count].format(inner(what), count=count, time=duration(seconds, language))
        case Absent(events, seconds):
            return words[Absent].format(few(events), time=duration(seconds, language))


def duration(seconds: float, language: Language) -> str:
    """Return a duration in its largest unit that is whole: ``90 s``, ``5 min``."""
    size, unit = next((u for u in _UNITS[language] if seconds >= u[0] and seconds % u[0] == 0), _UNITS[language][-1])
    return f"{seconds / size:g}{unit}"
