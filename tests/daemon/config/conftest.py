"""Configurations written to real files."""

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from daemon.config import Config, ConfigError, Problem, load_config

Load = Callable[..., Config]
Problems = Callable[..., tuple[Problem, ...]]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def _write(text: str) -> Path:
        path = tmp_path / "config.yaml"
        path.write_text(dedent(text), encoding="utf-8")
        return path

    return _write


@pytest.fixture
def load(write: Callable[[str], Path]) -> Load:
    def _load(text: str, **env: str) -> Config:
        return load_config(write(text), env)

    return _load


@pytest.fixture
def problems(load: Load) -> Problems:
    def _problems(text: str, **env: str) -> tuple[Problem, ...]:
        with pytest.raises(ConfigError) as caught:
            load(text, **env)
        return caught.value.problems

    return _problems
