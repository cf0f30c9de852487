"""Documents name links, paths, commands, settings and fields that exist, and all settings and fields there are."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import pytest
import redis
import yaml
from typer.main import get_command

from daemon.cli import COMMANDS
from daemon.config.base import Section
from daemon.config.loader import load_config
from daemon.config.schema import Config
from daemon.http.limits import LIMITS
from tests.support.documents.documents import documented
from workers.events.schema import event_schema
from workers.publish.embedded.server import EmbeddedServer

ROOT = Path(__file__).resolve().parents[1]
PLACES = ["*.md", "docs/**/*.md", "deploy/**/*.md", "daemon/sample/*.md", "alignment/checkpoints/*.md"]
DOCUMENTS = sorted({path for pattern in PLACES for path in ROOT.glob(pattern)})
PACKAGES = ("alignment", "workers", "daemon")
FOLDERS = rf"(?:{'|'.join(PACKAGES)}|deploy|docs|tests)"
every_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))


@every_document
def test_links_lead_somewhere(path: Path) -> None:
    wrong = []
    for link in re.findall(r"\]\(([^) ]+)\)", _text(path)):
        target, _, anchor = link.partition("#")
        file = path.parent / target if target else path
        if "://" not in link and not (file.exists() and (not anchor or anchor in _anchors(file))):
            wrong.append(link)
    assert wrong == []


@every_document
def test_named_paths_and_modules_exist(path: Path) -> None:
    text = _text(path)
    paths = set(re.findall(rf"(?<![\w/.]){FOLDERS}/[\w./*-]*[\w*]", text))
    missing = [name for name in paths if not any(ROOT.glob(name))]
    tests = set(re.findall(r"`(test_\w+\.py)`", text))
    missing += [name for name in tests if not any((ROOT / "tests").rglob(name))]
    modules = set(re.findall(rf"python -m ({FOLDERS}[\w.]*\w)", text))
    missing += [name for name in modules if importlib.util.find_spec(name) is None]
    assert missing == []


@every_document
def test_named_commands_and_options_exist(path: Path) -> None:
    wrong = []
    for line in _code(_text(path)):
        for called in re.findall(r"\bwatchword ((?!-)[a-z]\w*[^#`|]*)", line):
            wrong += _unknown(called.split())
    assert wrong == []


@every_document
def test_named_make_targets_exist(path: Path) -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    named = {name for line in _code(_text(path)) for name in re.findall(r"^(?:\$ )?make ([a-z][\w-]*)", line)}
    assert named <= targets


def test_readme_names_all_commands() -> None:
    named = set(re.findall(r"^\| `watchword (\w+)", _text(ROOT / "README.md"), re.M))
    assert named == COMMANDS.keys()


def test_architecture_page_names_every_folder_of_the_product() -> None:
    text = _text(ROOT / "docs/architecture.md")
    folders = {file.parent.relative_to(ROOT) for package in PACKAGES for file in (ROOT / package).rglob("*.py")}
    assert [str(folder) for folder in sorted(folders) if len(folder.parts) > 1 and f"`{folder}`" not in text] == []


def test_configuration_page_has_exactly_the_keys_of_the_configuration() -> None:
    documented: set[str] = set()
    prefixes = {"Cameras": "cameras.NAME.", "Events": "events.NAME."}
    for part in _text(ROOT / "docs/configuration.md").split("\n## ")[2:]:  # after the forms of values
        prefix = prefixes.get(part.partition("\n")[0], "")
        for cell in re.findall(r"^\|([^|]*)\|", part, re.M):
            documented |= {prefix + key for key in re.findall(r"`([^`]+)`", cell)}
    assert documented == set(_keys(Config))


def test_configuration_of_the_readme_is_valid(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", _text(ROOT / "README.md"), re.S)
    file = tmp_path / "config.yaml"
    file.write_text(text, encoding="utf-8")
    config = load_config(file, {"WATCHWORD_DOOR_PASSWORD": "secret"})
    assert list(config.cameras) == list(yaml.safe_load(text)["cameras"])


def test_operations_page_has_the_limits_of_every_class_of_route() -> None:
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\| (\d+) \| (\d+) \| (\d+) \|$", _text(ROOT / "docs/operations.md"), re.M)
    told = {name: (int(burst), float(per_s), int(most)) for name, burst, per_s, most in rows}
    assert told == {kind.value: (limit.burst, limit.per_s, limit.most_open) for kind, limit in LIMITS.items()}


def test_events_page_has_exactly_the_fields_of_an_event() -> None:
    _, _, part = _text(ROOT / "docs/events.md").partition("## Fields\n")
    cells = re.findall(r"^\|([^|]*)\|", part.partition("\n## ")[0], re.M)
    assert {name for cell in cells for name in re.findall(r"`(\w+)`", cell)} == event_schema()["properties"].keys()


def test_sections_with_figures_of_accuracy_say_what_is_the_same_as_in_the_tuning() -> None:
    """A figure on pictures that a threshold was chosen on must not pass for one on a new camera."""
    sections = re.split(r"^## ", _text(ROOT / "docs" / "figures.md"), flags=re.MULTILINE)[1:]
    measured = [s for s in sections if re.search(r"\b(F1|AP|mAP|[Rr]ecall|tIoU)\b", s)]
    silent = [s.splitlines()[0] for s in measured if not s.splitlines()[2].startswith("*Same as in the tuning:*")]
    assert measured
    assert silent == []


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _anchors(path: Path) -> set[str]:
    """Return the anchors that a code host gives to the headings of a document."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", _text(path), flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _code(text: str) -> list[str]:
    """Return the lines of all code blocks, and all code inside of sentences."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S)
    return [line for block in blocks for line in block.splitlines()] + re.findall(r"`([^`\n]+)`", text)


def _unknown(words: list[str]) -> list[str]:
    """Return the commands or options of a command line (what follows `watchword`) that do not exist."""
    name, *words = words
    if name not in COMMANDS:
        return [name]
    command: Any = get_command(import_module(f"daemon.commands.{COMMANDS[name][0]}").app)
    if commands := getattr(command, "commands", {}):
        names = words.pop(0).replace("\\", "").split("|") if words else []
        if not set(names) <= commands.keys():
            return names
        command = commands[names[0]] if names else command
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    given = {re.sub(r"[^\w-].*", "", word.strip("[]().,;:")) for word in words}
    return sorted(option for option in given - known if re.match(r"-\w|--\w", option))


def _keys(section: type[Section], prefix: str = "") -> Iterator[str]:
    """Yield the keys of a section of the configuration and of all sections in it; NAME stands for a chosen name."""
    for name, field in section.model_fields.items():
        below, chosen = _sections(field.annotation)
        if not prefix or not below or name == "events":
            yield prefix + name
        inner = f"{prefix}{name}." + ("NAME." if chosen else "")
        if inner != "cameras.NAME.events.NAME.":  # the same keys as of events.NAME
            for model in below:
                yield from _keys(model, inner)


def _sections(annotation: Any) -> tuple[set[type[Section]], bool]:
    """Return the sections that an annotation names, and whether they are values of a mapping."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return {annotation}, False
    parts = [_sections(part) for part in get_args(annotation)]
    mapping = getattr(annotation, "__origin__", None) is dict
    found = {model for models, _ in parts for model in models}
    return found, bool(found) and (mapping or any(chosen for _, chosen in parts))


def test_documented_consumer_receives_an_event(tmp_path: Path) -> None:
    program = documented("docs/events.md", "import json")
    body = json.dumps({"camera": "door", "event": "cat", "start_time": "2026-01-01T00:00:00Z", "score": 0.9})
    with EmbeddedServer(tmp_path) as url:
        client = redis.Redis.from_url(url, decode_responses=True)
        environment = os.environ | {"REDIS_URL": url}
        command = [sys.executable, "-u", "-c", program]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as consumer:
            try:
                deadline = time.monotonic() + 60
                while not client.exists("watchword:events") and time.monotonic() < deadline:
                    time.sleep(0.05)  # until the consumer has made its group
                client.xadd("watchword:events", {"type": "new", "body": body})
                assert consumer.stdout is not None
                assert consumer.stdout.readline() == "door cat 2026-01-01T00:00:00Z 0.9\n"
            finally:
                consumer.kill()
        client.close()
