"""What a profile makes of a description, said before anything is watched: how it is read, and what will not work."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from alignment.types import Modality
from workers.models.profiles import PROFILES, EncoderProfile
from workers.queries.build import modalities_of
from workers.queries.english import English, english_of
from workers.queries.modality import modality_of, said_content, seen_content
from workers.queries.names import Names, Nearest
from workers.queries.objects import PERSON, Reading, read
from workers.queries.sought import is_unjudged, says_more, sought_objects, unsure_objects, vehicle_colour
from workers.queries.sounds import heard_sounds, known_sounds
from workers.queries.wording import in_words
from workers.types import EventSpec

ACTIONS = "for actions and attributes use `models: {profile: open_clip}`, or a verifier (`verify`)"
# How things are shown or made that a network knows from photographs of the real ones.
DEPICTED = re.compile(r"\b(?:cartoon|drawn|painted|animated|sketched|carved|inflatable|plush|stuffed|toy)\b", re.I)
# How a description says that somebody has a thing, and of how many words its name is at most.
HAS = re.compile(r"\b(?:in|on|with|wearing|holding|carrying|playing)\b", re.I)
NAME_WORDS = 2
SMALL = frozenset({"a ball"})  # kinds of things that are small in most frames
# What is compared is the subject of a sentence, and these are none.
NO_SUBJECT = re.compile(r"\b(?:nothing|nobody|no[ -]one|none|nowhere)\b", re.I)
COUNTED = "persons, vehicles and animals are counted"


@dataclass(frozen=True, slots=True)
class Judgement:
    """How one description of an event is read, and why it will not be found, or not as it is meant; None: it will.

    ``note`` says where it will be found.
    """

    text: str
    read_as: str
    problem: str | None = None
    note: str | None = None

    @property
    def remark(self) -> str | None:
        """The problem, or else the note."""
        return self.problem or self.note


def judge(spec: EventSpec, profile: str, hears: bool = True, nearest: Nearest | None = None) -> tuple[Judgement, ...]:
    """Return a judgement of each description of an event.

    ``profile`` is the encoder's; ``hears``: whether speech and sound events are analysed. ``nearest`` finds the names
    that the encoder knows; it is asked only where no detector is sure, and a frame is described by names alone.
    """
    return tuple(_judge(text, spec, PROFILES.get(profile), hears, nearest) for text in spec.describe)


def query_warnings(
    spec: EventSpec, profile: str, hears: bool = True, nearest: Nearest | None = None
) -> tuple[str, ...]:
    """Return which descriptions of an event cannot be detected as they are meant, or not everywhere, and why."""
    found = [j.remark for j in judge(spec, profile, hears, nearest) if j.remark]
    return tuple(f"event {spec.name!r}: {p}" for p in (*found, *_unread_contrasts(spec, PROFILES.get(profile))))


def _unread_contrasts(spec: EventSpec, profile: EncoderProfile | None) -> Iterator[str]:
    """Yield which contrasts are left out."""
    for text in spec.unlike if profile and profile.detects else ():
        english = english_of(text)
        if english.text is None:
            yield f"`unlike` is without {text!r}, which is not understood; {english.remedy}"


def _judge(
    text: str, spec: EventSpec, profile: EncoderProfile | None, hears: bool, nearest: Nearest | None
) -> Judgement:
    english = english_of(text) if profile and profile.detects else English(text)
    if english.text is None:
        return Judgement(text, "nothing", f"{english.problem}; {english.remedy}")
    judged = _judge_english(english.text, spec, profile, hears, nearest)
    read_as = "" if english.text == text else f"{text!r} is read as {english.text!r}: "
    problem, note = (read_as + said if said else None for said in (judged.problem, judged.note))
    return Judgement(text, judged.read_as, problem, note)


def _judge_english(
    text: str, spec: EventSpec, profile: EncoderProfile | None, hears: bool, nearest: Nearest | None
) -> Judgement:
    """Return the judgement of a description in English, or in words that the lists of other languages explain."""
    meant = modalities_of(text, spec)
    reading = read(text) if profile and profile.detects and meant == ("vision",) else None
    exact = reading is not None and bool(reading.objects) and (not says_more(reading) or bool(vehicle_colour(reading)))
    problem = next(_of_audio(text, spec, meant, hears), None)
    if reading and exact:
        return Judgement(text, in_words(reading), problem)
    if problem is None and profile:
        problem = next(_of_language(text, profile, meant), None)
    if problem or not reading:
        return Judgement(text, _content(text, meant), problem)
    names = nearest(text) if nearest and not is_unjudged(reading) else None
    read_as = _resembled(text, reading, names) if names else _content(text, meant)
    problem = next(_of_look(text, reading, names), None)
    return Judgement(text, read_as, problem, None if problem else _of_size(text, reading, names))


def _of_audio(text: str, spec: EventSpec, meant: Sequence[Modality], hears: bool) -> Iterator[str]:
    """Yield why a description will not be heard, or not looked for."""
    wording, heard = modality_of(text), ", ".join(s.name for s in heard_sounds(text))
    if "vision" not in meant and not hears:
        yield f"speech is not transcribed, and {text!r} will not be detected; set `speech: {{enabled: true}}`"
    elif "sound" in meant and not heard:
        yield f"{text!r} cannot be heard and will not be detected by sound; describe one of: {known_sounds()}"
    elif wording not in meant and wording in ("sound", "speech"):
        what = f"a sound ({heard})" if wording == "sound" else "what is said"
        yield (
            f"{text!r} describes {what}, but `modalities` of event {spec.name!r} do not list {wording}; "
            f"add {wording}, or remove `modalities`"
        )
    elif meant == ("sound",) and (colours := read(text).colours):
        yield (
            f"{text!r} is taken for a sound ({heard}), and '{' '.join(colours)}' is not looked for; "
            f"describe what is seen in another event, or set `modalities: [vision]`"
        )
    elif meant == ("speech",) and (nothing := NO_SUBJECT.search(said_content(text))):
        what = f"what is said is compared by its subject, and {nothing[0].lower()!r} is none"
        yield f"{text!r}: {what}; say what it is about ('the printer is broken' for 'nothing works')"
    elif spec.zones and {*meant} != {"vision"}:
        what = "what is said or heard has no place in the frame, and the event's zone does not restrict it"
        yield f"{text!r}: {what}; describe it in another event, without a zone"


def _of_language(text: str, profile: EncoderProfile, meant: Sequence[Modality]) -> Iterator[str]:
    """Yield that a profile does not read a description."""
    compared = [m for m in meant if m != "sound"]
    if compared and not any(profile.understands(text, m) for m in compared):
        yield f"{profile.name} understands {profile.understands_only} only, not {text!r}; {profile.reads_more}"


def _of_look(text: str, reading: Reading, names: Names | None) -> Iterator[str]:
    """Yield what a description says that a profile of detectors and names of things cannot judge."""
    objects = in_words(reading)
    known = names is None or names.known
    if reading.empty:
        yield f"{text!r}: an empty place cannot be told by its look and is never reported; try 'nobody'"
    elif reading.absent:
        absent = f"; try {objects!r}" if reading.objects else ""
        yield f"{text!r} is a negation of more than a detector can find absent, and is never reported{absent}"
    elif _has_known_thing(text, reading, names):
        return  # the frame must show somebody, and look like the thing
    elif reading.objects and reading.objects[0][0] == PERSON and (reading.rest or reading.colours):
        yield f"{_beyond(text, reading, names)}; try {objects!r}, {_heard(reading)}or {ACTIONS}"
    elif reading.objects and reading.colours:
        what = f"the colour is not judged, and any {reading.objects[0][0]} may be reported"
        yield f"{text!r}: {what}; try {objects!r}, or {ACTIONS}"
    elif _is_unsure(reading, names):
        return  # a note says where it is found
    elif not reading.objects and reading.number > 1:
        yield f"{text!r}: things of this kind are not counted, and one may be reported; {COUNTED}"
    elif reading.objects and reading.rest and not known:
        yield f"{_beyond(text, reading, names)}; try {objects!r}, {_heard(reading)}or {ACTIONS}"
    elif names and not known:
        yield (
            f"{text!r} is not known; what looks like its nearest names ({', '.join(names.nearest)}) may be reported; "
            f"use one of these names if it is meant, {_heard(reading)}or {ACTIONS}"
        )
    elif names and (made := DEPICTED.search(text)) and made[0].lower() not in names.nearest[0].split():
        what = f"things are known from photographs, and a {made[0].lower()} one is seldom recognised"
        yield f"{text!r}: {what}; {ACTIONS}"


def _has_known_thing(text: str, reading: Reading, names: Names | None) -> bool:
    """Return whether a description says of persons no more than that they have a thing with a known name."""
    if not reading.objects or reading.objects[0][0] != PERSON or reading.colours or unsure_objects(reading):
        return False
    named = [word for word in reading.rest if not HAS.fullmatch(word)]
    return bool(HAS.search(text)) and len(named) <= NAME_WORDS and names is not None and names.known_beside_person


def _is_unsure(reading: Reading, names: Names | None) -> bool:
    """Return whether a description depends on things of which detectors are rarely sure, and no name of it is known."""
    return bool(unsure_objects(reading)) and not (reading.rest and names and names.known)


def _of_size(text: str, reading: Reading, names: Names | None) -> str | None:
    """Return that a thing is found only where it is near."""
    if _is_unsure(reading, names):
        thing = unsure_objects(reading)[0]
        return f"{text!r}: a {thing} is found only where it is large in the frame; a camera that is nearer finds more"
    if names and not SMALL.isdisjoint(names.kinds):
        return f"{text!r}: in play it is small, and is found only where it is large in the frame"
    return None


def _beyond(text: str, reading: Reading, names: Names | None) -> str:
    near = f" (nearest names: {', '.join(names.nearest)})" if names else ""
    return (
        f"{text!r} is read as {in_words(reading)!r}; {_quoted(reading)} cannot be judged{near}, "
        "and it will seldom be reported"
    )


def _heard(reading: Reading) -> str:
    """Return the sound that the unknown words of a description make, as a remedy."""
    sounds = heard_sounds(" ".join(reading.rest))
    return f"listen for it (`modalities: [sound]`: {', '.join(s.name for s in sounds)}), " if sounds else ""


def _resembled(text: str, reading: Reading, names: Names) -> str:
    """Return what a frame must look like for a description, in the names that the encoder knows."""
    if names.nearest[0] in text:
        return names.nearest[0]
    nearest = ", ".join(names.nearest)
    if reading.objects and sought_objects(text) is not None:  # a detector has to agree
        return f"{in_words(reading)}, and the frame looks like {nearest}"
    return f"like {nearest}" if names.known else f"unknown here, nearest {nearest}"


def _quoted(reading: Reading) -> str:
    return repr(" ".join((*reading.colours, *reading.rest)))


def _content(text: str, meant: tuple[str, ...]) -> str:
    if meant == ("sound",):
        return ", ".join(s.name for s in heard_sounds(text)) or text
    return said_content(text) if meant == ("speech",) else seen_content(text) if meant == ("vision",) else text
