"""A reading in English words."""

from collections.abc import Sequence

from workers.queries.objects import ANIMAL, PERSON, Reading
from workers.queries.sought import vehicle_colour

PLURALS = {PERSON: "people", "bus": "buses"}
NUMBERS = ("no", "a", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def in_words(reading: Reading, colours: Sequence[str] | None = None) -> str:
    """Return a reading in English words: "two people", "no person", "a dog and a cat".

    The first object has ``colours``; None: the one that a detector judges.
    """
    if colours is None:
        judged = vehicle_colour(reading)
        colours = (judged,) if judged else ()
    names = [(name, count) for name, count in reading.objects]
    if names and colours:
        names[0] = (" ".join((*colours, names[0][0])), names[0][1])
    return (" or " if reading.either else " and ").join(
        _counted(name, 0 if reading.absent else count) for name, count in names
    )


def _counted(name: str, count: int) -> str:
    if count == 1:
        return f"{'an' if name == ANIMAL or name.startswith('orange') else 'a'} {name}"
    number = NUMBERS[count] if count < len(NUMBERS) else str(count)
    return f"{number} {name}" if count == 0 else f"{number} {PLURALS.get(name, name + 's')}"
