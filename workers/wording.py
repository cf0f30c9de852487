"""What the wording of a description says about it: is it seen, said or heard, and what is left without the frame.

Explicit rules for English and Chinese. Anything they do not know is taken for something to be seen, as it stands.
"""

import re

from alignment.types import Modality

_PERSON = r"(?:some(?:one|body)|any(?:one|body)|people|they|he|she|(?:an?|the|two|some) (?:\w+ ){0,3}?\w+)"

# Verbs of saying that carry their content with them. "a man talking in a car" is a picture: talking needs an "about".
_SAYING = (
    r"(?:sa(?:ys?|id|ying)|t(?:ells?|old|elling)|mention(?:s|ed|ing)?|complain(?:s|ed|ing)?|announc(?:es?|ed|ing)"
    r"|explain(?:s|ed|ing)?|describ(?:es?|ed|ing)|comment(?:s|ed|ing)?|recit(?:es?|ed|ing)|quot(?:es?|ed|ing)"
    r"|declar(?:es?|ed|ing)|claim(?:s|ed|ing)?|apologi[sz](?:es?|ed|ing)|urg(?:es?|ed|ing)|warn(?:s|ed|ing)?"
    r"|promis(?:es?|ed|ing)|suggest(?:s|ed|ing)?|discuss(?:es|ed|ing)?|debat(?:es?|ed|ing)|narrat(?:es?|ed|ing)"
    r"|preach(?:es|ed|ing)?|whisper(?:s|ed|ing)?|shout(?:s|ed|ing)?|yell(?:s|ed|ing)?|ask(?:s|ed|ing)?"
    r"|argu(?:es?|ed|ing)|greet(?:s|ed|ing)?|thank(?:s|ed|ing)?|prais(?:es?|ed|ing)|remark(?:s|ed|ing)?"
    r"|insist(?:s|ed|ing)?|admit(?:s|ted|ting)?|recommend(?:s|ed|ing)?|advis(?:es?|ed|ing)|instruct(?:s|ed|ing)?"
    r"|lament(?:s|ed|ing)?|predict(?:s|ed|ing)?|repl(?:y|ies|ied|ying)|answer(?:s|ed|ing)?|dictat(?:es?|ed|ing)"
    r"|(?:talk|speak|chat|joke|lecture|wonder|report|think)(?:s|ed|ing)? (?:aloud )?(?:about|of|on|that)"
    r"|spoke (?:about|of|on)|call(?:s|ed|ing)? (?:out|for)|giv(?:es?|ing) (?:\w+ )?(?:instructions?|directions|advice|orders))"
)
_READING = (
    r"read(?:s|ing)?(?= .*\b(?:aloud|out loud|verses?|poems?|poetry|sonnets?|rhymes?|psalms?|prayers?|scripture|news)\b)"
)
_ORDERING = rf"(?:(?<=someone )|(?<=somebody )|(?<=customer )|(?<=guest ))(?:orders?|counts?|prays?|swears?)"
_SPEAKING = re.compile(rf"\b(?:{_SAYING}|{_READING}|{_ORDERING})\b", re.I)
_SPOKEN_NOUN = re.compile(
    r"\b(?:speech|lecture|sermon|talk|conversation|discussion|debate|interview|announcement|words?|remarks?|prayer"
    r"|stor(?:y|ies)|report|news|lesson|commentary) (?:about|on|of|over) ",
    re.I,
)
_WRITTEN = re.compile(r"\b(?:sign|poster|label|screen|board|shirt|banner|caption|billboard|text|page)s? (?:that |which )?$", re.I)
_CONNECTOR = re.compile(
    r"^\W*(?:(?:(?:\w+ ){0,3}?to (?=\w+ (?:their|his|her|your|our|the|a)\b))"
    r"|(?:to )?(?:some(?:one|body)|people|everyone|us|them|him|her|you) (?:about|that|to|of)\b"
    r"|how to\b|(?:that|about|on|of|over|for|how|whether|if)\b)\W*",
    re.I,
)
_PASSIVE = re.compile(r"\s+(?:is|are|was|were|being) (?:given|held|made|told|delivered|read|announced|spoken)\W*$", re.I)
_CHINESE_SAID = re.compile(r"(?:说|讲|谈论|谈到|谈|提到|喊|念|朗诵|抱怨|宣布|解释|介绍)(?:到|着|了|出|起|关于|有关)*")

_SOUNDING = (
    r"(?:honk|bark|beep|meow|ring|howl|chirp|buzz|rumbl|roar|scream|whistl|sing|humm?|cry|sobb?|sneez|cough|snor)ing"
    r"|(?:honks|barks|beeps|meows|howls|chirps|rumbles|screams|whistles|sings|hums|cries|coughs|snores)\b"
)
_HEARD = re.compile(
    rf"\b(?:(?:the |a )?(?:sounds?|noise) of|(?:is|are|can be|was|were) (?:heard|audible)|hears?|hearing|{_SOUNDING}"
    r"|(?:music|song|melody|tune|anthem)s? (?:is|are|plays?|playing|starts?|begins?)|(?:background|loud|soft|live) music"
    r"|(?:is|are) (?:speaking|talking)$|(?:voices?|a conversation|music|singing|thunder|applause|laughter|gunshots?)$)",
    re.I,
)
_CHINESE_HEARD = re.compile(r"听到|听见|声音|声响|[\u4e00-\u9fff]声$|唱歌|歌声|音乐")

_TAGS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("singing", re.compile(r"\bs(?:ing(?:s|ing|er)?|ang|ung|ongs?)\b|\bchoirs?\b|\bchorus\b|\bhum(?:s|ming)?\b|唱|歌", re.I)),
    (
        "music",
        re.compile(
            r"\bmusic|\bmelod|\btunes?\b|\bsongs?\b|\borchestra|\bband\b|\bguitar|\bpiano|\bviolin|\bdrum|\btrumpet"
            r"|\bflute|\baccordion|音乐|歌曲|琴",
            re.I,
        ),
    ),
    ("speech", re.compile(r"\b(?:speech|speak(?:s|ing)?|talk(?:s|ing)?|voices?|conversation)\b|说话|讲话|人声", re.I)),
)

_SEEN_BEFORE = re.compile(
    r"^(?:there (?:is|are)|here (?:is|are)|(?:we|you|i|one) (?:can )?see|look(?:ing)? at"
    r"|(?:an? |the |some )?(?:close-?up |wide |aerial )?(?:views?|footage|pictures?|photos?|photographs?|images?|videos?"
    r"|shots?|clips?|close-?ups?|scenes?|recordings?|frames?) (?:of|showing|with)"
    r"|画面[中里上]?(?:有|出现|是)?|视频[中里]?(?:有|出现)?|(?:这里)?有|看到|看见|出现)\s*",
    re.I,
)
_SEEN_AFTER = re.compile(
    r"(?:\s+(?:(?:is|are) (?:visible|seen|shown|present|there|in view|on (?:the )?(?:screen|camera|video))"
    r"|can be seen|appears?|shows? up|comes? into view|on (?:the )?(?:screen|camera|video)"
    r"|in (?:the )?(?:picture|frame|image|video|view|scene|shot))|\s*(?:出现(?:了|在画面[中里上]?)?|在画面[中里上]?))\W*$",
    re.I,
)


def modality_of(text: str) -> Modality:
    """Return what a description is about; "vision" where the wording does not tell."""
    text = text.strip().rstrip(".!")
    spoken = _SPEAKING.search(text)
    if spoken and not _WRITTEN.search(text[: spoken.start()]):
        return "speech"
    if _HEARD.search(text) or _CHINESE_HEARD.search(text):
        return "sound"
    if _SPOKEN_NOUN.search(text) or _CHINESE_SAID.search(text):
        return "speech"
    return "vision"


def seen_content(text: str) -> str:
    """Return a description without "there is", "footage of", "on screen" and their like."""
    bare = text.strip().rstrip(".!。")
    for frame in (_SEEN_BEFORE, _SEEN_AFTER):
        while (shorter := frame.sub("", bare)) != bare and shorter:
            bare = shorter
    return bare or text


def said_content(text: str) -> str:
    """Return what is said: "someone complains that the bus is late" is about "the bus is late"."""
    found = _SPEAKING.search(text) or _SPOKEN_NOUN.search(text) or _CHINESE_SAID.search(text)
    if found is None:
        return text
    rest = _PASSIVE.sub("", text[found.end() :]).strip()
    while (shorter := _CONNECTOR.sub("", rest)) != rest:
        rest = shorter
    return rest.strip(" \t.!?\"'“”‘’「」。") or text


def heard_tags(text: str) -> frozenset[str]:
    """Return the sound tags (of ``SOUND_TAGS``) that a description is about; empty where none covers it."""
    return frozenset(tag for tag, pattern in _TAGS if pattern.search(text))
