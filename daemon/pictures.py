"""Image files as the frames an encoder takes."""

from pathlib import Path

import numpy as np

from workers.errors import SourceInvalid
from workers.types import U8, FrameSpec


def load_picture(path: Path, spec: FrameSpec) -> U8:
    """Return an image file as RGB u8[H, W, 3], upright and fitted as frames are; raise ``SourceInvalid``."""
    from PIL import Image, ImageOps

    size = (spec.width, spec.height)
    try:
        with Image.open(path) as opened:
            picture = ImageOps.exif_transpose(opened).convert("RGB")
        fitted = ImageOps.fit(picture, size) if spec.fit == "crop" else picture.resize(size)
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise SourceInvalid(f"{path} is no picture: {error}", "give a JPEG or PNG file") from error
    return np.asarray(fitted, np.uint8)
