"""Image files as frames: what a search or an annotation shows to the encoder."""

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from workers.errors import SourceInvalid
from workers.types import U8, FrameSpec, MediaLimits

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")


def load_picture(file: Path | BytesIO, spec: FrameSpec, name: str = "") -> U8:
    """Return an image as RGB u8[H, W, 3], upright and resized like frames; ``name``: what errors call it.

    Raise ``SourceInvalid`` if the file is not an image, or is too large.
    """
    try:
        with Image.open(file, formats=FORMATS) as opened:
            if opened.width * opened.height > MediaLimits().max_pixels:
                raise ValueError(f"{opened.width} x {opened.height} pixels are too many")
            picture = ImageOps.exif_transpose(opened).convert("RGB")
        spec = spec.resolved(*picture.size)
        size = (spec.width, spec.height)
        fitted = ImageOps.fit(picture, size) if spec.fit == "crop" else picture.resize(size)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise SourceInvalid(f"{name or file} is not an image: {error}", "give a JPEG or PNG file") from error
    return np.asarray(fitted, np.uint8)
