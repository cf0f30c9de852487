"""HTTPS with real certificates, made by openssl; bad files are one clear error."""

import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from structlog.testing import capture_logs

from daemon.http import TlsFiles, TlsFilesError, connections
from tests.support.clocks import wait_until

Serve = Callable[..., httpx.Client]
pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")


def make(folder: Path, name: str, *options: str) -> TlsFiles:
    """Make a certificate for 127.0.0.1 and its key."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "2"]
    command += ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", *(options or ("-nodes",))]
    command += ["-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.pem")]
    subprocess.run(command, check=True, capture_output=True)
    return TlsFiles(folder / f"{name}.pem", folder / f"{name}.key")


def trusting(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate))


def test_serves_https_and_takes_up_a_new_certificate(serve: Serve, tmp_path: Path) -> None:
    files = make(tmp_path, "one")
    make(tmp_path, "two")
    url = str(serve(tls=files).base_url)
    assert url.startswith("https://127.0.0.1:")

    def ask(name: str) -> int:
        return httpx.get(f"{url}/healthz", verify=trusting(tmp_path / f"{name}.pem"), trust_env=False).status_code

    assert ask("one") == 200
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        ask("two")
    with pytest.raises(httpx.TransportError):
        httpx.get(url.replace("https", "http"), trust_env=False)
    with capture_logs() as logs:  # between the two files: they do not fit; the server refreshes as well
        os.replace(tmp_path / "two.pem", tmp_path / "one.pem")
        files.refresh()
        wait_until(lambda: bool(logs))
    assert "the key is not the certificate's" in logs[0]["error"]
    with capture_logs() as logs:
        os.replace(tmp_path / "two.key", tmp_path / "one.key")
        files.refresh()
        wait_until(lambda: bool(logs))
        files.refresh()
    assert [entry["event"] for entry in logs] == ["certificate reloaded"]
    assert ask("one") == 200


def test_a_half_renewed_certificate_does_not_spoil_the_one_in_use(serve: Serve, tmp_path: Path) -> None:
    files = make(tmp_path, "one")
    make(tmp_path, "two")
    old = trusting(tmp_path / "one.pem")
    url = str(serve(tls=files).base_url)
    os.replace(tmp_path / "two.pem", tmp_path / "one.pem")
    files.refresh()
    assert httpx.get(f"{url}/healthz", verify=old, trust_env=False).status_code == 200
    (tmp_path / "one.key").unlink()
    files.refresh()
    assert httpx.get(f"{url}/healthz", verify=old, trust_env=False).status_code == 200


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")  # that they are old is the point
def test_old_protocols_are_refused(serve: Serve, tmp_path: Path) -> None:
    url = str(serve(tls=make(tmp_path, "one")).base_url)
    context = trusting(tmp_path / "one.pem")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/healthz", verify=context, trust_env=False)


def handshakes(url: str, certificate: Path, count: int) -> int:
    """Connect so often, one after the other; return how many times the server shook hands."""
    done, context, place = 0, trusting(certificate), ("127.0.0.1", urlsplit(url).port)
    for _ in range(count):
        with (
            suppress(OSError),
            socket.create_connection(place, 20) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1"),
        ):
            done += 1
    return done


def test_no_hands_are_shaken_with_one_who_connects_too_often(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "NEW", (5, 0.001))
    monkeypatch.setattr(connections, "NEW_OF_ALL", (8, 0.001))
    address = "203.0.113.7"
    monkeypatch.setattr(connections, "client_address", lambda _: ip_address(address))
    proxy = {"header": "Remote-User", "addresses": ["198.51.100.1"]}
    url = str(serve(tls=make(tmp_path, "one"), proxy=proxy).base_url)
    assert handshakes(url, tmp_path / "one.pem", 8) == 5
    address = "203.0.113.8"  # another one still may; but all together have a limit as well
    assert handshakes(url, tmp_path / "one.pem", 5) == 3
    address = "198.51.100.1"
    assert handshakes(url, tmp_path / "one.pem", 10) == 10
    address = "127.0.0.1"
    assert handshakes(url, tmp_path / "one.pem", 10) == 10


def test_handshakes_that_are_never_finished_are_counted_and_cut(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "PATIENCE_S", 1.0)
    address = "203.0.113.7"
    monkeypatch.setattr(connections, "client_address", lambda _: ip_address(address))
    url = str(serve(tls=make(tmp_path, "one")).base_url)
    with ExitStack() as stack:
        place = ("127.0.0.1", urlsplit(url).port)
        held = [stack.enter_context(socket.create_connection(place, 20)) for _ in range(connections.MOST_OF_ONE)]
        for connection in held:
            connection.sendall(b"\x16\x03\x01")  # the begin of a greeting
        assert handshakes(url, tmp_path / "one.pem", 2) == 0
        address = "203.0.113.8"
        assert handshakes(url, tmp_path / "one.pem", 1) == 1
        address = "203.0.113.7"
        began = time.monotonic()
        assert [connection.recv(1) for connection in held] == [b""] * len(held)
        assert time.monotonic() - began < 15  # it was a minute
        assert handshakes(url, tmp_path / "one.pem", 1) == 1


def test_bad_files_are_one_clear_error(tmp_path: Path) -> None:
    make(tmp_path, "one")
    make(tmp_path, "two")
    (tmp_path / "text").write_text("no certificate")
    (tmp_path / "key only").write_bytes((tmp_path / "one.key").read_bytes())
    cases = [
        ("one.pem", "two.key", "the key is not the certificate's"),
        ("none.pem", "one.key", "none.pem cannot be read: No such file"),
        ("one.pem", ".", "cannot be read: Is a directory"),
        ("text", "one.key", "cannot be used for TLS"),
        ("one.pem", "text", "cannot be used for TLS"),
        ("key only", "one.key", "cannot be used for TLS"),
    ]
    for certificate, key, told in cases:
        with pytest.raises(TlsFilesError, match=told) as error:
            TlsFiles(tmp_path / certificate, tmp_path / key)
        assert error.value.code == "http_tls_invalid"


def test_an_encrypted_key_is_an_error_and_not_a_question(tmp_path: Path) -> None:
    with pytest.raises(TlsFilesError, match="the key is encrypted"):
        make(tmp_path, "locked", "-passout", "pass:secret")
