"""The section `models.verifier` and `verifier` of cameras: what is refused, who has which, and what is never shown."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from daemon.config import Config, ConfigError
from daemon.config.editing.masking import masked
from daemon.config.loader import config_from, config_of_text
from daemon.vlm.disclosure import what_is_sent
from daemon.vlm.errors import VlmBudgetSpent
from daemon.vlm.factory import clients_of
from daemon.vlm.types import Question
from tests.support.serving.vlm_server import vlm_server

SERVER = {"url": "http://127.0.0.1:11434/v1", "model": "tiny"}
KEY = "s3cret-key-of-a-cloud"
BASE: dict[str, Any] = {
    "cameras": {"yard": {"url": "a.mp4"}, "bedroom": {"url": "b.mp4"}},
    "events": {"cat": {"describe": "a cat", "verify": "hold"}, "dog": {"describe": "a dog"}},
}


class Number(BaseModel):
    n: int


QUESTION = Question("", {}, (), Number)


def of(folder: Path, verifier: Any, **cameras: Any) -> Config:
    inputs = {name: {**BASE["cameras"][name], **cameras.get(name, {})} for name in BASE["cameras"]}
    return config_from(BASE | {"cameras": inputs, "models": {"verifier": verifier}}, folder)


@pytest.mark.parametrize(
    ("verifier", "key", "said"),
    [
        ({"url": "127.0.0.1:11434", "model": "x"}, ".url", "write http://127.0.0.1:11434/v1"),
        ({"url": "ftp://h/v1", "model": "x"}, ".url", "not the URL of a server"),
        ({"url": "https://me:pw@h/v1", "model": "x"}, ".url", "write the key under `key`"),
        ({"url": "http://h/v1/chat/completions/", "model": "x"}, ".url", "ends before /chat/completions"),
        ({"url": "http://h:x/v1", "model": "x"}, ".url", "host or port is invalid"),
        ({"url": "http://h/v1"}, ".model", "missing"),
        (SERVER | {"key": "short"}, ".key", "leave it out for a server that wants none"),
        (SERVER | {"key": "with a space in it"}, ".key", "a key has 8 to 1000 letters"),
        (SERVER | {"frames": 9}, ".frames", "less than or equal to 8"),
        (SERVER | {"calls_per_day": 0}, ".calls_per_day", "greater than or equal to 1"),
        (SERVER | {"timout": 3}, ".timout", 'did you mean "timeout"?'),
    ],
)
def test_what_cannot_work_is_refused_and_no_key_is_quoted(tmp_path: Path, verifier: Any, key: str, said: str) -> None:
    for at, build in (("models", lambda: of(tmp_path, verifier)), ("cameras.yard", lambda: _yard(tmp_path, verifier))):
        with pytest.raises(ConfigError) as failure:
            build()
        [problem] = failure.value.problems
        assert problem.key == f"{at}.verifier{key}"
        assert said in f"{problem.message}; {problem.hint}"
        assert "me:pw" not in str(problem)


def _yard(folder: Path, verifier: Any) -> Config:
    return of(folder, SERVER, yard={"verifier": verifier})


@pytest.mark.parametrize("word", ["nobody", True, ["none"]])
def test_a_camera_has_none_or_a_server(tmp_path: Path, word: Any) -> None:
    with pytest.raises(ConfigError, match='write "none", or the url and model of a server'):
        _yard(tmp_path, word)


def test_nothing_is_sent_unless_configured(tmp_path: Path) -> None:
    config = config_from(BASE | {"events": {"cat": {"describe": "a cat"}}}, tmp_path)
    assert list(what_is_sent(config)) == []
    assert clients_of(config).all == ()


def test_cameras_share_a_client_have_their_own_or_none(tmp_path: Path) -> None:
    other = SERVER | {"model": "large", "frames": 2}
    config = of(tmp_path, SERVER, yard={"verifier": other}, bedroom={"verifier": "none"})
    clients = clients_of(config)
    yard = clients.of("yard")
    assert yard is not None
    assert (yard.settings.model, yard.settings.frames) == ("large", 2)
    assert clients.of("bedroom") is None
    assert clients.of("uploads") is clients.default
    assert clients.of("removed") is None  # perhaps it had `verifier: none`
    assert len(clients.all) == len(clients.snapshots()) == 2
    clients.close()
    same = clients_of(of(tmp_path, SERVER, yard={"verifier": SERVER}))
    assert same.of("yard") is same.default
    same.close()


def test_another_configuration_grants_no_further_calls(tmp_path: Path) -> None:
    with vlm_server({"n": 1}) as server:
        for frames in (1, 2):
            settings = {"url": server.url, "model": "tiny", "frames": frames, "calls_per_minute": 1}
            clients = clients_of(of(tmp_path, settings))
            assert clients.default is not None
            if frames == 1:
                clients.default.ask(QUESTION, 5)
            else:
                with pytest.raises(VlmBudgetSpent, match="1 calls a minute"):
                    clients.default.ask(QUESTION, 5)
            clients.close()
        assert len(server.asked) == 1


def test_what_is_sent_names_cameras_and_events(tmp_path: Path) -> None:
    first, second = what_is_sent(of(tmp_path, SERVER, bedroom={"verifier": SERVER | {"key": KEY}}))
    assert (first.cameras, dict(first.verified)) == (("yard",), {"yard": ("cat",)})
    assert (second.cameras, dict(second.verified)) == (("bedroom",), {"bedroom": ("cat",)})
    assert second.document["key"] is True
    assert KEY not in f"{second} {second.document} {second.in_words()}"


def test_the_key_is_a_secret_also_from_the_environment_and_for_editors(tmp_path: Path) -> None:
    text = (
        "cameras: {a: {url: a.mp4, verifier: {url: 'https://h/v1?k={CLOUD_KEY}', model: x, key: '{CLOUD_KEY}'}}}\n"
        "events: {cat: {describe: a cat}}\n"
    )
    config = config_of_text(text, tmp_path / "c.yaml", {"CLOUD_KEY": KEY})
    assert KEY in config.secrets()
    assert KEY not in f"{config!r} {config.model_dump()} {config.model_dump_json()}"
    entry = {"verifier": {"url": f"https://h/v1?k={KEY}", "model": "x", "key": KEY}}
    assert KEY not in str(masked(entry))
