"""Documents point at what exists, and name the commands that exist."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis
from typer.main import get_command

from daemon.cli import app
from workers.publish.embedded import EmbeddedServer

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (path.parent / link).exists()]
    assert missing == []


def test_readme_names_the_commands_that_exist() -> None:
    named = set(re.findall(r"^\| `watchword (\w+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.M))
    commands = get_command(app).commands  # type: ignore[attr-defined]  # a Typer with commands is a group
    assert named == set(commands)


def test_documented_consumer_receives_an_event(tmp_path: Path) -> None:
    (program,) = (
        b.split("```")[0] for b in (ROOT / "docs/events.md").read_text(encoding="utf-8").split("```python\n")[1:]
    )
    body = json.dumps({"camera": "door", "event": "cat", "start_time": "2026-01-01T00:00:00Z", "score": 0.9})
    with EmbeddedServer(tmp_path) as url:
        client = redis.Redis.from_url(url, decode_responses=True)
        command = [sys.executable, "-u", "-c", program.replace("redis://localhost:6379/0", url)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as consumer:
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
