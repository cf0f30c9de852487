"""Secrets are planted everywhere they can be given, and everything that comes out is searched for them."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from typer.testing import CliRunner

from daemon.commands.setup.doctor import app as doctor
from daemon.config.sections.verifier import VlmSettings
from daemon.doctor import Check, redis_check, verifier_check
from tests.support.clocks import wait_until
from tests.support.programs.daemon import ALWAYS, ENDLESS, running, watchword, write_config
from tests.support.serving.redis import BINARIES, Server
from tests.support.serving.servers import closed_port, responding
from workers.redaction import RedactedUrl

pytestmark = pytest.mark.process

PLANTED = {
    "PLANTED_CAMERA": "s3wn/c4mera@pw",  # needs percent-encoding in a URL
    "PLANTED_QUERY": "s3wn-query-value",
    "PLANTED_REDIS": "s3wn-redis-pw",
    "PLANTED_TOKEN": "s3wn-token-for-everything",
    "PLANTED_NAMED": "s3wn-token-of-somebody",
    "PLANTED_HOOK": "s3wn-key-of-a-webhook",
    "PLANTED_TOPIC": "s3wn-topic",
    "PLANTED_VLM": "s3wn-key-of-a-verifier",
}
API = (
    "openapi.json",
    "me",
    "cameras",
    "cameras/down",
    "cameras/down/config",
    "cameras/endless/config",
    "rules",
    "events",
    "alerts",
    "search?q=red",
    "health",
)
LITERAL = "s3wn-in-the-file"  # not by an environment variable
CUT = f"viewer:99#{LITERAL}@127.0.0.1/x"  # whose `#` ends what a library takes for the address
SEARCHED = re.compile(rb"s3wn", re.IGNORECASE)  # also as a part of an encoded form


def holds(data: str | bytes) -> list[bytes]:
    """Return what of the planted secrets is found in an output, with some of what is around it."""
    raw = data.encode() if isinstance(data, str) else data
    return [raw[max(0, m.start() - 80) : m.end() + 30] for m in SEARCHED.finditer(raw)]


def files_with_secrets(folder: Path) -> list[Path]:
    return [p for p in folder.rglob("*") if p.is_file() and holds(p.read_bytes())]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A Redis server with a password."""
    folder = tmp_path / "redis server"
    folder.mkdir()
    made = Server(str(BINARIES["valkey"]), folder, "--requirepass", PLANTED["PLANTED_REDIS"])
    made.start(wait=False)
    yield made
    made.kill()


def settings(server: Server, locked: str, **more: Any) -> dict[str, Any]:
    """A configuration with a secret in every place for one."""
    return {
        "cameras": {
            "endless": {"url": ENDLESS, "verifier": verifier(key=f"{LITERAL}-key")},
            "locked": {"url": f"http://viewer:{{PLANTED_CAMERA}}@{locked}/a.ts?user=x&sig={{PLANTED_QUERY}}"},
            "odd": {"url": f"rtsp://127.0.0.1:{closed_port()}/user=viewer&password={LITERAL}&stream=1?{LITERAL}"},
            "down": {"url": f"rtsp://viewer:{LITERAL}@127.0.0.1:{closed_port()}/a?token={LITERAL}"},
        },
        "events": {name: event | {"verify": "label"} for name, event in ALWAYS.items()},
        "redis": {"url": f"redis://:{{PLANTED_REDIS}}@127.0.0.1:{server.port}/0"},
        "http": {"port": 0, "token": "{PLANTED_TOKEN}", "tokens": {"ann": {"token": "{PLANTED_NAMED}"}}},
        "alerts": {"targets": targets()},
        "models": {"profile": "colour", "verifier": verifier(key="{PLANTED_VLM}")},
    } | more


def verifier(**more: str) -> dict[str, str]:
    """A verifier that cannot be reached."""
    return {"url": f"http://127.0.0.1:{closed_port()}/{{PLANTED_VLM}}/v1?k={LITERAL}", "model": "x"} | more


def targets() -> dict[str, Any]:
    """Targets of alerts that cannot be reached."""
    nobody = f"127.0.0.1:{closed_port()}"
    return {
        "phone": f"ntfy://me:{LITERAL}@{nobody}/{{PLANTED_TOPIC}}",
        "bot": f"json://{nobody}/{LITERAL}?x={{PLANTED_TOPIC}}",
        "hook": {"webhook": f"http://{nobody}/{LITERAL}/{{PLANTED_TOPIC}}?k={LITERAL}", "secret": "{PLANTED_HOOK}"},
        "home": {"mqtt": f"mqtt://me:{LITERAL}@{nobody}"},
    }


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PLANTED.items():
        monkeypatch.setenv(name, value)


def asked(url: str) -> Iterator[str]:
    """Yield what every path answers, with each token and with a wrong one."""
    with httpx.Client(base_url=url, trust_env=False) as http:
        for token in (PLANTED["PLANTED_TOKEN"], PLANTED["PLANTED_NAMED"], PLANTED["PLANTED_NAMED"] + "x"):
            http.headers["authorization"] = f"Bearer {token}"
            for path in ("/healthz", "/readyz", "/metrics", f"/{token}", *(f"/api/v1/{p}" for p in API)):
                answer = http.get(path)
                yield f"{answer.headers} {answer.text}"
            yield http.post("/api/v1/session", json={"token": f"{token}{LITERAL}"}).text
            yield http.post("/api/v1/session", json={"token": [token, LITERAL]}).text
            yield http.put("/api/v1/cameras/x", json={"url": f"rtsp://u:{LITERAL}@"}, headers={"if-match": token}).text


@pytest.mark.parametrize(
    ("runtime", "form"), [("local", "console"), pytest.param("ray", "json", marks=[pytest.mark.ray, pytest.mark.long])]
)
def test_nothing_that_a_daemon_puts_out_holds_a_secret(runtime: str, form: str, server: Server, tmp_path: Path) -> None:
    with responding(401) as locked:
        logs = {"format": form, "level": "debug"}
        config = write_config(tmp_path, **settings(server, locked, runtime=runtime, logs=logs))
        with running(config, tmp_path) as daemon:
            daemon.wait_for("source_unauthorized")
            daemon.wait_for("source_unreachable")
            wait_until(lambda: all(waits(daemon.log(), name) for name in targets()), 60)
            url = re.search(r"http://127\.0\.0\.1:\d+", daemon.log())
            assert url
            wait_until(lambda: "no connection to http" in repr(wait_for_entries(server)), 60)  # a verdict
            entries = wait_for_entries(server)
            answers = "\n".join(asked(url[0]))
            server.kill()  # the errors of a lost server are told too
            daemon.wait_for("publishing waits")
            server.start(wait=False)
            assert daemon.end() == 0
            pid = daemon.process.pid
        log = daemon.log()
    assert log.count("a verifier may be sent frames and words") == 2  # once a start for each
    assert "source_unauthorized" in answers
    assert "token_required" in answers
    assert holds(log) == []
    assert holds(answers) == []
    assert holds(repr(entries)) == []
    assert files_with_secrets(tmp_path / "state") == []
    sessions = list(Path("/tmp/ray").glob(f"session_*_{pid}"))
    assert len(sessions) == (runtime == "ray")
    assert [p for s in sessions for p in files_with_secrets(s / "logs")] == []


def waits(log: str, target: str) -> bool:
    """Return whether a log says that alerts for a target wait."""
    return any("an alert waits" in line and target in line for line in log.splitlines())


def wait_for_entries(server: Server) -> list[object]:
    """Return everything in Redis, once there are events."""
    client: Any = redis.Redis(port=server.port, password=PLANTED["PLANTED_REDIS"])
    deadline = time.monotonic() + 60
    while not client.exists("watchword:events"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    markers = [(key, client.get(key)) for key in client.scan_iter() if key != b"watchword:events"]
    return [*client.xrange("watchword:events"), *markers]


def test_no_command_prints_a_secret(server: Server, tmp_path: Path) -> None:
    url = f"redis://:{PLANTED['PLANTED_REDIS']}@127.0.0.1:{server.port}/0"
    wrong = f"redis://u:{LITERAL}@127.0.0.1:{server.port}/0"
    config = write_config(tmp_path, **settings(server, "127.0.0.1:9"))
    spoilt = tmp_path / "spoilt.yaml"
    text = config.read_text().replace("fps", "fsp") + f"extra: '{LITERAL}'\n"
    spoilt.write_text(text.replace("PLANTED_NAMED", "NOT_SET").replace("port: 0", f"port: {LITERAL}"))
    wrongly = tmp_path / "cut.yaml"
    wrongly.write_text(
        f"cameras: {{a: {{url: 'rtsp://{CUT}'}}, b: {{url: '{CUT}'}}}}\n"
        f"events: {{e: {{describe: a cat}}}}\nredis: {{url: 'redis://{CUT}?{LITERAL}=1'}}\n"
    )
    commands = {
        ("check", "--json", wrongly): 2,
        ("events", "list", "--redis", f"redis://{CUT}"): 2,
        ("tag", "--events", config, f"rtsp://{CUT}", f"rtsp:/{CUT}", CUT): 3,
        ("check", config): 0,
        ("check", "--json", config): 0,
        ("check", spoilt): 2,
        ("check", "--json", spoilt): 2,
        ("run", spoilt): 2,
        ("schema",): 0,
        ("alerts", "test", "all", config): 4,
        ("alerts", "list", config): 0,
        ("alerts", "test", "nobody", config): 2,
        ("events", "list", "--redis", url): 0,
        ("events", "list", config): 0,
        ("events", "show", "abc", "--redis", url): 1,
        ("events", "list", "--redis", wrong): 4,
        ("events", "list", "--redis", f"redis://u:{LITERAL}@127.0.0.1:{closed_port()}/0"): 4,
        ("tag", "--events", config, f"rtsp://u:{LITERAL}@127.0.0.1/x"): None,
    }
    for command, code in commands.items():
        done = watchword(*command)
        assert code in (None, done.returncode), (command, done)
        assert holds(done.stdout + done.stderr) == [], command


def test_doctor_prints_no_secret_of_a_server(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The findings about servers alone: the others load every model, and know no address."""

    def servers(url: RedactedUrl, verifiers: tuple[VlmSettings, ...]) -> Iterator[Check]:
        yield redis_check(url)
        yield from map(verifier_check, verifiers)

    monkeypatch.setattr("daemon.commands.setup.doctor.examine", servers)
    config = str(write_config(tmp_path, **settings(server, "127.0.0.1:9")))
    for url in (f"redis://{CUT}", f"redis://u:{LITERAL}@127.0.0.1:{server.port}/0"):
        for options in ([], ["--json"]):
            done = CliRunner(env={"COLUMNS": "300"}).invoke(doctor, [config, "--redis", url, *options])
            assert done.exit_code == 1
            assert "Redis at redis://***" in done.stdout
            assert done.stdout.count("x at http://127.0.0.1:") == 2
            assert holds(done.output) == []


@pytest.mark.parametrize("form", ["json", pytest.param("console", marks=pytest.mark.long)])
def test_a_crash_tells_no_secret(form: str, server: Server, tmp_path: Path) -> None:
    config = write_config(tmp_path, **settings(server, "127.0.0.1:9", logs={"format": form}))
    code = """
import sys
from daemon import cli
from daemon.service import daemon

def fail(self):
    url = self._config.cameras["locked"].url.reveal()
    token = self._config.http.token.get_secret_value()
    raise RuntimeError(f"cannot handle {url} with {token}")

daemon.Daemon._settings = fail
sys.argv[1:] = ["run", CONFIG]
cli.main()
""".replace("CONFIG", repr(str(config)))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert "RuntimeError: cannot handle http://***@127.0.0.1:9/a.ts" in done.stderr
    assert holds(done.stdout + done.stderr) == []
