"""Real servers on the loopback interface, each with one way to behave or misbehave."""

import socket
import socketserver
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

Handler = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def http(answer: Handler, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Iterator[str]:
    """Serve every GET and POST by ``answer``, over TLS where ``tls`` says how; yields the base URL."""

    class Request(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with suppress(OSError):
                answer(self)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    with _Server((host, 0), Request) as server:
        if tls is not None:  # the handshake is left to the request's own thread
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"{'http' if tls is None else 'https'}://{host}:{server.server_address[1]}"
        server.shutdown()


def certified(folder: Path, name: str = "camera.test") -> ssl.SSLContext:
    """Make a certificate that nobody else vouches for, as cameras have them; return a server's side of TLS."""
    key, certificate = folder / f"{name}.key", folder / f"{name}.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", f"/CN={name}", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False


def start(request: BaseHTTPRequestHandler, status: int = 200, kind: str = "video/mp2t") -> None:
    request.send_response(status)
    request.send_header("Content-Type", kind)
    request.send_header("Connection", "close")
    request.end_headers()


def paced(write: Callable[[bytes], object], data: bytes, seconds: float, stop_at: float = 1.0) -> None:
    """Write ``data`` as if it took ``seconds``, in 20 ms steps, up to the share ``stop_at``."""
    steps = max(1, int(seconds / 0.02))
    size = len(data) // steps + 1
    began = time.monotonic()
    for step, i in enumerate(range(0, int(len(data) * stop_at), size), 1):
        write(data[i : min(i + size, int(len(data) * stop_at))])
        time.sleep(max(0.0, began + 0.02 * step - time.monotonic()))


@contextmanager
def tcp(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Hand every connection to ``serve``; yields the port."""

    class Connection(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):
                serve(self.request)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False
        allow_reuse_address = True

    with Server(("127.0.0.1", 0), Connection) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def wait_for_port(port: int, seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens on port {port}")


RTSP_SERVER = Path(__file__).parent / "rtsp_server.py"


@contextmanager
def responding(status: int) -> Iterator[str]:
    """An HTTP server that answers everything with one status; yields host and port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def unresponsive() -> Iterator[str]:
    """A server that accepts connections and never says a word; yields host and port."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def closed_port() -> int:
    """Return a port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
