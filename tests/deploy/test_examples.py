"""Every configuration that we ship loads, without warnings, and says what it is said to."""

from ipaddress import ip_address
from pathlib import Path

import pytest
import typer
from starlette.datastructures import Headers
from typer.testing import CliRunner

from daemon.commands.setup.check import check
from daemon.config import load_config
from daemon.http.access import Access, Principal

ROOT = Path(__file__).resolve().parents[2]
TOKENS = {"WATCHWORD_TOKEN": "t0ken" * 4, "WATCHWORD_NEIGHBOUR_TOKEN": "n3ighbour" * 2}
ENV = {"WATCHWORD_DOOR_PASSWORD": "s3cret", "WATCHWORD_REDIS_PASSWORD": "t0psecret"} | TOKENS
SHIPPED = (
    *sorted((ROOT / "deploy" / "examples").glob("*.yaml")),
    ROOT / "deploy" / "compose.config.yaml",
    ROOT / "daemon" / "sample" / "sample.yaml",
)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_shipped_configuration_is_valid(path: Path) -> None:
    config = load_config(path, ENV)
    assert config.warnings == ()
    assert config.cameras or config.uploads


@pytest.mark.timeout(120)  # may load the text model
@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_shipped_configuration_passes_a_strict_check(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("efficientnet_lite_pytorch", reason="the lite profile is not installed")
    for name, value in ENV.items():
        monkeypatch.setenv(name, value)
    app = typer.Typer()
    app.command()(check)
    done = CliRunner().invoke(app, ["--strict", str(path)])
    others = [line for line in done.stderr.splitlines() if "the TLS file /etc/" not in line]  # we ship no certificates
    assert not [line for line in others if line.startswith("warning")], done.output
    assert done.exit_code == 0 or len(others) < len(done.stderr.splitlines()), done.output


def test_home_camera() -> None:
    config = load_config(ROOT / "deploy" / "examples" / "home-camera.yaml", ENV)
    (camera,) = config.camera_specs()
    assert camera.url.reveal() == "rtsp://viewer:s3cret@10.0.0.5/stream1"
    assert "s3cret" not in str(config)
    assert {e.name for e in config.event_specs("front_door")} == {"cat", "parcel", "help"}


def test_uploads() -> None:
    config = load_config(ROOT / "deploy" / "examples" / "uploads.yaml", {})
    assert config.uploads is not None
    assert config.uploads.folder == ROOT / "deploy" / "examples" / "inbox"
    assert not config.cameras


def test_shared_server() -> None:
    config = load_config(ROOT / "deploy" / "examples" / "shared-server.yaml", ENV)
    access = Access.of(config.http)
    neighbour = access.identify(Headers({"authorization": f"Bearer {TOKENS['WATCHWORD_NEIGHBOUR_TOKEN']}"}), None)
    assert neighbour == Principal("neighbour", frozenset({"health"}), frozenset({"front_door"}))
    assert set(TOKENS.values()) <= config.secrets()
    ann = access.identify(Headers({"remote-user": "ann"}), ip_address("10.0.0.2"))
    assert ann is not None
    assert (ann.name, ann.may) == ("ann", {"health", "view"})
    assert access.identify(Headers({"remote-user": "ann"}), ip_address("10.0.0.3")) is None


def test_compose_reaches_its_redis_and_its_camera() -> None:
    config = load_config(ROOT / "deploy" / "compose.config.yaml", ENV)
    assert config.redis.url.reveal() == "redis://:t0psecret@redis:6379/0"
    assert str(config.state_dir).startswith("/var/lib/watchword/")
    assert config.http.host == "127.0.0.1"


def test_readme_configuration_is_valid(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text()
    (block,) = (b.split("```")[0] for b in readme.split("```yaml\n")[1:])
    path = tmp_path / "config.yaml"
    path.write_text(block)
    assert load_config(path, ENV).warnings == ()
