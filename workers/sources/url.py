"""What a camera's URL asks for: which kind of source, and how FFmpeg has to open it.

A playlist served by a stranger must not make FFmpeg read local files, so every scheme gets a list of the
protocols that it needs and no others (``protocol_whitelist``, https://ffmpeg.org/ffmpeg-protocols.html).
"""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from workers.errors import SourceUnsupported
from workers.redaction import RedactedUrl
from workers.sources.formats import FILE_FORMATS, HTTP_FORMATS

LIVE_PROTOCOLS = {
    "rtsp": "rtsp,rtp,tcp,udp",
    "rtsps": "rtsp,rtsps,rtp,srtp,tcp,tls,udp",
    "http": "http,tcp,crypto",  # to the gate, which does TLS: FFmpeg's needs `httpproxy`, a way past the gate
    "https": "http,tcp,crypto",
    "udp": "udp",
    "tcp": "tcp",
}
KNOWN = "a path, file://, rtsp://, rtsps://, http://, https://, udp://, tcp://, webcam:// or synthetic://"


@dataclass(frozen=True, slots=True)
class Target:
    """What to open. ``kind`` is ``file``, ``live`` or ``synthetic``; ``name`` is what FFmpeg gets, unredacted."""

    kind: str
    scheme: str
    name: str
    format: str | None = None
    protocols: str | None = None
    formats: str | None = None

    @property
    def playlists(self) -> bool:
        """Whether the server may answer with a playlist of segments (HLS) instead of a stream."""
        return self.scheme in ("http", "https")


def parse_target(url: RedactedUrl) -> Target:
    """Return how to open ``url``; raise ``SourceUnsupported`` for a scheme that nothing here reads."""
    raw = url.reveal()
    scheme, separator, rest = raw.partition("://")
    scheme = scheme.lower()
    if not separator:
        return _device(raw) if raw.startswith("/dev/video") else _file(raw)
    if scheme == "file":
        return _file(_path_of(raw))
    if scheme == "webcam":
        return _device(rest or "/dev/video0")
    if scheme == "synthetic":
        return Target("synthetic", scheme, raw)
    if scheme in LIVE_PROTOCOLS:
        forced = "mpegts" if scheme in ("udp", "tcp") else None
        formats = HTTP_FORMATS if scheme in ("http", "https") else forced
        return Target("live", scheme, raw, forced, LIVE_PROTOCOLS[scheme], formats)
    raise SourceUnsupported(f"{url}: no source reads {scheme}:// URLs", f"use {KNOWN}")


def network_options(target: Target, read_timeout_s: float) -> dict[str, str]:
    """Return FFmpeg's options for ``target``. ``timeout`` is in microseconds; ``stimeout`` is dead since FFmpeg 5."""
    options: dict[str, str] = {}
    if target.protocols is not None:
        options["protocol_whitelist"] = target.protocols
    if target.formats is not None:
        options["format_whitelist"] = target.formats
    if target.scheme in LIVE_PROTOCOLS:
        options["timeout"] = str(int(read_timeout_s * 1e6))
    if target.scheme in ("rtsp", "rtsps"):
        options["rtsp_transport"] = "tcp"
    if target.playlists:
        options["rw_timeout"] = options["timeout"]  # the one that FFmpeg hands on to a playlist's segments
        options["live_start_index"] = "-1"  # of a playlist: the newest segment; ignored by other formats
    if target.scheme == "udp":
        options["overrun_nonfatal"] = "1"
    if target.scheme in ("http", "https", "tcp", "udp"):
        # An encoder that is started anew may number its streams anew; PyAV never returns from reading unknown ones.
        options["merge_pmt_versions"] = "1"
    return options


def _file(path: str) -> Target:
    return Target("file", "file", path, protocols="file", formats=FILE_FORMATS)


def _device(path: str) -> Target:
    if not path.startswith("/"):
        path = "/" + path
    return Target("live", "webcam", path, "v4l2")


def _path_of(raw: str) -> str:
    parts = urlsplit(raw)
    # A relative file://name has no host in the sense of the URL: it is the first part of the path.
    return str(Path(unquote(parts.netloc + parts.path)))


def is_live(url: RedactedUrl) -> bool:
    """Tell whether ``url`` is a stream without an end, rather than a file; raise ``SourceUnsupported``."""
    return parse_target(url).kind == "live"
