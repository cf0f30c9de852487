"""The Dockerfile and compose.yaml, read closely: no Docker engine is needed, and none builds them here."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"


def instructions() -> list[tuple[str, str]]:
    """Return the instructions of the final stage, in order."""
    text = re.sub(r"\\\n\s*", "", (DEPLOY / "Dockerfile").read_text())
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line and not line.startswith("#")]
    pairs = [(word, rest) for word, rest in lines]
    last = max(i for i, (word, _) in enumerate(pairs) if word == "FROM")
    return pairs[last:]


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    return found


def test_image_runs_as_a_user_that_is_not_root() -> None:
    users = [rest for word, rest in instructions() if word == "USER"]
    assert users
    assert users[-1].isdigit()
    assert int(users[-1]) >= 1000


def test_image_checks_progress_not_the_process() -> None:
    (check,) = (rest for word, rest in instructions() if word == "HEALTHCHECK")
    assert "/healthz" in check
    assert "--start-period" in check


def test_state_is_a_volume_that_the_user_owns() -> None:
    final = instructions()
    (volume,) = (rest for word, rest in final if word == "VOLUME")
    assert any(word == "RUN" and "useradd" in rest and f"--home-dir {volume}" in rest for word, rest in final)


def test_image_starts_the_installed_command() -> None:
    words = dict(instructions())
    assert words["ENTRYPOINT"] == '["watchword"]'
    assert words["CMD"].startswith('["run"')


def test_copied_paths_exist_and_reach_the_build() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    copied = {p for line in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.M) for p in line.split()}
    sent = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().split() if line[0] == "!"}
    assert copied == sent
    assert all((ROOT / p).exists() for p in copied)


def test_compose_has_the_daemon_its_store_its_monitoring_and_a_camera(services: dict[str, Any]) -> None:
    assert set(services) == {"watchword", "redis", "prometheus", "rtsp", "camera"}


def test_files_that_compose_mounts_exist(services: dict[str, Any]) -> None:
    mounts = [v.split(":")[0] for s in services.values() for v in s.get("volumes", ())]
    paths = [m for m in mounts if m.startswith(".")]
    assert len(paths) == 3
    assert all((DEPLOY / p).exists() for p in paths)
    build = services["watchword"]["build"]
    assert (DEPLOY / build["context"] / build["dockerfile"]).is_file()


def test_compose_gives_ray_shared_memory_and_the_drain_time(services: dict[str, Any]) -> None:
    assert services["watchword"]["shm_size"] == "1gb"
    assert services["watchword"]["stop_grace_period"] == "60s"


def test_compose_publishes_ports_to_this_machine_only(services: dict[str, Any]) -> None:
    ports = [p for s in services.values() for p in s.get("ports", ())]
    assert len(ports) == 2
    assert all(p.startswith("127.0.0.1:") for p in ports)


def test_compose_holds_no_secret() -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    assert text.count("${WATCHWORD_REDIS_PASSWORD:?") == 2
    assert re.findall(r"^\w+=(.*)$", (DEPLOY / "compose.env.example").read_text(), re.M) == [""]


def test_volumes_of_compose_are_declared(services: dict[str, Any]) -> None:
    declared = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["volumes"]
    named = {v.split(":")[0] for s in services.values() for v in s.get("volumes", ()) if v[0] != "."}
    assert named == set(declared)
