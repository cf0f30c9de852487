import pytest

from workers.queries.modality import modality_of, said_content, seen_content

SAID = {
    "someone says that the bus is late": "the bus is late",
    'someone says "open the door"': "open the door",
    "someone talks about the price of bread": "the price of bread",
    "a woman is talking about her garden": "her garden",
    "two men discuss an election": "an election",
    "somebody mentions a lost dog": "a lost dog",
    "someone complains that the soup is cold": "the soup is cold",
    "someone shouts for help": "help",
    "a teacher explains to pupils how rain forms": "rain forms",
    "a chef explains how to bake bread": "bake bread",
    "a mayor urges people to save their water": "save their water",
    "a speech about courage is given": "courage",
    "someone talks about a letter that was delivered": "a letter that was delivered",
    "a news report about an earthquake": "an earthquake",
    "a man reads a sonnet": "a sonnet",
    "someone tells us about the war": "the war",
    "someone asks whether the shop is open": "the shop is open",
    "someone calls for an ambulance": "an ambulance",
    "有人说今天下雨": "今天下雨",
    "有人提到一只狗": "一只狗",
}
SEEN = {
    "a dog": "a dog",
    "there is a padlock": "a padlock",
    "footage of a barber chair": "a barber chair",
    "a view of a valley on screen": "a valley",
    "two bicycles are visible": "two bicycles",
    "a close-up photo of a tick": "a tick",
    "a cat appears in the picture": "a cat",
    "a woman reading a book": "a woman reading a book",
    "a man in a suit talking in a car": "a man in a suit talking in a car",
    "a person speaking into a microphone": "a person speaking into a microphone",
    "a sign that says stop": "a sign that says stop",
    "an instrument used to play music": "an instrument used to play music",
    "an alarm clock": "an alarm clock",
    "a church with a small bell tower": "a church with a small bell tower",
    "an old fire engine": "an old fire engine",
    "the bark of a tree": "the bark of a tree",
    "someone breaks a window": "someone breaks a window",
    "a child splashing in a pool": "a child splashing in a pool",
    "a telling sign": "a telling sign",
    "一只猫": "一只猫",
    "画面中有一只狗": "一只狗",
}
HEARD = (
    "music is playing",
    "someone is singing",
    "a choir sings",
    "the sound of a guitar",
    "a song is heard",
    "someone is talking",
    "thunder is heard",
    "a car horn is honking",
    "a dog barking",
    "the sound of breaking glass",
    "a man shouting",
    "people clapping",
    "听到音乐",
    "玻璃破碎",
    "man hört einen Hund",
    "se oye una sirena",
    "le bruit de la pluie",
    "o som de um trem",
)


@pytest.mark.parametrize("text", SAID)
def test_what_is_said_is_left_without_the_saying(text: str) -> None:
    assert modality_of(text) == "speech"
    assert said_content(text) == SAID[text]


@pytest.mark.parametrize("text", SEEN)
def test_what_is_seen_is_left_without_the_showing(text: str) -> None:
    assert modality_of(text) == "vision"
    assert seen_content(text) == SEEN[text]


@pytest.mark.parametrize("text", HEARD)
def test_what_is_heard_is_a_sound(text: str) -> None:
    assert modality_of(text) == "sound"


@pytest.mark.parametrize("text", ["", " ", "there is", "someone says", "appears", "on screen", "说", "."])
def test_wordings_without_content_stay_as_they_are(text: str) -> None:
    for function in (seen_content, said_content):
        assert function(text) == text or function(text).strip()
    assert modality_of(text) in ("vision", "speech", "sound")


@pytest.mark.parametrize("text", ["any kind of dog", "some sort of dog", "there is a type of dog", "a kind of a dog"])
def test_any_kind_of_a_thing_is_that_thing(text: str) -> None:
    assert seen_content(text) == "a dog"
