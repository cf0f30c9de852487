"""The second of two requests to the model: an answer, of which each sentence names the moments on which it rests."""

from collections.abc import Mapping
from datetime import tzinfo

from pydantic import Field, JsonValue

from daemon.asking.planning import earlier_data
from daemon.asking.retrieval import Clue
from daemon.asking.times import time_shown
from daemon.asking.types import LONGEST_SENTENCE, MOST_SENTENCES, AskRequest, Form, Sentence
from daemon.vlm.types import Picture, Question

INSTRUCTIONS = """You answer a question about recordings of cameras from numbered moments alone: pictures, and in
`moments` what is known of each: when, where, what was said, which rule reported it, what found it and how probably.
Look at the pictures: what found a moment may be wrong. Answer in the language of the question, in short sentences.
Each sentence states what one or several moments show, and names their numbers. Say when and where. Guess nothing:
leave out what no moment shows. If no moment answers the question, give no sentences.
`counted` says how many events of a rule there were in all. The moments are some of them: do not count moments where
`counted` says it, and otherwise say that there may be more.
`earlier` is the dialogue before: use it only to understand the question."""
MAX_TOKENS = 800


class Claim(Form):
    """One sentence of an answer."""

    text: str = Field(max_length=LONGEST_SENTENCE)
    moments: list[int] = Field(max_length=20, description="Numbers of the moments that show it.")


class Claims(Form):
    """An answer; no sentences: nothing that was found answers the question."""

    sentences: list[Claim] = Field(max_length=MOST_SENTENCES)


def answer_question(
    request: AskRequest,
    cameras: frozenset[str],
    clues: Mapping[int, Clue],
    events_of: Mapping[str, int],
    pictures: Mapping[int, bytes],
) -> Question[Claims]:
    """Return the request for an answer; ``clues`` and ``pictures`` by number, all of ``cameras``."""
    data: dict[str, JsonValue] = {
        "question": request.question,
        "earlier": earlier_data(request.earlier, cameras),
        "counted": dict(events_of),
        "moments": [_described(number, clue, request.zone) for number, clue in clues.items()],
    }
    shown = tuple(Picture(jpeg, f"moment {number}") for number, jpeg in pictures.items())
    return Question(INSTRUCTIONS, data, shown, Claims, MAX_TOKENS)


def supported(claims: Claims, numbers: frozenset[int]) -> tuple[Sentence, ...]:
    """Return the sentences that name a moment which exists."""
    named = (
        (claim.text.strip(), tuple(n for n in dict.fromkeys(claim.moments) if n in numbers))
        for claim in claims.sentences
    )
    return tuple(Sentence(text, moments) for text, moments in named if text and moments)


def _described(number: int, clue: Clue, zone: tzinfo) -> JsonValue:
    moment, event = clue.moment, clue.event
    known: dict[str, JsonValue] = {
        "number": number,
        "camera": moment.camera,
        "file": moment.file,
        "from": time_shown(moment.start, moment.live, zone),
        "to": time_shown(moment.end, moment.live, zone),
        "found_by": clue.found_by,
        "probability": round(moment.score, 2),
        "said": moment.said,
        "caption": moment.caption,
    }
    if event is not None:
        verdict = event.verification
        known |= {
            "caption": event.caption.text if event.caption else moment.caption,
            "verdict": f"{verdict.verdict}: {verdict.why}" if verdict and verdict.why else None,
            "rule": event.event,
            "description": [*event.description],
            "seen": [*dict.fromkeys(one.name for one in event.evidence.objects)],
        }
    return {name: value for name, value in known.items() if value}
