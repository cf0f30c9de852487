"""An RTSP server for tests, run by the system's Python; ``--help`` tells how.

Serves H.264 at ``/cam``: a test pattern with a tone; an MP4 file, from its beginning for each who looks; or the
pictures of MPEG-TS that comes by UDP. Needs the Debian packages python3-gi, gir1.2-gst-rtsp-server-1.0,
gstreamer1.0-plugins-good, gstreamer1.0-plugins-bad, gstreamer1.0-plugins-ugly and gstreamer1.0-libav.
"""

import argparse

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402  the versions must be chosen first

PATTERN = (
    "( videotestsrc is-live=true ! video/x-raw,width=160,height=120,framerate=25/1 "
    "! x264enc tune=zerolatency key-int-max=25 speed-preset=ultrafast ! rtph264pay name=pay0 pt=96 "
    "audiotestsrc is-live=true freq=440 ! audio/x-raw,rate=48000,channels=1 ! avenc_aac ! rtpmp4gpay name=pay1 pt=97 )"
)
PICTURES = "filesrc location={} ! qtdemux name=d d.video_0 ! queue ! h264parse ! rtph264pay name=pay0 pt=96"
SOUND = "d.audio_0 ! queue ! aacparse ! rtpmp4gpay name=pay1 pt=97"
RELAY = (
    "( udpsrc port={} buffer-size=2000000 do-timestamp=true caps=video/mpegts,systemstream=true ! tsdemux latency=0 "
    "! queue ! h264parse config-interval=-1 ! rtph264pay name=pay0 pt=96 config-interval=-1 )"
)

ODD_SOUND = (  # a codec that FFmpeg does not know, before the sound that it does
    "fakesrc is-live=true do-timestamp=true sizetype=2 sizemax=10 filltype=2 datarate=2000 format=3 "
    "! audio/x-bv,mode=16 ! rtpbvpay name=pay1 pt=97 "
)

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("port")
parser.add_argument("--address", default="127.0.0.1")
parser.add_argument("--file", help="an MP4 file instead of the test pattern")
parser.add_argument("--relay", help="a UDP port of this machine instead of the test pattern")
parser.add_argument("--mute", action="store_true", help="the file has no sound")
parser.add_argument("--udp", action="store_true", help="refuse RTP over TCP")
parser.add_argument("--odd-sound", action="store_true", help="the test pattern has another sound that nobody knows")
parser.add_argument("--user")
parser.add_argument("--password")
parser.add_argument("--digest", action="store_true", help="digest instead of basic authentication")
args = parser.parse_args()


def launch() -> str:
    """Return the pipeline that serves what is asked for."""
    if args.relay:
        return RELAY.format(args.relay)
    if args.odd_sound:
        before, sound = PATTERN.split("audiotestsrc")
        return f"{before}{ODD_SOUND}audiotestsrc{sound.replace('pay1 pt=97', 'pay2 pt=98')}"
    if not args.file:
        return PATTERN
    return f"( {PICTURES.format(args.file)} {'' if args.mute else SOUND} )"


def protect(server: GstRtspServer.RTSPServer, factory: GstRtspServer.RTSPMediaFactory) -> None:
    """Let only the user in."""
    auth, token = GstRtspServer.RTSPAuth.new(), GstRtspServer.RTSPToken.new()
    token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, "viewer")
    if args.digest:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(args.user, args.password, token)
    else:
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(args.user, args.password), token)
    server.set_auth(auth)
    role = "viewer,media.factory.access=true,media.factory.construct=true"
    factory.add_role_from_structure(Gst.Structure.new_from_string(role))


Gst.init(None)
server = GstRtspServer.RTSPServer.new()
server.set_service(args.port)
server.set_address(args.address)
factory = GstRtspServer.RTSPMediaFactory.new()
factory.set_launch(launch())
factory.set_shared(not args.file)
if args.udp:
    factory.set_protocols(GstRtsp.RTSPLowerTrans.UDP)
if args.user:
    protect(server, factory)
server.get_mount_points().add_factory("/cam", factory)
server.attach(None)
GLib.MainLoop().run()
