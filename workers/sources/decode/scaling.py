"""Scale a decoded frame to the encoder's input: FFmpeg's scaler, rotation, masks, cut, optional face blurring.

Only sampled frames are scaled. Converting every frame to full-size RGB would cost three times the decoding.
"""

from dataclasses import replace
from fractions import Fraction

import numpy as np
from av import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

from workers.sources.decode.faces import DETAIL, FaceBlurrer
from workers.sources.decode.masking import Mask
from workers.types import U8, Areas, FrameSpec


def scaled_size(width: int, height: int, spec: FrameSpec) -> tuple[int, int]:
    """Return the size to scale an upright frame of ``width`` x ``height`` to, before the cut to a resolved ``spec``."""
    if spec.fit == "squash":
        return spec.width, spec.height
    scale = max(Fraction(spec.width, width), Fraction(spec.height, height))
    return max(spec.width, round(width * scale)), max(spec.height, round(height * scale))


def centre_cut(picture: U8, spec: FrameSpec) -> U8:
    """Return the centre ``[spec.height, spec.width, 3]`` of ``picture`` ``[H, W, 3]``."""
    top = (picture.shape[0] - spec.height) // 2
    left = (picture.shape[1] - spec.width) // 2
    return picture[top : top + spec.height, left : left + spec.width]


class FrameScaler:
    """Converts frames of any size, pixel format, range and rotation to RGB ``[H, W, 3]`` of the format ``spec``.

    Use one per stream: FFmpeg keeps the native scaler and rebuilds it when frames change. ``blur_faces``: blur faces;
    raise ``ModelUnavailable`` if no detector is installed. ``masks``: areas outside of which frames are black.
    """

    def __init__(self, spec: FrameSpec, blur_faces: bool = False, masks: Areas = ()) -> None:
        self._mask = Mask(masks) if masks else None
        self._faces = FaceBlurrer() if blur_faces else None
        self._detail = DETAIL if blur_faces else 1
        self._spec = spec
        self._reformatter = VideoReformatter()

    def is_served_by(self, width: int, height: int) -> bool:
        """Return whether upright frames of this size need not be enlarged; False for no size."""
        if not width or not height:
            return False
        wanted = scaled_size(width, height, self._target(width, height))
        return width >= wanted[0] and height >= wanted[1]

    def _target(self, width: int, height: int) -> FrameSpec:
        """Return the size and fit that upright frames of ``width`` x ``height`` are scaled to."""
        spec = self._spec.resolved(width, height)
        return replace(spec, width=self._detail * spec.width, height=self._detail * spec.height)

    def __call__(self, frame: VideoFrame) -> U8:
        """Return the upright frame, contiguous u8 ``[H, W, 3]`` RGB."""
        turns = (frame.rotation // 90) % 4  # display matrix: degrees counterclockwise
        upright = (frame.height, frame.width) if turns % 2 else (frame.width, frame.height)
        spec = self._target(*upright)
        width, height = scaled_size(*upright, spec)
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
        picture = picture if self._mask is None else self._mask(picture)
        cut = np.ascontiguousarray(centre_cut(picture, spec))
        return cut if self._faces is None else self._faces(cut)
