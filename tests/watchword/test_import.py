"""The package loads quickly, names what it offers, and prints nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import watchword
from tests.support.streams.pipelines import write_colours

HEAVY = ["torch", "pydantic", "structlog", "numpy", "av", "redis", "ray"]


def python(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True)


@pytest.mark.process
def test_import_loads_no_library() -> None:
    done = python(f"import sys, json, watchword; print(json.dumps([m for m in {HEAVY} if m in sys.modules]))")
    assert json.loads(done.stdout) == []


def test_everything_it_names_is_there() -> None:
    for name in watchword.__all__:
        assert getattr(watchword, name).__doc__
        assert name in dir(watchword)
    assert issubclass(watchword.errors.SourceNotFound, watchword.WatchwordError)
    with pytest.raises(AttributeError, match="no attribute 'tags'"):
        watchword.__getattr__("tags")


PROGRAM = """
import logging, os, sys, watchword
os.chdir(sys.argv[1])
before = set(os.listdir("."))
events = watchword.tag("short.mkv", ["red", "a horse"], profile="colour")  # a warning: it knows no horses
assert [e.event for e in events] == ["red"], events
assert set(os.listdir(".")) == before
sys.stderr.write("now with logs\\n")
logging.basicConfig()
watchword.tag("short.mkv", ["red", "a horse"], profile="colour")
"""


@pytest.mark.process
def test_a_program_without_logging_prints_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    content = write_colours(tmp_path / "whole.mkv", [("grey", 3), ("red", 4), ("grey", 9)]).read_bytes()
    (tmp_path / "short.mkv").write_bytes(content[: len(content) * 3 // 4])  # the decoder process warns
    done = python(PROGRAM, tmp_path)
    silent, _, logged = done.stderr.partition("now with logs\n")
    assert (done.stdout, silent) == ("", "")
    assert "WARNING:watchword.watchword.tagging:event 'a_horse'" in logged
    assert "WARNING:watchword.workers.sources.file:source_truncated" in logged
