"""From a decoded frame to the picture an encoder wants: FFmpeg's scaler, rotation, centre cut, and no faces on demand.

Only sampled frames come here. Converting every frame to full-size RGB would cost three times the decode.
"""

from dataclasses import replace
from fractions import Fraction

import numpy as np
from av import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

from workers.sources.faces import DETAIL, FaceHider
from workers.types import U8, FrameSpec


def scaled_size(width: int, height: int, spec: FrameSpec) -> tuple[int, int]:
    """Return the size to scale an upright ``width`` by ``height`` picture to, before any cut."""
    if spec.fit == "squash":
        return spec.width, spec.height
    scale = max(Fraction(spec.width, width), Fraction(spec.height, height))
    return max(spec.width, round(width * scale)), max(spec.height, round(height * scale))


def centre_cut(picture: U8, spec: FrameSpec) -> U8:
    """Return the middle ``[spec.height, spec.width, 3]`` of ``picture`` ``[H, W, 3]``."""
    top = (picture.shape[0] - spec.height) // 2
    left = (picture.shape[1] - spec.width) // 2
    return picture[top : top + spec.height, left : left + spec.width]


class FrameScaler:
    """Makes ``[H, W, 3]`` RGB of one size from frames of any size, pixel format, range and rotation.

    One per stream: the native scaler is kept and rebuilt by FFmpeg when the frames change size or format.
    ``blur_faces``: hide faces; raise ``ModelUnavailable`` where no detector is installed.
    """

    def __init__(self, spec: FrameSpec, blur_faces: bool = False) -> None:
        self._faces = FaceHider() if blur_faces else None
        self._spec = replace(spec, width=DETAIL * spec.width, height=DETAIL * spec.height) if blur_faces else spec
        self._reformatter = VideoReformatter()

    def __call__(self, frame: VideoFrame) -> U8:
        """Return the upright picture, contiguous u8 ``[H, W, 3]``."""
        turns = (frame.rotation // 90) % 4  # display matrix: degrees counterclockwise
        upright = (frame.height, frame.width) if turns % 2 else (frame.width, frame.height)
        width, height = scaled_size(*upright, self._spec)
        if turns % 2:
            width, height = height, width
        rgb = self._reformatter.reformat(
            frame,
            width,
            height,
            "rgb24",
            interpolation=Interpolation.BILINEAR,
            dst_color_range="JPEG",
            threads=1,
        )
        picture = np.rot90(np.asarray(rgb.to_ndarray(), np.uint8), turns)
        cut = np.ascontiguousarray(centre_cut(picture, self._spec))
        return cut if self._faces is None else self._faces(cut)
