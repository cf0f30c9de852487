"""Every piece of a configuration in the documents is valid."""

import re
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from daemon.config.loader import config_of_text
from daemon.config.schema import Config
from tests.support.documents.documents import Block, blocks

# What a piece leaves out.
REST = {
    "events": "events: {cat: {describe: a cat}, visitor: {describe: a person}, help: {describe: someone asks}}",
    "cameras": "cameras: {front_door: {url: rtsp://10.0.0.5/stream1}}",
}
HASH = re.compile('sha256: "[^"]*"')  # of a token; a document shows its beginning


class AnyVariable(dict[str, str]):
    """An environment in which every variable has a value."""

    def __contains__(self, name: object) -> bool:
        return True

    def __getitem__(self, name: str) -> str:
        return f"value-of-{name}".lower()

    def get(self, name: str, default: Any = None) -> Any:
        return self[name]


def settings(block: Block) -> Mapping[str, Any]:
    """Return the settings of a block; nothing of one that is no piece of a configuration."""
    try:
        found = yaml.safe_load(textwrap.dedent(block.text))
    except yaml.YAMLError:
        return {}
    return found if isinstance(found, dict) and found.keys() <= Config.model_fields.keys() else {}


PIECES = [block for block in blocks(("yaml", "text", "")) if settings(block)]


def test_there_are_pieces() -> None:
    assert len(PIECES) > 10


@pytest.mark.parametrize("block", PIECES, ids=lambda b: f"{b.document}:{b.text.splitlines()[0][:40]}")
def test_piece_is_valid(block: Block, tmp_path: Path) -> None:
    text = HASH.sub(f'sha256: "{"0" * 64}"', textwrap.dedent(block.text))
    text += "".join(f"\n{rest}\n" for name, rest in REST.items() if name not in settings(block))
    config_of_text(text, tmp_path / "config.yaml", AnyVariable())
