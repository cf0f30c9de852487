"""Sessions of ONNX Runtime on a processor, as all models here use them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.errors import ModelUnavailable

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


def open_session(name: str, model: bytes, threads: int = 1) -> InferenceSession:
    """Return a session for an ONNX file; raise ``ModelUnavailable`` with the ``name`` of the model.

    Threads that wait leave their core: several models share the cores.
    """
    try:
        import onnxruntime as ort
        from onnxruntime.capi import onnxruntime_pybind11_state as native
    except ImportError as error:
        raise ModelUnavailable(f"{name} needs the package `onnxruntime`", "pip install 'watchword[lite]'") from error
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except (native.Fail, native.InvalidGraph, native.InvalidProtobuf, native.NotImplemented) as error:
        raise ModelUnavailable(f"{name} cannot be read: {error}", "install watchword again") from error
