"""Four cameras that show the bundled sample over and over, each by another protocol, and can be made to misbehave.

A camera shows what it shows whether anybody watches or not, as real ones do: whoever connects joins in the middle.
"""

import contextlib
import queue
import random
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Literal

from tests.support.serving.servers import RTSP_SERVER, free_port, http, start, tcp

SAMPLE = Path(__file__).resolve().parents[2] / "daemon" / "sample" / "sample.mp4"
PACKET = 188
CHUNK = 7 * PACKET
QUEUE = 4096  # chunks, about ten seconds
SEGMENT_S = 2

Mode = Literal["well", "silent", "away", "noisy"]
KINDS = ("http", "tcp", "hls", "rtsp")


def prepare(folder: Path) -> Path:
    """Encode the sample as MPEG-TS with a key frame each second, and return it."""
    path = folder / "sample.ts"
    video = ("-c:v", "libx264", "-preset", "veryfast", "-g", "10", "-sc_threshold", "0", "-bf", "0")
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", SAMPLE, *video, "-c:a", "aac", path], check=True)
    return path


class Camera:
    """What all four have in common: the endless programme, and the mood that faults put it in."""

    def __init__(self, kind: str, programme: Path) -> None:
        self.kind, self.mode, self.began = kind, "well", 0.0
        self.url = ""
        self._programme = programme
        self._watchers: list[queue.Queue[bytes | None]] = []
        self._noise = random.Random(0)

    def set(self, mode: Mode) -> None:
        """Change the mood; one that goes away hangs up on everybody."""
        self.mode = mode
        if mode == "away":
            self.hang_up()

    def hang_up(self) -> None:
        """End every connection."""
        for watcher in list(self._watchers):
            with contextlib.suppress(queue.Full):
                watcher.put_nowait(None)

    @contextlib.contextmanager
    def running(self) -> Iterator["Camera"]:
        """Show the programme until the block ends."""
        command = ["ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i", str(self._programme), "-c", "copy"]
        encoder = subprocess.Popen([*command, "-f", "mpegts", "pipe:1"], stdout=subprocess.PIPE)
        fan = threading.Thread(target=self._fan_out, args=(encoder,), daemon=True)
        fan.start()
        try:
            with self._serving():
                yield self
        finally:
            encoder.kill()
            encoder.wait()

    def _fan_out(self, encoder: subprocess.Popen[bytes]) -> None:
        """Hand what is shown to everybody who watches; what one cannot take is lost to them."""
        assert encoder.stdout is not None
        while chunk := encoder.stdout.read(CHUNK):
            self.began = self.began or time.time()
            if self.mode == "silent":
                continue
            if self.mode == "noisy" and self._noise.random() < 0.3:
                chunk = self._noise.randbytes(len(chunk))
            for watcher in list(self._watchers):
                with contextlib.suppress(queue.Full):
                    watcher.put_nowait(chunk)

    def _watch(self) -> Iterator[bytes]:
        """Yield what is shown from now on, until the camera hangs up."""
        mine: queue.Queue[bytes | None] = queue.Queue(QUEUE)
        self._watchers.append(mine)
        try:
            while (chunk := mine.get()) is not None:
                yield chunk
        finally:
            self._watchers.remove(mine)

    def _serving(self) -> contextlib.AbstractContextManager[object]:
        raise NotImplementedError


class HttpCamera(Camera):
    """Endless MPEG-TS as the answer to a GET."""

    @contextlib.contextmanager
    def _serving(self) -> Iterator[None]:
        with http(self._answer) as base:
            self.url = f"{base}/live.ts"
            yield

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        if self.mode == "away":
            start(request, 503)
            return
        start(request)
        for chunk in self._watch():
            request.wfile.write(chunk)


class TcpCamera(Camera):
    """MPEG-TS to whoever connects."""

    @contextlib.contextmanager
    def _serving(self) -> Iterator[None]:
        with tcp(self._send) as port:
            self.url = f"tcp://127.0.0.1:{port}"
            yield

    def _send(self, connection: socket.socket) -> None:
        if self.mode != "away":
            for chunk in self._watch():
                connection.sendall(chunk)


class HlsCamera(Camera):
    """Segments of two seconds and a playlist of the last six, both over HTTP."""

    @contextlib.contextmanager
    def _serving(self) -> Iterator[None]:
        folder = self._programme.parent / "hls"
        folder.mkdir(exist_ok=True)
        options = ["-hls_time", str(SEGMENT_S), "-hls_list_size", "6", "-hls_flags", "delete_segments"]
        command = ["ffmpeg", "-v", "error", "-f", "mpegts", "-i", "pipe:0", "-c", "copy", "-f", "hls", *options]
        segmenter = subprocess.Popen([*command, str(folder / "live.m3u8")], stdin=subprocess.PIPE)
        threading.Thread(target=self._feed, args=(segmenter,), daemon=True).start()
        try:
            with http(lambda request: self._answer(request, folder)) as base:
                self.url = f"{base}/live.m3u8"
                yield
        finally:
            segmenter.kill()
            segmenter.wait()

    def hang_up(self) -> None:
        """Do nothing: every request is a connection of its own."""

    def _feed(self, segmenter: subprocess.Popen[bytes]) -> None:
        assert segmenter.stdin is not None
        with contextlib.suppress(OSError):
            for chunk in self._watch():
                segmenter.stdin.write(chunk)

    def _answer(self, request: BaseHTTPRequestHandler, folder: Path) -> None:
        while self.mode == "silent":
            time.sleep(0.2)
        try:
            data = (folder / Path(request.path).name).read_bytes()
        except OSError:
            start(request, 404)
            return
        playlist = request.path.endswith("m3u8")
        kind = "application/vnd.apple.mpegurl" if playlist else "video/mp2t"
        start(request, 503 if self.mode == "away" else 200, kind)
        request.wfile.write(data)


class RtspCamera(Camera):
    """H.264 over RTSP, by a server of its own process that gets the programme by UDP."""

    def __init__(self, kind: str, programme: Path) -> None:
        super().__init__(kind, programme)
        self._port, self._feed_port = free_port(), free_port(socket.SOCK_DGRAM)
        self._server: subprocess.Popen[bytes] | None = None
        self.url = f"rtsp://127.0.0.1:{self._port}/cam"

    def set(self, mode: Mode) -> None:
        """Stop the server's process, or let it go on."""
        assert self._server is not None
        if mode == "away":
            self._end()
        elif self._server.poll() is not None:
            self._begin()
        else:
            self._server.send_signal(signal.SIGSTOP if mode == "silent" else signal.SIGCONT)
        self.mode = mode

    def hang_up(self) -> None:
        """End the server and start another."""
        self._end()
        self._begin()

    @contextlib.contextmanager
    def _serving(self) -> Iterator[None]:
        threading.Thread(target=self._feed, daemon=True).start()
        self._begin()
        try:
            yield
        finally:
            self._end()

    def _begin(self) -> None:
        command = ["/usr/bin/python3", str(RTSP_SERVER), str(self._port), "--relay", str(self._feed_port)]
        self._server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _end(self) -> None:
        assert self._server is not None
        self._server.kill()
        self._server.wait()

    def _feed(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            for chunk in self._watch():
                out.sendto(chunk, ("127.0.0.1", self._feed_port))


CAMERAS = {"http": HttpCamera, "tcp": TcpCamera, "hls": HlsCamera, "rtsp": RtspCamera}


@contextlib.contextmanager
def broadcasting(folder: Path, apart_s: float = 18.0) -> Iterator[dict[str, Camera]]:
    """Run one camera of each kind, ``apart_s`` after one another in what they show."""
    programme = prepare(folder)
    with contextlib.ExitStack() as stack:
        cameras = {}
        for i, (kind, build) in enumerate(CAMERAS.items()):
            if i:
                time.sleep(apart_s)
            cameras[kind] = stack.enter_context(build(kind, programme).running())
        yield cameras
