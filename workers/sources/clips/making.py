"""Clips and full frames of one camera, from the packets that were recorded of it."""

from contextlib import suppress
from io import BytesIO

from av.error import FFmpegError
from PIL import Image

from workers.errors import ClipUnavailable
from workers.sources.clips.coded import OpenTracks, Recording, open_tracks
from workers.sources.clips.encode import FramePainter, Look, decoded, encode
from workers.sources.clips.remux import remux
from workers.time_note import time_note
from workers.types import U8, CameraSpec, Clip

# What is written into an MP4 as it is. H.265 needs hardware in a browser; it is transcoded on request.
PLAYABLE = {"h264", "hevc"}
PLAYABLE_FORMATS = {None, "yuv420p", "yuvj420p"}  # of H.264
SIDE, FPS = 1280, 15.0  # pixels of the longer side of what is encoded again, and frames a second
# Where faces are blurred each frame is searched for them, at twice its size: 0.2 s of CPU for each of these.
BLURRED_SIDE, BLURRED_FPS, BLURRED_PICTURE = 640, 5.0, 960
JPEG_QUALITY = 85
SAME_S = 0.02  # frames closer than this to the wanted time are the wanted frame


def make_clip(recording: Recording, start: float, camera: CameraSpec, live: bool) -> Clip:
    """Return the clip of ``recording``, which ``cut`` cut; raise ``ClipUnavailable``.

    It starts with the key frame before ``start``; one that is encoded again starts at ``start``.
    """
    first, last = min(p.t for p in recording.packets), max(p.t for p in recording.packets)
    try:
        with open_tracks(recording.tracks) as tracks:
            if not must_be_encoded(recording, tracks, camera):
                with suppress(FFmpegError):  # damaged packets: a decoder is more patient
                    return Clip(first, last, remux(recording, tracks, time_note(first, last) if live else ""))
            first = max(first, start)
            note = time_note(first, last) if live else ""
            return Clip(first, last, encode(recording, tracks, look_of(camera), first, note))
    except (FFmpegError, ValueError) as error:
        raise ClipUnavailable(f"the clip cannot be written: {error}", "use another codec in the camera") from error


def make_picture(recording: Recording, t: float, camera: CameraSpec, live: bool) -> bytes:
    """Return the frame at stream second ``t``, or else the last one before it, as JPEG; raise ``ClipUnavailable``."""
    found = None
    try:
        with open_tracks(recording.tracks) as tracks:
            for at, frame in decoded(recording.video, tracks, camera.limits):
                if found is None or at <= t + SAME_S:
                    found = at, frame
                if at >= t - SAME_S:
                    break
            if found is not None:
                at, frame = found
                picture = FramePainter(look_of(camera, of_picture=True))(frame)
                return jpeg(picture, time_note(at, at) if live else "")
    except (FFmpegError, ValueError) as error:
        raise ClipUnavailable(f"no frame can be decoded: {error}", "use another codec in the camera") from error
    raise ClipUnavailable("no frame of that time can be decoded", "the camera's video is damaged, or has gaps")


def jpeg(picture: U8, note: str) -> bytes:
    """Return an RGB frame u8[H, W, 3] as JPEG, with a note of the time that it shows."""
    out = BytesIO()
    Image.fromarray(picture).save(out, format="JPEG", quality=JPEG_QUALITY, comment=note)
    return out.getvalue()


def look_of(camera: CameraSpec, of_picture: bool = False) -> Look:
    """Return how frames of a camera may be shown."""
    blurred = camera.blur_faces
    side = SIDE if not blurred else BLURRED_PICTURE if of_picture else BLURRED_SIDE
    return Look(side, BLURRED_FPS if blurred else FPS, blurred, camera.masks, camera.limits)


def must_be_encoded(recording: Recording, tracks: OpenTracks, camera: CameraSpec) -> bool:
    """Return whether a clip must be encoded again: hidden parts, or no player for it, or no key frame to begin with."""
    if not recording.video or tracks.video is None:
        return False
    context = tracks.video.codec_context
    if camera.blur_faces or camera.masks or context.name not in PLAYABLE:
        return True
    if context.name == "h264" and recording.tracks.pix_fmt not in PLAYABLE_FORMATS:
        return True
    return not recording.video[0].entry
