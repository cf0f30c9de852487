"""Imports decord without what it would drag in.

decord2 3.4 opens, for all to see (RTLD_GLOBAL), every library that the ``nvidia-*`` packages of a CUDA build of torch
brought along, among them NVBLAS, which takes the place of the processor's BLAS: without a GPU the next matrix product
of torch or numpy then ends the process (segmentation fault; seen with torch 2.14.1). Its own wheels need none of them.
"""

import sys
import threading
from importlib import import_module
from types import ModuleType
from typing import Any, cast

_HIDDEN = "nvidia"
_lock = threading.Lock()


def load_decord() -> ModuleType:
    """Return the module ``decord``; raise ``ImportError`` or ``OSError`` where it is absent or does not load."""
    with _lock:
        if "decord" in sys.modules:
            return sys.modules["decord"]
        modules = cast("dict[str, Any]", sys.modules)
        before = modules.get(_HIDDEN)
        modules[_HIDDEN] = None  # how the import system marks a package as not to be found
        try:
            return import_module("decord")
        finally:
            if before is None:
                del modules[_HIDDEN]
            else:
                modules[_HIDDEN] = before
