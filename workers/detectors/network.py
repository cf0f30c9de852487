"""One detector as an ONNX Runtime session, on one or more processor threads."""

from importlib import resources

from alignment.types import F32
from workers.errors import ModelUnavailable
from workers.models.onnx_session import open_session
from workers.types import U8

SIZE = 300  # pixels along each side of the input


class Network:
    """A detector that ``workers.detectors.conversion`` wrote; raises ``ModelUnavailable`` if it cannot be loaded."""

    def __init__(self, file: str, threads: int = 1) -> None:
        name = f"the detector {file}"
        try:
            model = resources.files("workers.detectors").joinpath(file).read_bytes()
        except OSError as error:
            raise ModelUnavailable(f"{name} cannot be read: {error}", "install watchword again") from error
        self._session = open_session(name, model, threads)

    def __call__(self, frames: U8) -> tuple[F32, F32]:
        """Return boxes f32[N, 1917, 4] (left, top, right, bottom, relative) and logits f32[N, 1917, classes].

        ``frames`` is u8[N, 300, 300, 3], RGB.
        """
        boxes, logits = self._session.run(["boxes", "logits"], {"frames": frames})
        return boxes, logits
