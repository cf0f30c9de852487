"""Where a playlist may lead: over HTTP and HTTPS to hosts that are allowed, and nowhere else by any way."""

import contextlib
import gzip
import socket
import ssl
import subprocess
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.serving.servers import certified, http, start, tcp
from tests.support.videos.media import SPEC, camera, every, make_video, master_playlist, playlist
from workers.clock import SystemClock
from workers.errors import SourceError, SourceRefused
from workers.sources.factory import build_source
from workers.types import SourceInfo

KEY = b"0123456789abcdef"
LOCK = ["openssl", "enc", "-aes-128-cbc", "-K", KEY.hex(), "-iv", "0" * 32]
SCHEMES = ("http", "https")
EXT = {"segment": "ts", "key": "ts", "map": "mp4", "variant": "m3u8"}


def text_of(place: str, uri: str) -> str:
    """A playlist that plays once what is at ``uri`` has come."""
    if place == "segment":
        return playlist(uri)
    if place == "variant":
        return master_playlist([uri])
    if place == "map":
        return playlist("part.m4s").replace("#EXTINF", f'#EXT-X-MAP:URI="{uri}"\n#EXTINF')
    return playlist("locked.ts").replace("#EXTINF", f'#EXT-X-KEY:METHOD=AES-128,URI="{uri}",IV=0x0\n#EXTINF')


@dataclass
class Place:
    """A camera's server and one beside it, both with everything; ``asked`` is what the latter was asked for."""

    folder: Path
    tls: ssl.SSLContext
    text: str = ""
    reply: bytes = b""  # of a server with its own idea of HTTP
    odd: int = 0  # its port
    asked: list[str] = field(default_factory=list)
    url: dict[str, str] = field(default_factory=dict)  # of the camera, by scheme
    beside: dict[str, str] = field(default_factory=dict)
    canary: int = 0
    visits: int = 0

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path = request.path.lstrip("/")
        if path == "live.m3u8":
            start(request, kind="application/vnd.apple.mpegurl")
            request.wfile.write(self.text.encode())
        elif path.startswith("moved."):
            request.send_response(302)
            request.send_header("Location", self.text)
            request.end_headers()
        elif (self.folder / path).is_file():
            start(request)
            request.wfile.write((self.folder / path).read_bytes())
        else:
            request.send_error(404)

    def answer_beside(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.append(request.path)
        self.answer(request)

    def visit(self, near: socket.socket) -> None:
        self.visits += 1
        near.settimeout(0.2)
        with contextlib.suppress(OSError):
            near.recv(4096)
        near.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + (self.folder / "segment.ts").read_bytes())

    def answer_oddly(self, near: socket.socket) -> None:
        path = near.recv(4096).split(b" ")[1].decode().lstrip("/")
        file = self.folder / path
        near.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + file.read_bytes() if file.is_file() else self.reply)

    def names(self, what: str) -> dict[str, Any]:
        """What a hostile address may name."""
        names = {"canary": f"127.0.0.1:{self.canary}", "port": self.canary, "ext": EXT[what]}
        return names | {"file": self.folder / f"{what}.{EXT[what]}", "folder": self.folder}

    def opened(self, url: str, text: str = "", **changes: Any) -> SourceInfo:
        """Open the camera with this playlist; its address may begin with the scheme alone."""
        self.text, self.visits, self.asked = text, 0, []
        url = f"{self.url[url]}/live.m3u8" if url in SCHEMES else url
        source = build_source(camera(url, **changes), SPEC, SystemClock())
        try:
            return source.open()
        finally:
            source.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("playlists")
    made = Place(folder, certified(folder))
    segment = make_video(folder / "segment.ts", every(100, 30))
    subprocess.run([*LOCK, "-in", str(segment), "-out", str(folder / "locked.ts")], check=True)
    (folder / "key.ts").write_bytes(KEY)
    fragmented = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    data = make_video(folder / "whole.mp4", every(100, 30), container=fragmented).read_bytes()
    cut = data.index(b"moof") - 4
    (folder / "map.mp4").write_bytes(data[:cut])
    (folder / "part.m4s").write_bytes(data[cut:])
    with contextlib.ExitStack() as servers:
        for scheme, tls in (("http", None), ("https", made.tls)):
            made.url[scheme] = servers.enter_context(http(made.answer, tls))
            made.beside[scheme] = servers.enter_context(http(made.answer_beside, tls))
        made.odd = servers.enter_context(tcp(made.answer_oddly))
        made.canary = servers.enter_context(tcp(made.visit))
        listener = servers.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(str(folder / "unix.ts"))
        listener.listen()
        threading.Thread(target=_accept, args=(listener, made.visit), daemon=True).start()
        (folder / "variant.m3u8").write_text(playlist(f"{made.url['http']}/segment.ts"))
        yield made


def _accept(listener: socket.socket, visit: Callable[[socket.socket], None]) -> None:
    with contextlib.suppress(OSError):
        while True:
            with listener.accept()[0] as near:
                visit(near)


@pytest.mark.parametrize("what", EXT)
@pytest.mark.parametrize("there", SCHEMES)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_hosts_that_are_allowed_are_reached_either_way(scheme: str, there: str, what: str, place: Place) -> None:
    """Also what shows that the same things below would play, if they were reached."""
    base = place.beside[there]
    hosts = (urlsplit(base).netloc, urlsplit(place.url["http"]).netloc)  # the variant's segment is on the latter
    assert place.opened(scheme, text_of(what, f"{base}/{what}.{EXT[what]}"), hosts=hosts).has_video
    assert f"/{what}.{EXT[what]}" in place.asked


@pytest.mark.parametrize("what", EXT)
@pytest.mark.parametrize("there", SCHEMES)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_others_are_not(scheme: str, there: str, what: str, place: Place) -> None:
    with pytest.raises(SourceRefused, match=urlsplit(place.beside[there]).netloc) as caught:
        place.opened(scheme, text_of(what, f"{place.beside[there]}/{what}.{EXT[what]}"))
    assert place.asked == []
    assert "`hosts`" in caught.value.hint
    assert not caught.value.retryable


WAYS = [
    "httpproxy://{canary}/x.{ext}",
    "httpproxy://{canary}/10.0.0.1:22",
    "crypto+httpproxy://{canary}/x.{ext}",
    "http://127.0.0.1:10{port:0>5}/x.{ext}",  # how the gate is told of TLS
    "crypto+http://{canary}/x.{ext}",
    "tcp://{canary}/x.{ext}",
    "tcp://{canary}",
    "tls://{canary}/x.{ext}",
    "udp://{canary}/x.{ext}",
    "rtp://{canary}/x.{ext}",
    "rtsp://{canary}/x.{ext}",
    "ftp://{canary}/x.{ext}",
    "gopher://{canary}/x.{ext}",
    "unix:{folder}/unix.ts",
    "file://{file}",
    "file:{file}",
    "{file}",
    "concat:{file}|{file}",
    "crypto+file://{file}",
    "crypto:{file}",
    "subfile:,,start,0,end,0,,:{file}",
    "async:{file}",
    "cache:{file}",
    "data:video/mp2t;base64,MDEyMzQ1Njc4OWFiY2RlZg==",  # the key
    "data:video/mp2t;base64,MDEyMzQ1Njc4OWFiY2RlZg==#.{ext}",
    "pipe:0",
]


@pytest.mark.parametrize("uri", WAYS)
@pytest.mark.parametrize(
    ("scheme", "what"),
    [("http", "segment"), ("https", "segment"), ("http", "key"), ("http", "map"), ("https", "variant")],
)
def test_no_other_way_leads_anywhere(scheme: str, what: str, uri: str, place: Place) -> None:
    with pytest.raises(SourceError):
        place.opened(scheme, text_of(what, uri.format(**place.names(what))))
    assert place.visits == 0


@pytest.mark.parametrize("uri", WAYS)
def test_nor_does_a_redirect(uri: str, place: Place) -> None:
    with pytest.raises(SourceError):
        place.opened(f"{place.url['http']}/moved.ts", uri.format(**place.names("segment")))
    assert place.visits == 0


@pytest.mark.parametrize("what", EXT)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_nor_does_a_proxy_of_the_playlists_choice(scheme: str, what: str, place: Place) -> None:
    with pytest.raises(SourceError):
        place.opened(scheme, text_of(what, f"httpproxy://127.0.0.1:{place.canary}/x.{EXT[what]}"))
    assert place.visits == 0


OK = b"HTTP/1.1 200 OK\r\n"
TAG = b"ID3\4\0\0\0\0\0\x14" + bytes(20)


def chunked(data: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(x), x) for x in (data[:3], data[3:])) + b"0\r\n\r\n"


HIDDEN: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda x: OK + b"\r\n" + x,
    "radio": lambda x: b"ICY 200 OK\r\n\r\n" + x,
    "chunks": lambda x: OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(x),
    "other chunks": lambda x: OK + b"Transfer-Encoding: chunked, x\r\n\r\n" + chunked(x),
    "gzip": lambda x: OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(x),
    "gzip in chunks": lambda x: (
        OK + b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(gzip.compress(x))
    ),
    "other gzip": lambda x: OK + b"Content-Encoding: gzip, x\r\n\r\n" + gzip.compress(x),
    "deflate": lambda x: OK + b"Content-Encoding: deflate\r\n\r\n" + zlib.compress(x),
    "NUL in a head": lambda x: OK + b"\0\r\n" + x + b"\r\n\r\n",
    "NUL in a field": lambda x: OK + b"X: a\r\n\0b: c\r\n" + x + b"\r\n\r\n",
    "bare line feeds": lambda x: b"HTTP/1.1 200 OK\n\n" + x,
    "a first answer": lambda x: b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"\r\n" + x,
    "only a first answer": lambda x: b"HTTP/1.1 101 x\r\n\r\n" + x,
    "no content": lambda x: b"HTTP/1.1 204 x\r\n\r\n" + x,
    "no length": lambda x: OK + b"Content-Length: 0\r\n\r\n" + x,
    "a tag": lambda x: OK + b"\r\n" + TAG + x,
    "carriage returns": lambda x: OK + b"\r\n" + b"#EXTM3U" + b"\r" * 65_510 + x[8:].replace(b"\n", b"\r"),
    "a long line": lambda x: OK + b"\r\n#EXTM3U\n#" + b"x" * 65_500 + b"\n" + x[8:],
    "a line without end": lambda x: OK + b"\r\n#EXTM3U\n#" + b"x" * 400_000 + b"\n" + x[8:],
}


@pytest.mark.parametrize("what", ["stream", "rendition"])
@pytest.mark.parametrize("how", HIDDEN)
def test_a_playlist_cannot_hide(how: str, what: str, place: Place) -> None:
    """What FFmpeg takes for one is taken for one by the gate, which reads HTTP in another way."""
    text = master_playlist([f"tcp://127.0.0.1:{place.canary}/x.m3u8"])
    if what == "rendition":
        group = '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="a",X="\\"URI=" ,URI="tcp://127.0.0.1:{}/x.m3u8"\n'
        text = text.replace("#EXT-X", group.format(place.canary) + "#EXT-X").replace("BANDWIDTH", 'AUDIO="a",BANDWIDTH')
    place.reply = HIDDEN[how](text.encode())
    with pytest.raises(SourceError):
        place.opened(f"http://127.0.0.1:{place.odd}/live.m3u8")
    assert place.visits == 0


def test_what_else_has_a_tag_plays(place: Place) -> None:
    place.reply = OK + b"\r\n" + TAG + (place.folder / "segment.ts").read_bytes()
    assert place.opened(f"http://127.0.0.1:{place.odd}/a.ts").has_video


@pytest.mark.parametrize("text", [master_playlist, playlist])
@pytest.mark.parametrize("name", ["hidden.ts", "hidden.m3u8"])
def test_nor_behind_a_key(name: str, text: Callable[..., str], place: Place) -> None:
    """Here FFmpeg itself refuses: a segment is no playlist."""
    uri = f"tcp://127.0.0.1:{place.canary}/x.ts"
    plain = (text([uri]) if text is master_playlist else text(uri)).encode()
    (place.folder / name).write_bytes(subprocess.run(LOCK, input=plain, check=True, capture_output=True).stdout)
    with pytest.raises(SourceError):
        place.opened("http", text_of("key", "key.ts").replace("locked.ts", name))
    assert place.visits == 0


def test_a_playlist_of_playlists_leads_nowhere_else(place: Place) -> None:
    (place.folder / "inner.m3u8").write_text(playlist(f"http://127.0.0.1:{place.canary}/x.ts"))
    with pytest.raises(SourceRefused):
        place.opened("http", master_playlist(["inner.m3u8"]))
    assert place.visits == 0
