"""The configuration file shared by several editors: versions, conflicts, rights, and crashes in the middle."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from daemon.config import ConfigError, load_config
from daemon.config.editing.edits import Put, Remove
from daemon.config.editing.store import ConfigStore, ConfigurationChanged, ConfigurationReadOnly

TEXT = """\
# Two cameras.
cameras:
  door: {url: "rtsp://viewer:{DOOR_PASSWORD}@10.0.0.5/s"}   # the door
  yard: {url: "rtsp://root:hunter22@10.0.0.6/s"}
http: {token: "{TOKEN}"}
events:
  cat: {describe: "a cat"}
"""
ENV = {"DOOR_PASSWORD": "p@ss", "TOKEN": "planted-token-of-a-test"}
DOG = Put(("events", "dog"), {"describe": "a dog"})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(TEXT, encoding="utf-8")
    return path


@pytest.fixture
def store(path: Path) -> ConfigStore:
    return ConfigStore(path, ENV)


def test_a_change_is_written_and_gives_a_new_version(store: ConfigStore, path: Path) -> None:
    config, version = store.read()
    assert list(config.events) == ["cat"]
    changed = store.change(version, DOG)
    assert changed == store.version != version
    assert path.read_text() == TEXT + '  dog:\n    describe: "a dog"\n'
    assert list(store.read()[0].events) == ["cat", "dog"]
    assert path.with_name("config.yaml.previous").read_text() == TEXT
    assert store.change(changed, Remove(("events", "dog"))) == version


def test_placeholders_stay_as_written_and_no_secret_is_shown(store: ConfigStore, path: Path) -> None:
    data, version = store.written()
    shown = str(data)
    assert "hunter22" not in shown
    assert "planted" not in shown
    assert data["cameras"]["yard"] == {"url": "rtsp://***@10.0.0.6/s"}
    for name, camera in data["cameras"].items():  # as a page sends it back, with one thing changed
        version = store.change(version, Put(("cameras", name), camera | {"fps": 2}))
    text = path.read_text()
    assert 'door: {url: "rtsp://viewer:{DOOR_PASSWORD}@10.0.0.5/s", fps: 2} # the door' in text
    assert 'yard: {url: "rtsp://root:hunter22@10.0.0.6/s", fps: 2}' in text


@pytest.mark.parametrize("url", ["rtsp://***@attacker.example/s", "rtsp://***@10.0.0.5/s"])
def test_a_mask_stands_for_the_secret_of_that_very_place_only(store: ConfigStore, path: Path, url: str) -> None:
    with pytest.raises(ConfigError, match="mask") as caught:
        store.change(store.version, Put(("cameras", "yard", "url"), url))
    assert caught.value.problems[0].key == "cameras.yard.url"
    assert path.read_text() == TEXT


def test_of_two_editors_the_second_learns_of_the_first(store: ConfigStore, path: Path) -> None:
    version = store.version
    first = ConfigStore(path, ENV).change(version, DOG)
    text = path.read_text()
    with pytest.raises(ConfigurationChanged) as caught:
        store.change(version, Remove(("events", "cat")))
    assert caught.value.version == first
    assert path.read_text() == text


def test_of_many_threads_one_wins_each_version(store: ConfigStore) -> None:
    version, won, lost = store.version, [], []

    def change(i: int) -> None:
        try:
            won.append(store.change(version, Put(("events", f"e{i}"), {"describe": "a dog"})))
        except ConfigurationChanged as error:
            lost.append(error.version)

    threads = [threading.Thread(target=change, args=(i,)) for i in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert lost == won * 4


def test_an_editor_outside_is_noticed_at_the_last_moment(
    store: ConfigStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def somebody_saves(file: Path, part: Path) -> None:
        if not part.name.startswith(".config.yaml.previous"):
            path.write_text(TEXT + "  fox: {describe: a fox}\n")

    monkeypatch.setattr("daemon.config.editing.store._copy_rights", somebody_saves)
    with pytest.raises(ConfigurationChanged):
        store.change(store.version, DOG)
    assert "fox" in path.read_text()
    assert not list(path.parent.glob(".*.part"))


def test_an_invalid_change_reports_every_problem_with_its_line_and_writes_nothing(
    store: ConfigStore, path: Path
) -> None:
    bad = {"describe": "a dog", "treshold": 0.5, "max_false_alerts": "often"}
    with pytest.raises(ConfigError) as caught:
        store.change(store.version, [Put(("events", "dog"), bad), Put(("cameras", "door", "events"), ["dgo"])])
    assert sorted((p.line, p.key) for p in caught.value.problems) == [
        (3, "cameras.door.events[0]"),
        (10, "events.dog.treshold"),
        (11, "events.dog.max_false_alerts"),
    ]
    with pytest.raises(ConfigError, match="no input"):
        store.change(store.version, [Remove(("cameras", "door")), Remove(("cameras", "yard"))])
    assert path.read_text() == TEXT
    assert os.listdir(path.parent) == ["config.yaml"]


def test_permissions_and_a_link_stay(path: Path, tmp_path: Path) -> None:
    path.chmod(0o640)
    link = tmp_path / "elsewhere" / "watch.yaml"
    link.parent.mkdir()
    link.symlink_to("../config.yaml")
    store = ConfigStore(link, ENV)
    store.change(store.version, DOG)
    assert link.is_symlink()
    assert "dog" in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o640
    assert path.with_name("config.yaml.previous").stat().st_mode & 0o777 == 0o640


def test_a_byte_order_mark_and_line_breaks_of_windows_stay(store: ConfigStore, path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())
    store.change(store.version, DOG)
    raw = path.read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf# Two")
    assert raw.count(b"\n") == raw.count(b"\r\n") == 9


def test_a_folder_that_cannot_be_written_is_said(
    store: ConfigStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*args: object, **kwargs: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("alignment.file_io.os.open", refused)  # root may write everywhere
    with pytest.raises(ConfigurationReadOnly, match="Read-only file system") as caught:
        store.change(store.version, DOG)
    assert "folder" in str(caught.value)
    assert path.read_text() == TEXT


KILLED = """
import os, signal, sys
from pathlib import Path
import alignment.file_io as file_io
from daemon.config.editing.edits import Put
from daemon.config.editing.store import ConfigStore

path, env = Path(sys.argv[1]), {"DOOR_PASSWORD": "x", "TOKEN": "planted-token-of-a-test"}
old = path.read_bytes()

def change():
    store = ConfigStore(path, env)
    store.change(store.version, Put(("events", "dog"), {"describe": "a dog"}))

def dies_at(step):
    # At its n-th use of the disk the child kills itself, before it; a write is torn in the middle.
    steps = iter(range(step + 1))
    def deadly(function):
        def call(*args, **kwargs):
            if next(steps, None) is None or step == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)
        return call
    for name in ("replace", "fsync", "open", "close"):
        setattr(os, name, deadly(getattr(os, name)))
    write = Path.write_bytes
    def torn(self, data):
        write(self, data[: len(data) // 2])
        deadly(lambda: None)()
        return write(self, data)
    Path.write_bytes = torn

for step in range(60):
    child = os.fork()
    if not child:
        dies_at(step)
        change()
        os._exit(0)
    killed = os.waitpid(child, 0)[1]
    content = path.read_bytes()
    config, _ = ConfigStore(path, env).read()
    print(step, bool(killed), content == old, sorted(config.events))
    if not killed:
        break
    path.write_bytes(old)
"""


@pytest.mark.process
def test_a_kill_at_any_moment_leaves_the_old_file_or_the_new_one(path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, path], capture_output=True, text=True, check=True)
    lines = [line.split(" ", 3) for line in done.stdout.splitlines()]
    assert len(lines) > 10
    assert lines[-1][1:] == ["False", "False", "['cat', 'dog']"]
    for _, _, old, events in lines:
        assert events == ("['cat']" if old == "True" else "['cat', 'dog']")
    assert {old for _, killed, old, _ in lines if killed == "True"} == {"True", "False"}
    assert not list(path.parent.glob(".*.part"))  # the next change cleans up


def test_env_of_the_process_is_the_default(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENV.items():
        monkeypatch.setenv(name, value)
    assert ConfigStore(path).read()[0] == load_config(path)


def test_a_file_that_is_broken_meanwhile_is_reported(store: ConfigStore, path: Path) -> None:
    path.write_text("cameras: [", encoding="utf-8")
    calls: list[Callable[[], object]] = [store.read, store.written, lambda: store.change(store.version, DOG)]
    for call in calls:
        with pytest.raises(ConfigError, match="not YAML"):
            call()
