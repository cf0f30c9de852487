"""Still pictures in HEIF files (HEIC, AVIF): telephones cut them into tiles, each of which FFmpeg gives as a stream."""

from io import BytesIO

from workers.errors import SourceInvalid, SourceTooLarge
from workers.sources.ffmpeg_errors import make
from workers.sources.limits import within_memory
from workers.types import CameraSpec

FORMAT = "jpeg_pipe"  # of what `read_still` returns
_STILLS = {b"avif", b"heic", b"heix", b"mif1"}
_MOVING = {b"avis", b"hevc", b"hevx", b"msf1"}  # brands of files that have a track too
_LONGEST = 256  # bytes of the first box
_QUALITY = 95


def read_still(path: str, camera: CameraSpec) -> BytesIO | None:
    """Return the whole upright picture as JPEG; None if the file is no still HEIF.

    Raises a ``SourceError``, or ``OSError`` if the file cannot be read.
    """
    with open(path, "rb") as file:
        begin = file.read(_LONGEST)
    brands = {begin[i : i + 4] for i in range(8, min(int.from_bytes(begin[:4]), len(begin)), 4)}
    if begin[4:8] != b"ftyp" or not brands & _STILLS or brands & _MOVING:
        return None
    from pi_heif import register_heif_opener  # loaded for such files only
    from PIL import Image, ImageOps

    register_heif_opener()
    try:
        with within_memory(camera), Image.open(path) as picture:
            (width, height), most = picture.size, camera.limits.max_pixels
            if width * height > most:
                reason = f"a picture of {width}x{height}, at most {most} pixels are allowed (limits.pixels)"
                raise make(SourceTooLarge, camera.name, camera.url, reason)
            found = BytesIO()
            ImageOps.exif_transpose(picture).convert("RGB").save(found, "JPEG", quality=_QUALITY)
    except (OSError, ValueError, RuntimeError, SyntaxError, Image.DecompressionBombError) as e:
        raise make(SourceInvalid, camera.name, camera.url, f"its picture cannot be decoded ({e})") from e
    found.seek(0)
    return found
