"""Cameras by HTTPS: the gate does their TLS, and all else is as by HTTP."""

import gzip
import io
import itertools
import select
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from PIL import Image

from tests.support.serving.servers import certified, http, paced, start, tcp, unresponsive
from tests.support.streams.live import frames, live, take
from tests.support.videos.media import every, make_video, opened, picture, playlist
from workers.errors import SourceNotFound, SourceTimeout, SourceUnreachable
from workers.redaction import RedactedUrl
from workers.sources.http.proxy import HttpProxy


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    return certified(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def segment(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return make_video(tmp_path_factory.mktemp("https") / "a.ts", every(100, 30)).read_bytes()


FAR = 16 << 20  # bytes: further than FFmpeg would rather read on than ask anew


def test_the_camera_sees_what_it_saw_of_ffmpeg(tls: ssl.SSLContext, segment: bytes) -> None:
    asked: list[tuple[str, str | None, str | None]] = []
    names: list[str | None] = []
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.sni_callback = lambda connection, name, _: (names.append(name), setattr(connection, "context", tls))[0]

    def answer(request: BaseHTTPRequestHandler) -> None:
        asked.append((request.path, request.headers["Authorization"], request.headers["Cookie"]))
        hosts.add(request.headers["Host"])
        if request.headers["Authorization"] is None:
            request.send_response(401)
            request.send_header("WWW-Authenticate", 'Basic realm="camera"')
            request.end_headers()
            return
        request.send_response(200)
        request.send_header("Set-Cookie", "session=7; path=/; Secure")
        request.end_headers()
        body = playlist("sub/a.ts?n=1").encode() if request.path == "/live.m3u8?a=b" else segment
        request.wfile.write(body)

    hosts: set[str | None] = set()
    with http(answer, own) as url:
        at = url.replace("127.0.0.1", "localhost").partition("//")[2]
        assert opened(f"https://me:secret@{at}/live.m3u8?a=b").has_video
    signed = "Basic bWU6c2VjcmV0"
    assert ("/live.m3u8?a=b", signed, None) in asked
    assert ("/sub/a.ts?n=1", signed, "session=7") in asked
    assert hosts == {at}
    assert set(names) == {"localhost"}


def _chunked(data: bytes) -> bytes:
    pieces = [data[i : i + 5] for i in range(0, len(data), 5)]
    return b"".join(b"%x\r\n%b\r\n" % (len(x), x) for x in pieces) + b"0\r\n\r\n"


FORMS: dict[str, Callable[[bytes], tuple[dict[str, str], bytes]]] = {
    "without a length": lambda x: ({}, x),
    "with a length": lambda x: ({"Content-Length": str(len(x)), "Accept-Ranges": "bytes"}, x),
    "as a range": lambda x: ({"Content-Length": f"{len(x)}", "Content-Range": f"bytes 0-{len(x) - 1}/{len(x)}"}, x),
    "chunked": lambda x: ({"Transfer-Encoding": "chunked"}, _chunked(x)),
    "compressed": lambda x: (
        {"Content-Encoding": "gzip", "Content-Length": f"{len(gzip.compress(x))}"},
        gzip.compress(x),
    ),
    "both": lambda x: ({"Content-Encoding": "gzip", "Transfer-Encoding": "chunked"}, _chunked(gzip.compress(x))),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_however_a_playlist_is_sent_its_end_is_found(
    scheme: str, form: str, tls: ssl.SSLContext, segment: bytes
) -> None:
    """Its addresses grow, and the last segment is the one that is read."""
    asked: list[str] = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        if request.path == "/live.m3u8":
            whole = playlist(*[f"https://{other.partition('//')[2]}/{n}.ts" for n in range(20)])
            text = whole.replace("#EXT-X-ENDLIST\n", "").encode()
        else:
            asked.append(request.path)
            text = segment
        fields, body = FORMS[form](text)
        request.send_response(206 if "Content-Range" in fields else 200)
        for name, value in fields.items():
            request.send_header(name, value)
        request.send_header("Connection", "close")
        request.end_headers()
        request.wfile.write(body)

    with http(answer, tls) as other, http(answer, tls if scheme == "https" else None) as url:
        assert opened(f"{url}/live.m3u8", hosts=(other.partition("//")[2],)).has_video
    assert set(asked) == {"/19.ts"}


@pytest.mark.parametrize("way", ["https://{other}/a.ts", "http://{plain}/a.ts", "//{other}/a.ts", "/b", "b"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_redirects(scheme: str, way: str, tls: ssl.SSLContext, segment: bytes) -> None:
    if scheme == "http" and way.startswith("//"):
        way = way.replace("other", "plain")

    def answer(request: BaseHTTPRequestHandler) -> None:
        if request.path != "/go":
            start(request)
            request.wfile.write(segment)
            return
        request.send_response(302)
        request.send_header("Location", way.format(other=other.partition("//")[2], plain=plain.partition("//")[2]))
        request.end_headers()

    with http(answer, tls) as other, http(answer) as plain, http(answer, tls if scheme == "https" else None) as url:
        hosts = (other.partition("//")[2], plain.partition("//")[2])
        assert opened(f"{url}/go", hosts=hosts).has_video


def test_what_is_at_the_end_of_a_file_is_asked_for(tls: ssl.SSLContext, tmp_path: Path) -> None:
    data = make_video(tmp_path / "a.mp4", every(40, 50)).read_bytes()
    index = data.index(b"moov") - 4
    data = data[:index] + struct.pack(">I4s", FAR, b"free") + bytes(FAR - 8) + data[index:]
    asked: list[int] = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        since = int(request.headers["Range"].removeprefix("bytes=").rstrip("-"))
        asked.append(since)
        request.send_response(206)
        request.send_header("Content-Length", str(len(data) - since))
        request.send_header("Content-Range", f"bytes {since}-{len(data) - 1}/{len(data)}")
        request.end_headers()
        request.wfile.write(data[since:])

    with http(answer, tls) as url:
        assert opened(f"{url}/a.mp4").has_video
    assert max(asked) == index + FAR


def test_pictures_come_as_they_are_sent(tls: ssl.SSLContext) -> None:
    """Motion JPEG: a stream without an end."""
    hung_up = threading.Event()

    def answer(request: BaseHTTPRequestHandler) -> None:
        start(request, kind="multipart/x-mixed-replace; boundary=frame")
        with suppress(OSError):
            for n in itertools.count():
                image = io.BytesIO()
                Image.fromarray(picture(n % 200)).save(image, "JPEG", quality=90)
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(image.getvalue())}\r\n\r\n"
                request.wfile.write(head.encode() + image.getvalue() + b"\r\n")
                time.sleep(0.05)
        hung_up.set()

    with http(answer, tls) as base:
        take(live(f"{base}/mjpeg", audio=False, fps=5.0), lambda got: len(frames(got)) >= 5)
        assert hung_up.wait(5)


def test_a_stall_is_noticed(tls: ssl.SSLContext, stream_ts: bytes) -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        start(request)
        paced(request.wfile.write, stream_ts, 10.0, stop_at=0.15)
        time.sleep(20)

    with http(answer, tls) as base:
        source = live(f"{base}/a.ts", read_timeout_s=0.6, stall_timeout_s=0.9)
        take(source, lambda got: any(b.segment >= 1 for b in frames(got)))
    assert sum(source.snapshot().failures.values()) >= 1


def test_without_tls_it_is_unreachable_and_silence_is_a_timeout(segment: bytes) -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        start(request)
        request.wfile.write(segment)

    with http(answer) as url, pytest.raises(SourceUnreachable):
        opened(f"{url.replace('http', 'https')}/a.ts")
    with unresponsive() as host, pytest.raises(SourceTimeout):
        opened(f"https://{host}/a.ts", read_timeout_s=0.4)


def test_its_errors_are_told(tls: ssl.SSLContext) -> None:
    with http(lambda request: request.send_error(404), tls) as url, pytest.raises(SourceNotFound):
        opened(f"{url}/a.ts")


@pytest.mark.filterwarnings("ignore:ssl.OP_NO")  # that they are old is the point
def test_old_cameras_are_not_turned_away(segment: bytes, tmp_path: Path) -> None:
    """TLS 1.0 and a key of 1024 bits: it is not verified anyway."""
    command = ["openssl", "req", "-x509", "-newkey", "rsa:1024", "-nodes", "-sha1", "-days", "2", "-subj", "/CN=old"]
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.load_cert_chain(certificate, key)
    old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    old.options |= ssl.OP_NO_TLSv1_1 | ssl.OP_NO_TLSv1_2 | ssl.OP_NO_TLSv1_3

    def answer(request: BaseHTTPRequestHandler) -> None:
        start(request)
        request.wfile.write(segment)

    with http(answer, old) as url:
        assert opened(f"{url}/a.ts").has_video


def test_a_proxy_on_the_way_is_asked_for_a_tunnel(
    tls: ssl.SSLContext, segment: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []

    def outer(near: socket.socket) -> None:
        asked.append(near.recv(4096).split(b" HTTP")[0])
        near.sendall(b"HTTP/1.1 200 go on\r\n\r\n")
        with tls.wrap_socket(near, server_side=True) as secure:
            asked.append(secure.recv(4096).split(b" HTTP")[0])
            secure.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + segment)

    with tcp(outer) as port:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
        assert opened("https://camera.invalid:8443/a.ts").has_video
    assert asked == [b"CONNECT camera.invalid:8443", b"GET /a.ts"]


@contextmanager
def asked_through(serve: Callable[[socket.socket], None]):
    """Ask a server by way of a gate; yields our side of the connection."""
    with tcp(serve) as port:
        proxy = HttpProxy("door", RedactedUrl(f"http://127.0.0.1:{port}/x"))
        with socket.create_connection(("127.0.0.1", int(proxy.url.rpartition(":")[2]))) as near:
            near.settimeout(5)
            near.sendall(f"GET {proxy.entry} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            yield near
        proxy.close()


def test_a_live_stream_begins_before_its_first_picture() -> None:
    def serve(far: socket.socket) -> None:
        far.recv(4096)
        far.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\n\r\n")
        far.recv(1)

    with asked_through(serve) as near:
        assert near.recv(4096).endswith(b"Content-Type: video/mp2t\r\n\r\n")


def test_who_hangs_up_frees_the_camera() -> None:
    ended: list[bytes] = []

    def serve(far: socket.socket) -> None:
        far.recv(4096)
        far.sendall(b"HTTP/1.1 200 OK\r\n\r\n0123456789")
        assert select.select([far], [], [], 5)[0]
        with suppress(OSError):
            ended.append(far.recv(1))

    with asked_through(serve) as near:
        near.recv(4096)
    for _ in range(100):
        if ended:
            break
        time.sleep(0.05)
    assert ended == [b""]


def test_radio_servers_answer_in_their_own_way(segment: bytes) -> None:
    def serve(far: socket.socket) -> None:
        far.recv(4096)
        far.sendall(b"ICY 200 OK\r\nContent-Type: video/mp2t\r\n\r\n" + segment)

    with tcp(serve) as port:
        assert opened(f"http://127.0.0.1:{port}/a.ts").has_video


def test_what_breaks_off_within_a_chunk_does_not_seem_to_end() -> None:
    def serve(far: socket.socket) -> None:
        far.recv(4096)
        far.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n14\r\n0123456789")

    with asked_through(serve) as near:
        heard = b""
        while part := near.recv(4096):
            heard += part
    assert b"0123456789" in heard.replace(b"\r\n7\r\n", b"").replace(b"\r\n3\r\n", b"")
    assert not heard.endswith(b"0\r\n\r\n")
