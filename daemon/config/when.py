"""What people write in ``when``: a rule over time, parsed into an expression, or refused with what was expected.

Operators are not mixed without brackets, so that nobody needs to know which of them comes first.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from alignment.temporal.expressions import (
    Absent,
    All,
    Count,
    Expression,
    Lasting,
    Ref,
    Then,
    ThenNot,
    While,
    refs,
)
from alignment.temporal.expressions import Any as Either
from daemon.config.units import seconds_of

if TYPE_CHECKING:
    from lark import Lark, Token, UnexpectedInput

MAX_TEXT, MAX_DEPTH, MAX_REFS, MAX_COUNT = 1000, 10, 30, 1000
MAX_S = 7 * 86_400.0  # the event log keeps a week, from which a restart learns what happened before

_END = r"(?![A-Za-z0-9_.-])"  # of a word
_NAME = "[A-Za-z0-9_-]{1,64}"
_KEYWORDS = "then|within|no|for|at|least|count|per|and|or|while"
_UNITS = "ms|seconds?|s|minutes?|min|m|hours?|h|days?|d|weeks?|w"
GRAMMAR = rf"""
start: expression
?expression: unit | sequence | both | either | during
sequence: unit step+
step: "then" after "within" TIME -> then | "then" "no" group "for" TIME -> then_no
both: unit ("and" unit)+
either: unit ("or" unit)+
during: unit "while" unit
?unit: atom | unit "for" "at" "least" TIME -> lasting
     | "count" atom ("at" "least" | ">=") NUMBER "per" TIME -> count
     | "no" group "for" TIME -> absent
?atom: EVENT -> event | "(" expression ")"
?after: group | after "for" "at" "least" TIME -> lasting
group: EVENT | "(" EVENT ("or" EVENT)* ")"
TIME: /\d+(\.\d+)?\s*({_UNITS}){_END}/
NUMBER: /\d+{_END}/
EVENT: /(?!({_KEYWORDS}){_END}){_NAME}(\.{_NAME})?{_END}/
%ignore /\s+/
"""

_OPERATORS = ("then", "and", "or", "while")
_EXPECTED = {
    "EVENT": "an event or CAMERA.EVENT",
    "TIME": "a time like 60s or 5 minutes",
    "NUMBER": "a whole number",
    "WITHIN": "`within` and a time",
    "FOR": "`for` and a time",
    "PER": "`per` and a time",
    "AT": "`at least`",
    "LEAST": "`least`",
    "THEN": "`then`",
    "AND": "`and`",
    "OR": "`or`",
    "WHILE": "`while`",
    "RPAR": "a closing bracket",
}
_WORD = re.compile(r"\s*([A-Za-z0-9_.-]+|\S)")


@dataclass(frozen=True, slots=True)
class When:
    """A rule over time: as it is written, and what it means."""

    text: str
    expression: Expression

    def __str__(self) -> str:
        return self.text


def parse_when(value: object) -> When:
    """Return the rule of a text; raise ``ValueError`` that says what was expected where."""
    if isinstance(value, When):
        return value
    if not isinstance(value, str) or not value.strip():
        raise ValueError('not a rule over time; write one like "person then dog within 60s"')
    text = " ".join(value.split())
    if len(text) > MAX_TEXT or _depth(text) > MAX_DEPTH:
        raise ValueError(f"a rule has at most {MAX_TEXT} characters, and {MAX_DEPTH} brackets in each other")
    from lark.exceptions import UnexpectedInput, VisitError

    try:
        expression: Expression = _parser().parse(text)  # type: ignore[assignment]  # what the transformer makes
    except UnexpectedInput as error:
        raise ValueError(_explained(text, error)) from None
    except VisitError as error:
        raise ValueError(str(error.orig_exc)) from None
    if sum(1 for _ in refs(expression)) > MAX_REFS:
        raise ValueError(f"a rule names at most {MAX_REFS} events")
    return When(text, expression)


def _depth(text: str) -> int:
    depths = [0]
    for sign in text:
        depths.append(depths[-1] + (sign == "(") - (sign == ")"))
    return max(depths)


@cache
def _parser() -> "Lark":
    """Return the parser, which makes expressions as it reads."""
    from lark import Lark, Transformer, v_args

    @v_args(inline=True)
    class Reading(Transformer[Any, Expression]):
        """Makes the expression of each branch."""

        def start(self, expression: Expression) -> Expression:
            """Return the whole expression."""
            return expression

        def event(self, name: "Token") -> Expression:
            """Return a reference to an event."""
            return _ref(name)

        def group(self, *names: "Token") -> Expression:
            """Return one of several events."""
            found = tuple(dict.fromkeys(map(_ref, names)))
            return found[0] if len(found) == 1 else Either(found)

        def then(self, after: Expression, time: "Token") -> Any:
            """Return what makes `A then B within T` of an A."""
            return lambda before: Then(before, after, _seconds(time))

        def then_no(self, group: Expression, time: "Token") -> Any:
            """Return what makes `A then no B for T` of an A."""
            return lambda before: ThenNot(before, _members(group), _seconds(time))

        def sequence(self, first: Expression, *steps: Any) -> Expression:
            """Return steps in their order."""
            for step in steps:
                first = step(first)
            return first

        def both(self, *members: Expression) -> Expression:
            """Return `A and B`."""
            return All(members)

        def either(self, *members: Expression) -> Expression:
            """Return `A or B`."""
            return Either(tuple(dict.fromkeys(members)))

        def during(self, what: Expression, during: Expression) -> Expression:
            """Return `A while B`."""
            return While(what, during)

        def lasting(self, what: Expression, time: "Token") -> Expression:
            """Return `A for at least T`."""
            return Lasting(what, _seconds(time))

        def count(self, what: Expression, number: "Token", time: "Token") -> Expression:
            """Return `count(A) >= N per T`; raise ``ValueError`` for a number out of range."""
            if not 2 <= int(number) <= MAX_COUNT:
                raise ValueError(f"`count` needs a number from 2 to {MAX_COUNT}, not {number}")
            return Count(what, int(number), _seconds(time))

        def absent(self, group: Expression, time: "Token") -> Expression:
            """Return `no A for T`."""
            return Absent(_members(group), _seconds(time))

    return Lark(GRAMMAR, parser="lalr", transformer=Reading())


def _ref(name: str) -> Ref:
    camera, _, event = str(name).rpartition(".")
    return Ref(camera or None, event)


def _members(group: Expression) -> tuple[Ref, ...]:
    return tuple(refs(group))


def _seconds(text: str) -> float:
    seconds = seconds_of(str(text))
    if seconds is None or not 0 < seconds <= MAX_S:
        raise ValueError(f"{text} is not a time that a rule can look at: it must be above 0, and at most 7 days")
    return seconds


def _explained(text: str, error: "UnexpectedInput") -> str:
    """Return what is wrong where, and what was expected."""
    from lark.exceptions import UnexpectedToken

    accepted: set[str] = error.accepts if isinstance(error, UnexpectedToken) else getattr(error, "allowed", set())
    ended = isinstance(error, UnexpectedToken) and error.token.type == "$END"
    at = len(text) if ended else error.pos_in_stream or 0
    before, word = text[:at].rstrip(), _WORD.match(text, at)
    where = f'after "{before}"' if before else "at the beginning"
    if word and word[1] in _OPERATORS and accepted & {"$END", "THEN", "AND", "WHILE"}:
        return f'"{word[1]}" {where} needs brackets: put what belongs together in ( )'
    wanted = " or ".join(words for name, words in _EXPECTED.items() if name in accepted)
    if wanted:
        return f"{where} is expected {wanted}" + (f', not "{word[1]}"' if word else "")
    return f"nothing can follow {before!r}"


WhenText = Annotated[
    When,
    PlainValidator(parse_when),
    PlainSerializer(str, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 1,
            "maxLength": MAX_TEXT,
            "examples": ["person then dog within 60s", "no person for 8h", "count gate.person at least 5 per 1h"],
        }
    ),
]
"""A rule over time, as people write it."""
