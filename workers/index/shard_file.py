"""The full shard: its tables as one memory-mapped safetensors file, which is written once."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import save_file

from alignment.file_io import replacing
from workers.errors import IndexDamaged
from workers.index.packing import sizes
from workers.index.tables import COLUMNS, Columns, check
from workers.index.types import ShardInfo, info_from_json

FORMAT = "watchword-index/1"
DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I32": "<i4", "I8": "i1", "U8": "u1", "U16": "<u2", "U32": "<u4"}


def save_shard(path: Path, info: ShardInfo, columns: Columns, metadata: Mapping[str, str]) -> None:
    """Write a shard atomically and durably; raise ``OSError``."""
    tensors = {name: np.ascontiguousarray(columns[name], column.dtype) for name, column in COLUMNS.items()}
    try:
        with replacing(path, private=True) as part:
            save_file(tensors, part, {"format": FORMAT, "info": info.to_json(), **metadata})
    except SafetensorError as error:  # a full disk is reported so
        raise OSError(f"cannot write {path}: {error}") from error


def open_shard(path: Path) -> tuple[ShardInfo, Columns, dict[str, str]]:
    """Map a shard; return its description, its columns and its metadata.

    Raise ``FileNotFoundError`` if it is gone, ``IndexDamaged`` if it is no shard.
    """
    try:
        content = np.asarray(np.memmap(path, np.uint8, "r"))
        length = int(content[:8].view("<u8")[0])
        header = json.loads(content[8 : 8 + length].tobytes())
        metadata = header.pop("__metadata__")
        if metadata["format"] != FORMAT:
            raise ValueError(f"its format is {metadata['format']!r}, not {FORMAT!r}")
        info = info_from_json(metadata["info"])
        columns = {name: _column(content[8 + length :], entry) for name, entry in header.items()}
        no_pictures = {"picture_bytes": np.zeros(len(columns["t"]), "<u2"), "picture": np.zeros(0, "u1")}
        columns = no_pictures | columns  # older shards have no such columns
        check(columns, sizes(info.tape))
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise IndexDamaged(f"{path} is not a shard of the index, or is damaged: {error}") from error
    return info, columns, metadata


def _column(data: NDArray[np.uint8], entry: Mapping[str, Any]) -> NDArray[Any]:
    begin, end = entry["data_offsets"]
    return data[begin:end].view(DTYPES[entry["dtype"]]).reshape(entry["shape"])
