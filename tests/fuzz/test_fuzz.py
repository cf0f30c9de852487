"""Both fuzzing targets for a bounded number of inputs, in processes of their own; `make fuzz` runs them longer."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

HERE = Path(__file__).parent


@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris has no wheel for this Python or system")
@pytest.mark.parametrize("runs", [300, pytest.param(20_000, marks=pytest.mark.long)])
@pytest.mark.parametrize("target", ["events", "config"])
def test_nothing_that_strangers_write_gives_another_error(target: str, runs: int, tmp_path: Path) -> None:
    grown = tmp_path / "corpus"
    grown.mkdir()
    options = [f"-runs={runs}", "-seed=1", "-max_len=4096", "-timeout=20", f"-artifact_prefix={tmp_path}/"]
    options += ["-rss_limit_mb=0", "-malloc_limit_mb=512"]  # its peak would be that of the tests that start it
    command = [sys.executable, str(HERE / f"fuzz_{target}.py"), *options, str(grown), str(HERE / "corpus" / target)]
    path = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run(command, capture_output=True, text=True, env=path)
    assert done.returncode == 0, done.stderr[-4000:]
    assert f"Done {runs} runs" in done.stderr
    assert len(list(grown.iterdir())) > 10  # it found its way in: new inputs reached new code
