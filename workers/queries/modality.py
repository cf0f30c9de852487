"""Modality of a description from its wording (vision, speech or sound), and its content without introductory words.

Explicit rules for English and Chinese, and the names of sounds in the languages of the lexicon (``sounds``). A
description that no rule matches is visual and is kept unchanged.
"""

import re

from alignment.types import Modality
from workers.queries.sounds import names_a_sound


def _forms(verbs: str) -> str:
    """Return a pattern of all forms of regular verbs."""
    stems = [re.sub(r"e$", "(?:e|(?=i))", re.sub(r"y$", "(?:y|i(?=e))", verb)) for verb in verbs.split()]
    return rf"(?:{'|'.join(stems)})(?:e?s|e?d|ing)?"


# Verbs of saying that are followed by their content, and those that need a preposition: "a man talking in a car" is
# visual, "a man talking about cars" is speech.
_SAYING = _forms(
    "mention complain announce explain describe comment recite quote declare claim apologise apologize urge warn"
    " promise suggest discuss debate narrate preach whisper shout yell ask argue greet thank praise remark insist"
    " recommend advise instruct lament predict reply answer dictate"
)
_TALKING = _forms("talk speak chat joke lecture wonder report think complain")
_WORDS_READ = "aloud|out loud|verses?|poems?|poetry|sonnets?|rhymes?|psalms?|prayers?|scripture|news"
_SPEAKING = re.compile(
    r"(?<!\ba )(?<!\ban )(?<!\bthe )\b(?:sa(?:ys?|id|ying)|t(?:ells?|old|elling)|admit(?:s|ted|ting)?"
    rf"|{_SAYING}|(?:{_TALKING}|spoke) (?:aloud )?(?:about|of|on|that)|call(?:s|ed|ing)? (?:out|for)"
    r"|giv(?:es?|ing) (?:\w+ )?(?:instructions?|directions|advice|orders)"
    rf"|read(?:s|ing)?(?= .*\b(?:{_WORDS_READ})\b)"
    r"|(?<=someone )(?:orders?|counts?|prays?|swears?)|(?<=somebody )(?:orders?|counts?|prays?|swears?))\b",
    re.I,
)
_SPOKEN_NOUN = re.compile(
    r"\b(?:speech|lecture|sermon|talk|conversation|discussion|debate|interview|announcement|words?|remarks?|prayer"
    r"|stor(?:y|ies)|report|news|lesson|commentary|question|advice|complaint|explanation|instructions|directions|jokes?"
    r"|gossip|poem|podcast) (?:about|on|over|for) ",
    re.I,
)
_WRITTEN = re.compile(
    r"\b(?:sign|poster|label|screen|board|shirt|banner|caption|billboard|text|page)s? (?:that |which )?$", re.I
)
_CONNECTOR = re.compile(
    r"^\W*(?:(?:\w+ ){0,3}?to (?=\w+ (?:their|his|her|your|our|the|a)\b)"
    r"|to (?:\w+ ){1,2}?(?=(?:that|about|how|why|what)\b)"
    r"|(?:to )?(?:some(?:one|body)|people|everyone|us|them|him|her|you) (?:about|that|to|of)\b"
    r"|how to\b|(?:that|about|on|of|over|for|how|whether|if)\b)\W*",
    re.I,
)
_PASSIVE = re.compile(
    r"(?<!\bthat)(?<!\bwhich)(?<!\bwho)\s+(?:is|are|was|were|being)"
    r" (?:given|held|made|told|taught|delivered|read|announced|spoken)\W*$",
    re.I,
)
_CHINESE_SAID = re.compile(r"(?:说|讲|谈论|谈到|谈|提到|喊|念|朗诵|抱怨|宣布|解释|介绍)(?:到|着|了|出|起|关于|有关)*")

_MANNER = re.compile(r"\W*(?:\w+ly|out loud|aloud)?\W*")
_SOUNDING = (
    r"(?:honk|bark|beep|meow|ring|howl|chirp|buzz|rumbl|roar|scream|whistl|sing|humm?|cry|sobb?|sneez|cough|snor"
    r"|rattl|rustl|creak|squeal|screech|clang|clatter|crackl|quack|croak)ing"
    r"|(?:honks|barks|beeps|meows|howls|chirps|rumbles|screams|whistles|sings|hums|cries|coughs|snores)\b"
)
_HEARD = re.compile(
    r"\b(?:(?:the |a )?(?:sounds?|noise) of|noises?|(?:is|are|can be|was|were) (?:heard|audible)|hears?|hearing"
    rf"|{_SOUNDING}"
    r"|(?:music|song|melody|tune|anthem)s? (?:is|are|plays?|playing|starts?|begins?)"
    r"|(?:background|loud|soft|live) music|(?:is|are) (?:speaking|talking)$)\b"
    r"|^(?:voices?|a conversation|music|singing|thunder|applause|laughter|gunshots?)$",
    re.I,
)
_CHINESE_HEARD = re.compile(r"听到|听见|声音|声响|[\u4e00-\u9fff]声$|唱歌|歌声|音乐")

_SEEN_BEFORE = re.compile(
    r"^(?:there (?:is|are)|here (?:is|are)|(?:we|you|i|one) (?:can )?see|look(?:ing)? at"
    r"|(?:an? |the |some )?(?:close-?up |wide |aerial )?(?:views?|footage|pictures?|photos?|photographs?|images?"
    r"|videos?|shots?|clips?|close-?ups?|scenes?|recordings?|frames?) (?:of|showing|with)"
    r"|画面[中里上]?(?:有|出现|是)?|视频[中里]?(?:有|出现)?|(?:这里)?有|看到|看见|出现)\s*",
    re.I,
)
_SEEN_AFTER = re.compile(
    r"(?:\s+(?:(?:is|are) (?:visible|seen|shown|present|there|in view|on (?:the )?(?:screen|camera|video))"
    r"|can be seen|appears?|shows? up|comes? into view|on (?:the )?(?:screen|camera|video)"
    r"|in (?:the )?(?:picture|frame|image|video|view|scene|shot))"
    r"|\s*(?:出现(?:了|在画面[中里上]?)?|在画面[中里上]?))\W*$",
    re.I,
)

_ANY_KIND = re.compile(r"^(?:an?|any|some|one) (?:kind|sort|type)s? of (?:an? )?(?=\w)", re.I)  # "any kind of dog"


def modality_of(text: str) -> Modality:
    """Return the modality of a description; "vision" if no rule matches."""
    text = text.strip().rstrip(".!")
    spoken = _SPEAKING.search(text)
    if spoken and not _WRITTEN.search(text[: spoken.start()]):
        voice = _MANNER.fullmatch(text[spoken.end() :]) and names_a_sound(text)  # "a man shouting": nothing to compare
        return "sound" if voice else "speech"
    if _HEARD.search(text) or _CHINESE_HEARD.search(text) or names_a_sound(text):
        return "sound"
    if _SPOKEN_NOUN.search(text) or _CHINESE_SAID.search(text):
        return "speech"
    return "vision"


def seen_content(text: str) -> str:
    """Return a description without phrases like "there is", "footage of" and "on screen"."""
    bare = text.strip().rstrip(".!。")
    for frame in (_SEEN_BEFORE, _SEEN_AFTER):
        while (shorter := frame.sub("", bare)) != bare and shorter:
            bare = shorter
    return _ANY_KIND.sub("a ", bare) or text


def said_content(text: str) -> str:
    """Return the content of speech: "the bus is late" for "someone complains that the bus is late"."""
    found = _SPEAKING.search(text) or _SPOKEN_NOUN.search(text) or _CHINESE_SAID.search(text)
    if found is None:
        return text
    rest = _PASSIVE.sub("", text[found.end() :]).strip()
    while (shorter := _CONNECTOR.sub("", rest)) != rest:
        rest = shorter
    return rest.strip(" \t.!?\"'“”‘’「」。") or text
