from collections import Counter

import numpy as np
import pytest

from alignment.calibration import LITE_CALIBRATION
from alignment.lexicon import sound_classes, sounds
from alignment.types import SOUND_CLASSES
from tests.support.documents import sounds_page
from workers.queries.modality import modality_of
from workers.queries.sounds import heard_sounds, sound_weights

# what people type, in six languages, and the sounds that it names
NAMED = {
    "glass breaking": {"glass breaking"},
    "the sound of a window shattering": {"glass breaking"},
    "a gunshot": {"gunshot"},
    "shots fired": {"gunshot"},
    "a police siren": {"siren"},
    "the smoke alarm goes off": {"smoke alarm"},
    "a car alarm": {"car alarm"},
    "an alarm is ringing": {"alarm"},
    "a dog is barking": {"dog barking"},
    "barking dogs": {"dog barking"},
    "a dog is heard": {"dog barking"},
    "a baby is crying": {"baby crying"},
    "someone is crying": {"crying"},
    "a woman screams": {"screaming"},
    "people shouting": {"shouting"},
    "applause": {"applause"},
    "thunder is heard": {"thunder"},
    "the sound of a car horn": {"car horn"},
    "a car horn is honking": {"car horn"},
    "an engine is revving": {"engine"},
    "footsteps are heard": {"footsteps"},
    "someone knocking on the door": {"knock"},
    "the doorbell rings": {"doorbell"},
    "a phone is ringing": {"phone ringing"},
    "the sound of rain": {"rain"},
    "a cat meowing": {"cat meowing"},
    "birds singing": {"bird song"},
    "the sound of a guitar": {"guitar"},
    "rain and thunder are heard": {"rain", "thunder"},
    "screaming and glass breaking": {"screaming", "glass breaking"},
    "the sound of an accordion": {"accordion"},
    "the clinking of glasses is heard": {"chink, clink", "glass"},
    "the sound of an owl": {"bird song"},
    "leaves rustling": {"rustling leaves"},
    "a door creaking": {"door slam"},
    "the creaking of a floor": {"creak"},
    "a loud noise": {"loud noise"},
    "people arguing loudly": {"shouting"},
    "someone smashing a car window": {"glass breaking"},
    "玻璃破碎的声音": {"glass breaking"},
    "狗叫": {"dog barking"},
    "电话铃声": {"phone ringing"},
    "听到枪声": {"gunshot"},
    "烟雾警报响了": {"smoke alarm"},
    "婴儿在哭": {"baby crying"},
    "Glas zerbricht": {"glass breaking"},
    "ein Hund bellt": {"dog barking"},
    "ein Rauchmelder piept": {"smoke alarm"},
    "man hört Donner": {"thunder"},
    "ein Schuss": {"gunshot"},
    "un perro ladrando": {"dog barking"},
    "se oye un trueno": {"thunder"},
    "el llanto de un bebé": {"baby crying"},
    "un disparo": {"gunshot"},
    "un chien aboie": {"dog barking"},
    "du verre brisé": {"glass breaking"},
    "une alarme incendie": {"smoke alarm"},
    "des applaudissements": {"applause"},
    "um cachorro latindo": {"dog barking"},
    "vidro quebrando": {"glass breaking"},
    "um bebê chorando": {"baby crying"},
    "uma buzina": {"car horn"},
}
# descriptions of what is seen: no word of the lexicon may make sounds of them
SEEN = (
    "a dog", "a car", "a bird", "a train", "an ambulance", "a police car", "fire", "smoke", "a baby",
    "a person with a gun", "a guitar", "a bell tower", "a man playing a piano", "someone rides a motorcycle",
    "rain on a window", "a bus late at night", "a thunder snake on screen", "a heart-shaped box",
    "a small music player", "a man donating blood", "ein Hund", "eine Schüssel", "ein Auto", "un ladrón en el jardín",
    "un perro", "donner à manger au chien", "un chat", "um gato", "um carro", "一只狗", "一辆车", "一个闹钟",
)  # fmt: skip


@pytest.mark.parametrize("text", NAMED)
def test_a_description_names_its_sound_in_six_languages(text: str) -> None:
    assert {s.name for s in heard_sounds(text)} == NAMED[text]
    assert modality_of(text) == "sound"


@pytest.mark.parametrize("text", SEEN)
def test_what_is_seen_is_no_sound(text: str) -> None:
    assert modality_of(text) == "vision"


def test_what_nobody_knows_has_no_sound() -> None:
    assert heard_sounds("the sound of a dragonfruit") == ()
    assert not sound_weights(["the sound of a dragonfruit"]).any()


def test_a_class_at_its_threshold_is_as_probable_as_not() -> None:
    horn = next(s for s in sounds() if s.name == "car horn")
    weights = sound_weights(["a car horn"])
    asked = {sound_classes()[i]: w for i, w in enumerate(weights) if w}
    assert asked.keys() == set(horn.classes)
    p = LITE_CALIBRATION.sound(np.array([horn.threshold * w for w in asked.values()], np.float32))
    np.testing.assert_allclose(p, 0.5, atol=1e-6)


def test_the_lexicon_is_sound() -> None:
    classes = sound_classes()
    assert len(set(classes)) == len(classes) == SOUND_CLASSES
    assert Counter(s.name for s in sounds()).most_common(1)[0][1] == 1
    for sound in sounds():
        assert set(sound.classes) <= set(classes)
        assert 0 < sound.threshold < 1
        assert {"en", "zh", "de", "es", "fr", "pt"} <= {*sound.words, *sound.things}


def test_the_page_of_sounds_is_that_of_the_lexicon() -> None:
    assert sounds_page.PAGE.read_text("utf-8") == sounds_page.page(), "python -m tests.support.documents.sounds_page"
