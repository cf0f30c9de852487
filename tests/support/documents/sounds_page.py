"""Writes docs/sounds.md from the lexicon: ``python -m tests.support.documents.sounds_page``."""

from pathlib import Path

from alignment.lexicon import Sound, sound_classes, sounds

PAGE = Path(__file__).resolve().parents[3] / "docs" / "sounds.md"
LANGUAGES = {"zh": "Chinese", "de": "German", "es": "Spanish", "fr": "French", "pt": "Portuguese"}
HEAD = """# Sounds that can be described

This page is generated from `alignment/lexicon/sounds.json` by `python -m tests.support.documents.sounds_page`.

Sound events are found by YAMNet, which knows {classes} sounds of AudioSet. Descriptions name them by words. The
second column has English words that mean a sound by themselves ("a dog is barking"); a `…` stands for any
ending. The third column has things that make the sound. They count only in a description about hearing: "a dog
is heard", "the sound of a dog". The last column is the probability of the sound, given by the network, from
which an event is as probable as not. Further classes are reached by their AudioSet name, in English and about
hearing: "the sound of an accordion".

If a description names several sounds, each of them alone is enough. If it names a sound and more ("a man coughs
in a red car"), only the sound counts. What the network confuses: coins, a xylophone and falling things with
breaking glass, a harmonica and a violin with a car horn, chickens and owls with a dog, few clapping hands with
fireworks, falling things with a gunshot ([figures](figures.md#sound-events)). Each 0.48 s takes the maximum of
two windows of 0.975 s, so events begin about 0.6 s early and two sounds nearer than a second are one event.

| sound | words | things | threshold |
|---|---|---|---|
"""


def page() -> str:
    """Return the page."""
    rows = [
        f"| {s.name} | {_words(s.words.get('en', ()))} | {_words(s.things.get('en', ()))} | {s.threshold:g} |"
        for s in sounds()
    ]
    others = [f"\n## {name}\n\n{_list(code)}" for code, name in LANGUAGES.items()]
    return HEAD.format(classes=len(sound_classes())) + "\n".join(rows) + "\n" + "\n".join(others) + "\n"


def _words(phrases: tuple[str, ...]) -> str:
    return ", ".join(phrases).replace("*", "…")


def _list(code: str) -> str:
    return "\n".join(f"- {s.name}: {both}" for s in sounds() if (both := _both(s, code)))


def _both(sound: Sound, code: str) -> str:
    """Return the words, and the things in brackets, of one language."""
    words, things = _words(sound.words.get(code, ())), _words(sound.things.get(code, ()))
    return f"{words} ({things})".strip() if things else words


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
