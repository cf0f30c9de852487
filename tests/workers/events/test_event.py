"""What somebody else wrote into the stream is passed over, and never breaks who reads."""

import json

import pytest
from pydantic import ValidationError

from tests.support.events import make_event
from workers.events.event import Event, Evidence, Word
from workers.publish.redis.fields import entry_fields, read_event

EVENT = make_event(1)
BODY = EVENT.to_json()
FIELDS = {name: str(value) for name, value in entry_fields(EVENT).items()}


def test_our_own_is_read_and_written_again_as_it_was() -> None:
    assert read_event(FIELDS) == EVENT
    later = BODY.replace('"words":[{', '"words":[{"speaker":"?",').removesuffix("}") + ',"later":{"a":[1,null,1e99]}}'
    document = Event.from_json(later).to_document()
    assert (document, list(document)[:3]) == (json.loads(later), ["schema", "type", "id"])
    assert read_event(FIELDS | {"body": later, "start": "1.50", "added": "later"}) == Event.from_json(later)


def test_halves_of_characters_never_keep_an_event_from_being_written() -> None:
    evidence = Evidence(snapshot="/state\udcff/1.jpg", clip=None, top_frames=(), words=())
    assert json.loads(evidence.model_dump_json())["snapshot"] == "/state?/1.jpg"


def test_an_event_cannot_be_changed_nor_made_with_wrong_values() -> None:
    with pytest.raises(ValidationError):
        EVENT.end = 5.0
    for wrong in (float("nan"), 1.5, "0.5"):
        with pytest.raises(ValidationError):
            Word(start=1.0, end=2.0, text="a secret", confidence=wrong)  # type: ignore[arg-type]  # on purpose


def test_what_breaks_the_schema_is_not_repeated_in_the_error() -> None:
    with pytest.raises(ValidationError) as error:
        Event.from_json(BODY.replace('"confidence":0.9', '"confidence":"a secret"'))
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    "body",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"score": NaN}',
        '{"description": ["\\ud800"]}',
        "9" * 5000,
        "{}",
        BODY + " " * (8 << 20),
    ],
)
def test_bodies_that_are_none(body: str) -> None:
    assert read_event(FIELDS | {"body": body}) is None


@pytest.mark.parametrize(
    "change",
    [
        '"evidence": []',
        '"evidence": null',
        '"evidence": {"words": [{"text": "x"}]}',
        '"evidence": {"words": [{"text": "x", "start": 1, "end": 1e17, "confidence": 1}]}',
        '"evidence": {"words": [1]}',
        '"evidence": {"attention": [[1, 1]]}',
        '"evidence": {"attention": [["cat", 1000000000000]]}',
        '"evidence": {"timeline": [[1, "x"]]}',
        '"evidence": {"timeline": [[1e300, 0.5]]}',
        f'"evidence": {{"top_frames": [[1{"0" * 400}, 0.5]]}}',
        '"evidence": {"snapshot": [1]}',
        '"live": null',
        '"live": 1',
        '"score_track": [[1]]',
        '"score_track": [[1, 1.5]]',
        '"score_track": [[1, -1e-9]]',
        '"modalities": {"vision": "much"}',
        '"modalities": {"vision": 1e12}',
        '"modalities": []',
        '"rule": {"threshold": "high"}',
        f'"rule": {{"max_false_alerts_per_hour": 1{"0" * 400}}}',
        '"description": "a cat"',
        '"model": [1]',
        '"later": 1e999',
        '"later": [NaN]',
        '"evidence": {"snapshot": null, "clip": null, "top_frames": [], "words": [], "later": -1e999}',
    ],
)
def test_bodies_in_which_one_thing_is_wrong(change: str) -> None:
    whole = BODY.removesuffix("}")
    # Of keys that stand twice the last one counts.
    assert read_event(FIELDS | {"body": f"{whole}, {change}}}"}) is None
    assert read_event(FIELDS | {"body": f'{whole}, "later": 1e99}}'}) is not None


@pytest.mark.parametrize("name", ["evidence", "modalities", "live"])
def test_a_body_without_what_every_view_needs(name: str) -> None:
    body = {key: value for key, value in EVENT.to_document().items() if key != name}
    assert read_event(FIELDS | {"body": json.dumps(body)}) is None


@pytest.mark.parametrize(
    "change",
    [
        {"type": "newer"},
        {"start": "nan"},
        {"end": "inf"},
        {"start": "1e300", "end": "1e300"},
        {"start": "-1e12"},
        {"score": "-inf"},
        {"score": "1.5"},
        {"revision": "1" * 5000},
        {"id": "another"},
        {"camera": "another"},
    ],
)
def test_fields_that_are_none(change: dict[str, str]) -> None:
    assert read_event(FIELDS | change) is None
