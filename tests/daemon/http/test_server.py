"""Real requests to a real server."""

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from daemon.http import Access, HttpAddressError, HttpPortError, HttpServer, build_app
from daemon.logs import setup as logs
from daemon.observability.camera_state import CameraState
from daemon.observability.snapshot import DaemonSnapshot, EncoderSnapshot
from tests.support.camera_status import camera_status
from workers.decisions.snapshot import StreamSnapshot, StreamState
from workers.publish.base import SinkSnapshot
from workers.types import ModelInfo, SourceSnapshot

TOKEN = "a-long-enough-token"
MODEL = ModelInfo("lite/lite0@1", "lite", "lite0", "1", 384, "Apache-2.0", "cpu", 20.0)


Serve = Callable[..., httpx.Client]


def test_health_readiness_and_metrics_follow_the_snapshot(serve: Serve, state: Any) -> None:
    client = serve()
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 503
    assert "models are not loaded yet" in client.get("/readyz").json()["problems"]
    state.now = DaemonSnapshot(
        encoder=EncoderSnapshot(MODEL),
        publisher=SinkSnapshot(),
        beat=time.monotonic(),
        cameras=(camera_status(StreamSnapshot("a")),),
    )
    assert client.get("/readyz").json()["encoder"]["profile"] == "lite"
    metrics = client.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain")
    assert 'watchword_stream_up{camera="a"} 0.0' in metrics.text
    state.now = replace(state.now, beat=time.monotonic() - 3600)
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()["status"]) == (503, "failing")


def test_a_dead_camera_degrades_and_all_of_them_fail_while_the_daemon_is_alive(serve: Serve, state: Any) -> None:
    source = SourceSnapshot(frames_sampled=5)
    dead = camera_status(StreamSnapshot("dead", StreamState.RUNNING, live=True, source=source), unseen_s=150)
    well = replace(camera_status(replace(dead.stream, camera="well")), state=CameraState.UP)
    client = serve()
    state.now = DaemonSnapshot(cameras=(dead, well))
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()["status"], answer.json()["down"]) == (200, "degraded", ["dead"])
    state.now = DaemonSnapshot(cameras=(dead,))
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()["status"]) == (503, "failing")
    assert client.get("/livez").status_code == 204


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/api/v1/openapi.json", "/nowhere"])
def test_a_token_is_required_everywhere(serve: Serve, path: str) -> None:
    client = serve(token=TOKEN)
    assert client.get(path).status_code == 401
    for given in ("Bearer wrong", TOKEN, f"Basic {TOKEN}", "Bearer", "Bearer \xe9", f"Bearer {TOKEN}x"):
        answer = client.get(path, headers={b"authorization": given.encode("latin-1")})
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert answer.json()["error"] == "token_required"
    answer = client.get(path, headers={"authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == {"/readyz": 503, "/nowhere": 404}.get(path, 200)


@pytest.mark.parametrize("path", ["/healthz", "/nowhere"])
def test_every_answer_has_the_security_headers(serve: Serve, path: str) -> None:
    for client in (serve(), serve(token=TOKEN)):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "default-src 'self'" in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers


def test_without_a_token_only_loopback_names_are_served(serve: Serve) -> None:
    client = serve()
    for host in ("127.0.0.1:8765", "localhost", "LOCALHOST:1", "[::1]:8765"):
        assert client.get("/healthz", headers={"host": host}).status_code == 200
    for host in ("evil.example", "127.0.0.1.evil.example", "[::2]", ""):
        assert client.get("/healthz", headers={"host": host}).status_code == 421


def test_secrets_in_errors_do_not_leave_by_http(serve: Serve, state: Any) -> None:
    logs.register_secrets(["http-pl4nted"])
    source = SourceSnapshot(last_error="source_failed: rtsp://u:pw@h http-pl4nted")
    state.now = DaemonSnapshot(cameras=(camera_status(StreamSnapshot("a", source=source)),))
    text = serve().get("/healthz").text
    assert "source_failed" in text
    assert "pw@" not in text
    assert "pl4nted" not in text


def test_an_unexpected_error_is_not_told_to_clients(serve: Serve, state: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> DaemonSnapshot:
        raise RuntimeError("inner workings")

    monkeypatch.setattr(state, "get", fail)
    answer = serve().get("/healthz")
    assert (answer.status_code, answer.json()["error"]) == (500, "internal")
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_taken_port_is_one_clear_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(HttpPortError, match=f"port {port} on 127.0.0.1 is taken") as caught:
            HttpServer(build_app(DaemonSnapshot, Access()), "127.0.0.1", port).start()
    assert caught.value.code == "http_port_taken"
    assert "http.port" in caught.value.hint


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_that_is_not_ours_is_one_clear_error(host: str) -> None:
    with pytest.raises(HttpAddressError, match=host):
        HttpServer(build_app(DaemonSnapshot, Access()), host, 0).start()


def test_stopping_ends_the_thread_and_frees_the_port() -> None:
    server = HttpServer(build_app(DaemonSnapshot, Access()), "127.0.0.1", 0)
    server.start()
    port = int(server.url.rpartition(":")[2])
    assert "http" in {t.name for t in threading.enumerate()}
    server.stop()
    server.stop()
    assert "http" not in {t.name for t in threading.enumerate()}
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False)
    again = HttpServer(build_app(DaemonSnapshot, Access()), "127.0.0.1", port)
    again.start()
    again.stop()
