"""Parse camera URLs: the kind of source, and FFmpeg's options to open it.

An untrusted playlist must not make FFmpeg read local files. So each scheme allows only the protocols that it needs
(``protocol_whitelist``, https://ffmpeg.org/ffmpeg-protocols.html).
"""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from workers.errors import SourceUnsupported
from workers.redaction import RedactedUrl

LIVE_PROTOCOLS = {
    "rtsp": "rtsp,rtp,tcp,udp",
    "rtsps": "rtsp,rtsps,rtp,srtp,tcp,tls,udp",
    "http": "http,tcp,crypto",  # to the local proxy, which does TLS: FFmpeg's `httpproxy` would bypass it
    "https": "http,tcp,crypto",
    "udp": "udp",
    "tcp": "tcp",
}
KNOWN = "a path, file://, rtsp://, rtsps://, http://, https://, udp://, tcp://, webcam:// or synthetic://"


@dataclass(frozen=True, slots=True)
class Target:
    """A parsed URL. ``kind`` is ``file``, ``live`` or ``synthetic``; ``name`` is FFmpeg's input, unredacted."""

    kind: str
    scheme: str
    name: str
    format: str | None = None
    protocols: str | None = None
    formats: str | None = None

    @property
    def playlists(self) -> bool:
        """Return whether the server may send a playlist of segments (HLS) instead of a stream."""
        return self.scheme in ("http", "https")


def parse_target(url: RedactedUrl) -> Target:
    """Return how to open ``url``; raise ``SourceUnsupported`` for an unknown scheme."""
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


@dataclass(frozen=True, slots=True)
class Manner:
    """What earlier attempts taught about opening an input.

    ``hurried``: do not look for the frame rate, which takes for ever if the time stamps stand still. ``udp``: ask an
    RTSP server for UDP only, because it refused TCP in a way that FFmpeg does not understand.
    """

    hurried: bool = False
    udp: bool = False


FIRST = Manner()


def network_options(target: Target, read_timeout_s: float, manner: Manner = FIRST) -> dict[str, str]:
    """Return FFmpeg's options for ``target``. ``timeout`` is in microseconds; ``stimeout`` is dead since FFmpeg 5."""
    options: dict[str, str] = {}
    if target.protocols is not None:
        options["protocol_whitelist"] = target.protocols
    if target.formats is not None:
        options["format_whitelist"] = target.formats
    if target.scheme in LIVE_PROTOCOLS:
        options["timeout"] = str(int(read_timeout_s * 1e6))
    if target.scheme == "rtsps":  # by UDP it would not be encrypted
        options["rtsp_transport"] = "tcp"
    if target.scheme == "rtsp":  # TCP loses nothing; UDP is asked for if the server refuses it (461)
        options["rtsp_transport"] = "udp" if manner.udp else "tcp+udp"
        options["rtsp_flags"] = "filter_src" if manner.udp else "prefer_tcp+filter_src"
    if manner.hurried:
        options["fpsprobesize"] = "0"
    if target.playlists:
        options["rw_timeout"] = options["timeout"]  # the option that FFmpeg applies to a playlist's segments too
        options["live_start_index"] = "-1"  # start with the playlist's newest segment; other formats ignore this
    if target.scheme == "udp":
        options["overrun_nonfatal"] = "1"
    if target.scheme in ("http", "https", "tcp", "udp"):
        # A restarted encoder may renumber its streams; PyAV never returns from reading unknown ones.
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
    """Return whether ``url`` is a live stream and not a file; raise ``SourceUnsupported``."""
    return parse_target(url).kind == "live"


def is_file(url: RedactedUrl) -> bool:
    """Return whether ``url`` is a file; raise ``SourceUnsupported``."""
    return parse_target(url).kind == "file"


def is_local(url: RedactedUrl) -> bool:
    """Return whether only this machine can read ``url``: a file or a device; raise ``SourceUnsupported``."""
    target = parse_target(url)
    return target.kind == "file" or target.scheme == "webcam"


# Formats that hold everything in one file; demuxers of playlists and scripts open what a file names.
_CONTAINERS = "mov,matroska,avi,mpegts,mpeg,flv,asf,ogg,mxf,nut,gif,apng,rm,dv,ivf,wtv"
_RECORDERS = "dhav,hxvs,ifv,luodat"  # Dahua, Xiongmai, and other recorders of cameras
_RAW_VIDEO = "h264,hevc,m4v,mpegvideo,mjpeg,obu,av1,yuv4mpegpipe"
_AUDIO = "wav,w64,mp3,aac,ac3,eac3,dts,flac,aiff,caf,amr,au,wv,ape,tta"

FILE_FORMATS = f"{_CONTAINERS},{_RECORDERS},{_RAW_VIDEO},{_AUDIO}"
HTTP_FORMATS = f"hls,mpjpeg,webvtt,{FILE_FORMATS}"

# First bytes of playlists and scripts, which name other files. They get a clear error; the lists exclude these formats.
PLAYLIST_PREFIXES = (b"#EXTM3U", b"ffconcat", b"<?xml", b"<MPD", b"v=0", b"# VobSub", b"[playlist]")
