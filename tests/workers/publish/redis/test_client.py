import hashlib
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot

from tests.support.events import make_event
from tests.support.serving.redis import BINARIES, Server, ids_in, settings_of
from tests.support.serving.servers import free_port
from workers.errors import PublishError
from workers.publish.log.event_log import EventLog
from workers.publish.redis import client as redis_settings
from workers.publish.redis.client import RedisSettings, connect
from workers.publish.redis.errors import (
    NATIVE_ERRORS,
    RedisLoading,
    RedisMisused,
    RedisReadOnly,
    RedisUnauthorized,
    RedisUnreachable,
    publish_error,
)
from workers.publish.redis.reader import EventFilter, EventReader
from workers.publish.redis.sink import EventScript, RedisSink

MINIMAL_ACL = (
    "on >s3cret-word resetchannels resetkeys ~watchword:events ~{watchword:events}:id:* "
    "-@all +ping +evalsha +eval +xadd +get +set +xrange +xrevrange +xread"
)
CLUSTER_ACL = "+cluster|slots +command"


def publish_and_read(settings: RedisSettings, folder: Path) -> list[str]:
    sink = RedisSink(settings, EventLog(folder / "log"), backoff_s=(0.01, 0.1))
    sink.publish([make_event(1), make_event(2)])
    done = sink.flush(5)
    error = sink.snapshot().last_error
    sink.close()
    assert done, error
    reader = EventReader(settings)
    found = [entry.event.id for entry in reader.latest(EventFilter(), 10)]
    followed = reader.tail(EventFilter(), "0")
    assert [e.event.id for e in (next(followed), next(followed)) if e] == found
    reader.close()
    return found


EXPECTED = [make_event(1).id, make_event(2).id]


def test_the_documented_acl_is_the_one_tested() -> None:
    text = " ".join(str(redis_settings.__doc__).split())
    assert MINIMAL_ACL.replace("s3cret-word", "PASSWORD") in text
    assert f"``{CLUSTER_ACL}``" in text


@given(st.text("ab:{}", min_size=1, max_size=8))
def test_marker_and_stream_share_a_slot(stream: str) -> None:
    try:
        settings = settings_of("redis://localhost", stream=stream)
    except RedisMisused:
        assert "{" in stream or "}" in stream
        return
    assert key_slot(settings.marker(make_event(2)).encode()) == key_slot(stream.encode())


def test_marker_names() -> None:
    event = make_event(0, id="ab", revision=1, type="end", start=2.0, end=3.5)
    told = hashlib.sha256(b"ab:1:end:2.0:3.5").hexdigest()[:32]
    assert settings_of("redis://h").marker(event) == f"{{watchword:events}}:id:{told}"
    assert settings_of("redis://h", stream="{ww}:events").marker(event) == f"{{ww}}:events:id:{told}"


def test_the_documented_acl_is_enough(server: Server, tmp_path: Path) -> None:
    server.client.execute_command("ACL", "SETUSER", "watchword", *MINIMAL_ACL.split())
    settings = settings_of(f"redis://watchword:s3cret-word@127.0.0.1:{server.port}/0")
    assert publish_and_read(settings, tmp_path) == EXPECTED


@pytest.mark.parametrize("right", ["+evalsha", "+xadd", "~watchword:events"])
def test_a_missing_right_is_named_without_secrets(server: Server, right: str) -> None:
    rules = [word for word in MINIMAL_ACL.split() if word != right]
    server.client.execute_command("ACL", "SETUSER", "watchword", *rules)
    settings = settings_of(f"redis://watchword:s3cret-word@127.0.0.1:{server.port}/0")
    with pytest.raises(PublishError) as caught:
        _add(settings)
    assert type(caught.value) is RedisUnauthorized
    assert "s3cret-word" not in str(caught.value)


def test_a_wrong_password(server: Server) -> None:
    server.client.config_set("requirepass", "right")
    with pytest.raises(RedisUnauthorized) as caught:
        _add(settings_of(f"redis://:wr0ng-word@127.0.0.1:{server.port}/0"))
    assert "wr0ng-word" not in str(caught.value)
    with pytest.raises(RedisUnauthorized):
        _add(settings_of(server.url))


def test_nobody_there() -> None:
    with pytest.raises(RedisUnreachable, match=r"Redis at redis://\*\*\*@127.0.0.1") as caught:
        _add(settings_of(f"redis://u:s3cret-word@127.0.0.1:{free_port()}/0"))
    assert "s3cret-word" not in str(caught.value)


def test_an_unknown_host() -> None:
    with pytest.raises(RedisUnreachable):
        _add(settings_of("redis://no-such-host.invalid:6379/0"))


@pytest.mark.parametrize("url", ["http://host/", "host:6379", "redis://host:port/0"])
def test_a_wrong_url(url: str) -> None:
    with pytest.raises(RedisMisused, match=r"redis\.url looks like"):
        connect(settings_of(url))


def test_embedded_is_no_address() -> None:
    with pytest.raises(RedisMisused, match="no address before it runs"):
        connect(RedisSettings("embedded"))


def test_a_replica_without_its_primary(start_server: Callable[..., Server], binary: str) -> None:
    server = start_server(binary, "--replica-serve-stale-data", "no")
    server.client.replicaof("127.0.0.1", free_port())
    with pytest.raises(RedisReadOnly):
        _add(settings_of(server.url))


def test_unix_socket(start_server: Callable[..., Server], binary: str, tmp_path: Path) -> None:
    path = tmp_path / "s"
    start_server(binary, "--unixsocket", str(path))
    assert publish_and_read(settings_of(f"unix://{path}"), tmp_path) == EXPECTED


def test_cluster(start_server: Callable[..., Server], binary: str, tmp_path: Path) -> None:
    server = start_server(binary, "--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    with pytest.raises((RedisLoading, RedisUnreachable)):  # it has no slots yet
        _add(settings_of(server.url, cluster=True))
    server.client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
    deadline = time.monotonic() + 10
    while "cluster_state:ok" not in str(server.client.execute_command("CLUSTER", "INFO")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    rules = f"{MINIMAL_ACL} {CLUSTER_ACL}".split()
    server.client.execute_command("ACL", "SETUSER", "watchword", *rules)
    url = f"redis://watchword:s3cret-word@127.0.0.1:{server.port}/0"
    assert publish_and_read(settings_of(url, cluster=True), tmp_path) == EXPECTED
    assert [i for i, _ in ids_in(server)] == EXPECTED


def test_tls(start_server: Callable[..., Server], tmp_path: Path) -> None:
    redis_server = BINARIES["debian-redis"]
    if redis_server is None or shutil.which("openssl") is None:
        pytest.skip("needs redis-server with TLS and openssl (Debian packages redis-server, openssl)")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    options = "-x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", "req", *options.split(), *files], check=True, capture_output=True)
    port = free_port()
    tls = ["--tls-port", str(port), "--tls-cert-file", str(certificate), "--tls-key-file", str(key)]
    start_server(redis_server, *tls, "--tls-auth-clients", "no")
    trusting = f"rediss://localhost:{port}/0?ssl_ca_certs={certificate}"
    assert publish_and_read(settings_of(trusting), tmp_path) == EXPECTED
    with pytest.raises(RedisUnreachable, match=r"(?i)certificate"):
        _add(settings_of(f"rediss://localhost:{port}/0"))
    with pytest.raises(RedisUnreachable, match=r"(?i)certificate"):
        _add(settings_of(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={certificate}"))  # another name than its own


def _add(settings: RedisSettings) -> None:
    """One script call, its error mapped as the sink maps it."""
    client = connect(settings)
    try:
        EventScript(client, settings).add([make_event(1)])
    except NATIVE_ERRORS as error:
        raise publish_error(error, settings.address) from None
    finally:
        client.close()
