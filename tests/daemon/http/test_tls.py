"""HTTPS with real certificates, made by openssl; bad files are one clear error."""

import os
import shutil
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from daemon.http import TlsFiles, TlsFilesError

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
    os.replace(tmp_path / "two.pem", tmp_path / "one.pem")
    with capture_logs() as logs:  # between the two files: they do not fit
        files.refresh()
    assert "the key is not the certificate's" in logs[0]["error"]
    os.replace(tmp_path / "two.key", tmp_path / "one.key")
    with capture_logs() as logs:
        files.refresh()
        files.refresh()
    assert [entry["event"] for entry in logs] == ["certificate read again"]
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
