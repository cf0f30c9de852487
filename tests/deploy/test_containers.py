"""The Dockerfile and compose.yaml, read closely: no Docker engine is needed, and none builds them here."""

import json
import os
import re
import subprocess
import sys
import tomllib
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml

from daemon.config.sections.http import HttpConfig
from daemon.http import Access, HttpServer, TlsFiles, build_app
from daemon.observability.snapshot import DaemonSnapshot
from tests.support.camera_status import camera_status
from workers.decisions.snapshot import StreamSnapshot, StreamState

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


def checked(address: str) -> subprocess.CompletedProcess[str]:
    """Run the image's health check, for a daemon at this address."""
    (check,) = (rest for word, rest in instructions() if word == "HEALTHCHECK")
    assert "--start-period" in check
    program, *arguments = json.loads(check.partition("CMD ")[2])
    assert program == "python"
    away = {"http_proxy": "http://127.0.0.1:1", "PYTHONPATH": str(ROOT)}  # it asks this machine, not a proxy
    env = {**os.environ, **away, "WATCHWORD_HEALTH_ADDRESS": address}
    return subprocess.run(
        [sys.executable, *arguments], env=env, capture_output=True, text=True, timeout=60, check=False
    )


DIGEST = sha256(b"a-token-of-which-only-the-digest-is-known").hexdigest()
STUCK = DaemonSnapshot(cameras=(camera_status(StreamSnapshot("cam", state=StreamState.RUNNING), idle_s=1e5),))


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize(
    "settings", [{}, {"tokens": {"a": {"sha256": DIGEST}}}, {"proxy": {"addresses": ["198.51.100.1"]}}]
)
def test_image_checks_progress_whoever_may_ask(tmp_path: Path, settings: dict[str, Any], tls: bool) -> None:
    config = HttpConfig.model_validate(settings, context={"folder": tmp_path})
    seen = [DaemonSnapshot()]
    app = build_app(lambda: seen[-1], Access.of(config))
    server = HttpServer(app, "127.0.0.1", 0, certificate(tmp_path) if tls else None)
    server.start()
    try:
        address = server.url.partition("://")[2]
        assert checked(address).returncode == 0
        seen.append(STUCK)
        stuck = checked(address)
        assert (stuck.returncode, "no progress" in stuck.stderr) == (1, True)
    finally:
        server.stop()
    gone = checked(address)
    assert (gone.returncode, "no response" in gone.stderr) == (1, True)


def certificate(folder: Path) -> TlsFiles:
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "2"]
    command += ["-nodes", "-subj", "/CN=watchword.example", "-keyout", str(folder / "key"), "-out", str(folder / "pem")]
    subprocess.run(command, check=True, capture_output=True)
    return TlsFiles(folder / "pem", folder / "key")


def test_image_has_what_hides_faces_without_libraries_of_a_desktop() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    (extras,) = re.findall(r"^ARG EXTRAS=(\S+)$", text, re.M)
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {"lite", "embedded", "privacy"} <= set(extras.split(",")) <= set(known)
    assert 'pip uninstall --yes opencv-python && pip install "opencv-python-headless' in text


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
    assert set(services) == {"watchword", "redis", "prometheus", "alertmanager", "ntfy", "rtsp", "camera"}


def test_files_that_compose_mounts_exist(services: dict[str, Any]) -> None:
    mounts = [v.split(":")[0] for s in services.values() for v in s.get("volumes", ())]
    paths = [m for m in mounts if m.startswith(".")]
    assert len(paths) == 4
    assert all((DEPLOY / p).exists() for p in paths)
    build = services["watchword"]["build"]
    assert (DEPLOY / build["context"] / build["dockerfile"]).is_file()


def test_compose_gives_ray_shared_memory_and_the_drain_time(services: dict[str, Any]) -> None:
    assert services["watchword"]["shm_size"] == "1gb"
    assert services["watchword"]["stop_grace_period"] == "15s"


def test_compose_publishes_ports_to_this_machine_only(services: dict[str, Any]) -> None:
    ports = [p for s in services.values() for p in s.get("ports", ())]
    assert len(ports) == 3
    assert all(p.startswith("127.0.0.1:") for p in ports)


def test_compose_holds_no_secret() -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    assert text.count("${WATCHWORD_REDIS_PASSWORD:?") == 2
    assert re.findall(r"^\w+=(.*)$", (DEPLOY / "compose.env.example").read_text(), re.M) == [""]


def test_volumes_of_compose_are_declared(services: dict[str, Any]) -> None:
    declared = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["volumes"]
    named = {v.split(":")[0] for s in services.values() for v in s.get("volumes", ()) if v[0] != "."}
    assert named == set(declared)
