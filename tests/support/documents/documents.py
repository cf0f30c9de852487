"""Code blocks of the documents, for tests that run them as they are written.

``tests/documents/test_registry.py`` looks for calls of ``documented`` with two literal texts in all tests: a block
that no test asks for must be listed there with a reason.
"""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.programs.forking import commands_folder

ROOT = Path(__file__).resolve().parents[3]
PLACES = ("*.md", "docs/**/*.md", "deploy/**/*.md")
KINDS = ("console", "python", "javascript")
PROMPT = "$ "


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: the document's path below the root, the language after the fence, the text."""

    document: str
    kind: str
    text: str


def blocks(kinds: tuple[str, ...] = KINDS) -> list[Block]:
    """Return the blocks of all documents, of these languages; of all languages if none is named."""
    found = []
    for path in sorted({path for place in PLACES for path in ROOT.glob(place)}):
        name = str(path.relative_to(ROOT))
        text = path.read_text(encoding="utf-8")
        for kind, body in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S):
            if kind in kinds or not kinds:
                found.append(Block(name, kind, body))
    return found


def documented(document: str, start: str, kinds: tuple[str, ...] = KINDS) -> str:
    """Return the text of the one block of a document that begins with ``start``; of commands without the prompts."""
    (block,) = (b for b in blocks(kinds) if b.document == document and b.text.startswith(start))
    return commands(block.text) if block.kind == "console" else block.text


def commands(text: str) -> str:
    """Return the commands of a block of a console as a script; other lines are what they print."""
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith(PROMPT) or (lines and lines[-1].endswith("\\")):
            lines.append(line.removeprefix(PROMPT))
    return "".join(f"{line}\n" for line in lines)


def environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment in which `watchword` and `python` are those of the tests."""
    path = os.pathsep.join([commands_folder().name, str(Path(sys.executable).parent), os.environ["PATH"]])
    return os.environ | {"PATH": path} | dict(changes or {})


def run_commands(
    script: str, folder: Path, env: Mapping[str, str] | None = None, timeout_s: float = 300
) -> subprocess.CompletedProcess[str]:
    """Run a script of commands in a folder; it ends with the first command that fails."""
    return subprocess.run(
        ["sh", "-e", "-c", script],
        cwd=folder,
        env=environment(env),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
