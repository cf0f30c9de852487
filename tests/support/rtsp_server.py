"""An RTSP server for tests, run by the system's Python: ``rtsp_server.py PORT [USER PASSWORD | FILE | udp:PORT]``.

Serves H.264 at ``/cam``: a test pattern or an MP4 file with sound, or the pictures of MPEG-TS that comes by UDP.
Needs the Debian packages python3-gi, gir1.2-gst-rtsp-server-1.0, gstreamer1.0-plugins-good,
gstreamer1.0-plugins-bad, gstreamer1.0-plugins-ugly and gstreamer1.0-libav.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402  the versions must be chosen first

LAUNCH = (
    "( videotestsrc is-live=true ! video/x-raw,width=160,height=120,framerate=25/1 "
    "! x264enc tune=zerolatency key-int-max=25 speed-preset=ultrafast ! rtph264pay name=pay0 pt=96 "
    "audiotestsrc is-live=true freq=440 ! audio/x-raw,rate=48000,channels=1 ! avenc_aac ! rtpmp4gpay name=pay1 pt=97 )"
)
FILE = (
    "( filesrc location={} ! qtdemux name=d d.video_0 ! queue ! h264parse ! rtph264pay name=pay0 pt=96 "
    "d.audio_0 ! queue ! aacparse ! rtpmp4gpay name=pay1 pt=97 )"
)

RELAY = (
    "( udpsrc port={} buffer-size=2000000 do-timestamp=true caps=video/mpegts,systemstream=true ! tsdemux latency=0 "
    "! queue ! h264parse config-interval=-1 ! rtph264pay name=pay0 pt=96 config-interval=-1 )"
)


def launch(source: str) -> str:
    """Return the pipeline that serves a file, or what comes to a port."""
    kind, _, port = source.partition(":")
    return RELAY.format(port) if kind == "udp" else FILE.format(source)


Gst.init(None)
server = GstRtspServer.RTSPServer.new()
server.set_service(sys.argv[1])
server.set_address("127.0.0.1")
factory = GstRtspServer.RTSPMediaFactory.new()
factory.set_launch(launch(sys.argv[2]) if len(sys.argv) == 3 else LAUNCH)
factory.set_shared(True)
if len(sys.argv) > 3:
    auth = GstRtspServer.RTSPAuth.new()
    token = GstRtspServer.RTSPToken.new()
    token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, "viewer")
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(sys.argv[2], sys.argv[3]), token)
    server.set_auth(auth)
    factory.add_role_from_structure(
        Gst.Structure.new_from_string("viewer,media.factory.access=true,media.factory.construct=true")
    )
server.get_mount_points().add_factory("/cam", factory)
server.attach(None)
GLib.MainLoop().run()
